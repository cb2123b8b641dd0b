"""Trained text classifiers of every kind, read back, from raw text to probabilities."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dla.core.artifacts import Metadata, read_tensors
from dla.core.errors import UserError
from dla.settings.params import untrained
from dla.settings.parsing import parse
from dla.settings.text import Embedding, MLPHead, WordCounts

FOLDER = Path("models/text")


@dataclass(frozen=True)
class TextClassifier:
    """A trained classifier of raw texts."""

    classes: tuple[str, ...]
    source: str  # embedded or hub
    probabilities: Callable[[Sequence[str]], NDArray[Any]]  # (N, classes)


def read_text_classifier(name: str, folder: Path = FOLDER) -> TextClassifier:
    """The classifier that a stage tfidf@NAME, classify@NAME or finetune@NAME left.

    Raises
    ------
    UserError
        If there is none, it does not classify texts, or a file is missing or not whole.
    """
    if (folder / name).is_dir():
        return _read_finetuned(folder / name)
    path = folder / f"{name}.safetensors"
    if not path.exists():
        there = [file.stem for file in folder.glob("*") if not file.stem.startswith("rank-")]  # those rank answers
        raise untrained(path, ["tfidf", "classify", "finetune"], sorted(there))
    tensors, metadata = read_tensors(path)
    if "classes" not in metadata:
        raise UserError(f"{path}: ranks answers, it does not classify texts")
    if "tfidf" in metadata:
        return _read_counter(path, tensors, metadata)
    return _read_head(path, tensors, metadata)


def _read_counter(path: Path, tensors: dict[str, NDArray[Any]], metadata: Metadata) -> TextClassifier:
    from dla.text.tfidf import read_words

    counter = read_words(tensors, parse(WordCounts, metadata["tfidf"], str(path)))
    return TextClassifier(tuple(metadata["classes"]), metadata["source"], counter.probabilities)


def _read_head(path: Path, tensors: dict[str, NDArray[Any]], metadata: Metadata) -> TextClassifier:
    """A head on frozen features: the encoder comes first."""
    import torch

    from dla.text.classify import softmax
    from dla.text.encode import encode, read_encoder, tokenize
    from dla.text.linear import Linear
    from dla.text.perceptron import perceptron
    from dla.training.runtime import CPU

    embedding = parse(Embedding, metadata["embed"], str(path))
    encoder = read_encoder(Path("data/raw", embedding.encoder))
    if metadata["head"]["name"] == "logreg":
        of_vectors: Callable[[NDArray[Any]], NDArray[Any]] = Linear(tensors["weights"], tensors["biases"]).probabilities
    else:
        head = parse(MLPHead, metadata["head"], str(path))
        weights = {key: torch.from_numpy(value) for key, value in tensors.items()}
        nothing = torch.zeros(encoder.width)
        net = perceptron(nothing, nothing, head.widths, len(metadata["classes"]), head.dropout)
        net.load_state_dict(weights)

        def of_vectors(vectors: NDArray[Any]) -> NDArray[Any]:
            return softmax(net, torch.from_numpy(vectors), CPU)

    def probabilities(texts: Sequence[str]) -> NDArray[Any]:
        tokens = tokenize(encoder.tokenizer, texts, min(embedding.max_tokens, encoder.limit))
        with TemporaryDirectory() as shards:
            return of_vectors(encode(encoder, tokens, embedding.pooling, CPU, Path(shards)))

    return TextClassifier(tuple(metadata["classes"]), metadata["source"], probabilities)


def _read_finetuned(folder: Path) -> TextClassifier:
    import torch
    from scipy.special import softmax

    from dla.core.artifacts import read_metrics
    from dla.text.encode import pad, read_pretrained, show_mean, token_limit, tokenize

    facts = read_metrics(folder / "dla.json")
    if "classes" not in facts:
        raise UserError(f"{folder}: answers questions, it does not classify texts")
    tokenizer, model = read_pretrained(folder, "AutoModelForSequenceClassification")
    if facts["pooling"] == "mean":
        show_mean(model)
    limit = min(facts["max_tokens"], token_limit(tokenizer, model))

    @torch.inference_mode()
    def probabilities(texts: Sequence[str]) -> NDArray[Any]:
        found = []
        for tokens in tokenize(tokenizer, texts, limit):  # one by one: a few texts, and nothing to pad
            found.append(model.eval()(**pad([tokens], 0)).logits[0].numpy())
        return np.asarray(softmax(np.stack(found), axis=1))

    return TextClassifier(tuple(facts["classes"]), facts["source"], probabilities)
