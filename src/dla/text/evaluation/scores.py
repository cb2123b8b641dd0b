"""How good classifiers of texts and choosers of answers are, split by split."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dla.statistics.outcomes import wilson

LETTERS = "ABCD"  # of a question's options
BINS = 15  # of the calibration error, as Guo et al. (arXiv 1706.04599) have it


def accuracy(right: NDArray[Any]) -> dict[str, Any]:
    """Share of right answers (N,) bool with Wilson's interval."""
    lower, upper = wilson(int(right.sum()), len(right))
    return {"accuracy": float(right.mean()), "lower": lower, "upper": upper, "n": len(right)}


def classification(labels: NDArray[Any], probabilities: NDArray[Any], classes: Sequence[str]) -> dict[str, Any]:
    """Accuracy, macro and per-class precision, recall and F1, and expected calibration error.

    Parameters
    ----------
    labels : (N,) int64
    probabilities : (N, classes)
    """
    from sklearn.metrics import precision_recall_fscore_support  # half a second that ranking need not wait

    predicted = probabilities.argmax(1)
    numbers = range(len(classes))
    every = precision_recall_fscore_support(labels, predicted, labels=numbers, zero_division=0.0)
    macro = precision_recall_fscore_support(labels, predicted, labels=numbers, average="macro", zero_division=0.0)
    names = ("precision", "recall", "f1")
    return {
        **accuracy(predicted == labels),
        "calibration_error": calibration_error(predicted == labels, probabilities.max(1)),
        "macro": dict(zip(names, map(float, macro[:3]), strict=True)),
        "per_class": {
            label: {name: float(values[i]) for name, values in zip(names, every[:3], strict=True)}
            for i, label in enumerate(classes)
        },
    }


def answer_metrics(
    scores: NDArray[Any], answers: NDArray[Any], levels: NDArray[Any], names: Sequence[str]
) -> dict[str, Any]:
    """Accuracy of the highest score with its interval and what guessing comes to, overall and by level that occurs.

    Parameters
    ----------
    scores : (N, options); where two are highest, none is chosen, and that is not a hit
    answers : (N,) number of the right option
    levels : (N,) numbers of `names`
    """
    right = chosen_options(scores) == answers
    by_level = {names[number]: accuracy(right[levels == number]) for number in np.unique(levels)}
    return {**accuracy(right), "chance": 1 / scores.shape[1], **by_level}


def chosen_options(scores: NDArray[Any]) -> NDArray[Any]:
    """The option (N,) that alone has the highest of scores (N, options); -1 where two have it."""
    alone = (scores == scores.max(1, keepdims=True)).sum(1) == 1
    return np.where(alone, scores.argmax(1), -1)


def calibration_error(right: NDArray[Any], confidence: NDArray[Any]) -> float:
    """Expected calibration error: how far confidence and accuracy are apart in equally wide bins of confidence.

    Guo et al., arXiv 1706.04599, equation 3.
    """
    bins = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
    gaps = np.bincount(bins, right, BINS) - np.bincount(bins, confidence, BINS)
    return float(np.abs(gaps).sum() / len(right))
