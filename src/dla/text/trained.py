"""Trained text classifiers of every kind, read back, from raw text to probabilities."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from dla.core.artifacts import Metadata, read_tensors
from dla.core.contents import REMEDY
from dla.core.errors import UserError
from dla.core.parameters import untrained
from dla.core.parsing import parse_kept
from dla.core.values import Length
from dla.text.settings import Embedding, Head, WordCounts

FOLDER = Path("models/text")


@dataclass(frozen=True)
class TextClassifier:
    """A trained classifier of raw texts."""

    classes: tuple[str, ...]
    source: str  # embedded or hub
    probabilities: Callable[[Sequence[str]], NDArray[Any]]  # (N, classes)


@dataclass(frozen=True)
class Facts:
    """What every classifier of texts says of itself."""

    classes: Annotated[tuple[str, ...], Field(min_length=2)]
    source: str


@dataclass(frozen=True)
class CounterMetadata(Facts):
    """Beside what was counted."""

    tfidf: WordCounts


@dataclass(frozen=True)
class HeadMetadata(Facts):
    """Beside the weights of a head on frozen features."""

    embed: Embedding
    head: Head


@dataclass(frozen=True)
class EncoderMetadata(Facts):
    """Beside an encoder that was trained itself."""

    pooling: Literal["cls", "mean"]
    max_tokens: Length


def load_text_classifier(name: str, folder: Path = FOLDER) -> TextClassifier:
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
    if "tfidf" in metadata:
        return _read_counter(path, tensors, metadata)
    return _read_head(path, tensors, metadata)


def _read_counter(path: Path, tensors: dict[str, NDArray[Any]], metadata: Metadata) -> TextClassifier:
    from dla.text.linear import require_shapes
    from dla.text.tfidf import read_words

    facts = parse_kept(CounterMetadata, metadata, path)
    count, classes = len(tensors["idf"]), len(facts.classes)
    require_shapes(tensors, {"idf": (count,), "weights": (classes, count), "biases": (classes,)}, path)
    try:
        counter = read_words(tensors, facts.tfidf)
        counter.probabilities([""])  # scikit-learn compares n-grams and their weights no sooner
    except ValueError as error:
        raise UserError(f"{path}: its n-grams and their weights do not fit each other ({error}); {REMEDY}") from None
    return TextClassifier(facts.classes, facts.source, counter.probabilities)


def _read_head(path: Path, tensors: dict[str, NDArray[Any]], metadata: Metadata) -> TextClassifier:
    """A head on frozen features: the encoder comes first."""
    from dla.text.classify import restore_head
    from dla.text.encode import encode, read_encoder, tokenize
    from dla.training.runtime import CPU

    _require_classes(path, metadata)
    facts = parse_kept(HeadMetadata, metadata, path)
    embedding = facts.embed
    encoder = read_encoder(Path("data/raw", embedding.encoder))
    of_vectors = restore_head(facts.head, tensors, encoder.width, len(facts.classes), path)

    def probabilities(texts: Sequence[str]) -> NDArray[Any]:
        tokens = tokenize(encoder.tokenizer, texts, min(embedding.max_tokens, encoder.limit))
        with TemporaryDirectory() as shards:
            return of_vectors(encode(encoder, tokens, embedding.pooling, CPU, Path(shards)))

    return TextClassifier(facts.classes, facts.source, probabilities)


def _read_finetuned(folder: Path) -> TextClassifier:
    import torch
    from scipy.special import softmax

    from dla.core.artifacts import read_metrics
    from dla.pretrained import read_pretrained, token_limit
    from dla.text.encode import pad, show_mean, tokenize

    content = read_metrics(folder / "dla.json")
    _require_classes(folder, content)
    facts = parse_kept(EncoderMetadata, content, folder / "dla.json")
    tokenizer, model = read_pretrained(folder, "AutoModelForSequenceClassification")
    model.eval()
    if model.config.num_labels != len(facts.classes):
        raise UserError(f"{folder}: has {model.config.num_labels} outputs for {len(facts.classes)} classes; {REMEDY}")
    if facts.pooling == "mean":
        show_mean(model)
    limit = min(facts.max_tokens, token_limit(tokenizer, model))

    @torch.inference_mode()
    def probabilities(texts: Sequence[str]) -> NDArray[Any]:
        logits = []
        for tokens in tokenize(tokenizer, texts, limit):  # one by one: a few texts, and nothing to pad
            logits.append(model(**pad([tokens], 0)).logits[0].numpy())
        return np.asarray(softmax(np.stack(logits), axis=1))

    return TextClassifier(facts.classes, facts.source, probabilities)


def _require_classes(path: Path, metadata: Metadata) -> None:
    if "classes" not in metadata:
        raise UserError(f"{path}: answers questions, it does not classify texts")
