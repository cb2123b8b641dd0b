"""TF-IDF and logistic regression: what counting words comes to, without any language model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer

from dla.core.errors import UserError
from dla.text.linear import Linear, fit_best
from dla.text.settings import WordCounts


class WordCounter:
    """A text classifier that counts n-grams of words."""

    def __init__(self, vectorizer: TfidfVectorizer, linear: Linear) -> None:
        self.vectorizer = vectorizer
        self.linear = linear

    def probabilities(self, texts: Sequence[str]) -> NDArray[Any]:
        """Probabilities (N, classes)."""
        return self.linear.probabilities(self.vectorizer.transform(texts))

    def tensors(self) -> dict[str, NDArray[Any]]:
        """All that was learned; the n-grams as one text with a line each."""
        ngrams = "\n".join(self.vectorizer.get_feature_names_out())
        return {
            "ngrams": np.frombuffer(ngrams.encode(), np.uint8),
            "idf": self.vectorizer.idf_,
            "weights": self.linear.weights,
            "biases": self.linear.biases,
        }


Labelled = tuple[Sequence[str], NDArray[Any]]  # texts and their classes (N,)


def fit_words(settings: WordCounts, train: Labelled, validation: Labelled) -> tuple[WordCounter, float]:
    """Count the n-grams of the training texts and fit one logistic regression per class, with the C that validation
    chooses; the classifier, and that C."""
    vectorizer = TfidfVectorizer(
        ngram_range=(1, settings.longest), min_df=settings.rarest, sublinear_tf=True, dtype=np.float32
    )
    counted = _count(vectorizer, train[0]), train[1]
    held_out = vectorizer.transform(validation[0]), validation[1]
    linear, c = fit_best(counted, held_out, settings.c, settings.iterations, scale=False)
    return WordCounter(vectorizer, linear), c


def _count(vectorizer: TfidfVectorizer, texts: Sequence[str]) -> Any:
    """Learn the n-grams of texts; their weights (N, n-grams)."""
    try:
        return vectorizer.fit_transform(texts)
    except ValueError:  # in scikit-learn's words, which name none of our settings
        raise UserError(
            f"no word occurs in as many as rarest = {vectorizer.min_df} of the {len(texts)} training texts; take fewer"
        ) from None


def read_words(tensors: dict[str, NDArray[Any]], settings: WordCounts) -> WordCounter:
    """The classifier whose `tensors` were kept."""
    ngrams = tensors["ngrams"].tobytes().decode().split("\n")
    vectorizer = TfidfVectorizer(
        ngram_range=(1, settings.longest), vocabulary=ngrams, sublinear_tf=True, dtype=np.float32
    )
    vectorizer.idf_ = tensors["idf"]
    return WordCounter(vectorizer, Linear(tensors["weights"], tensors["biases"]))
