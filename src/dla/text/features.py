"""Features as `embed` wrote them, read back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dla.core.artifacts import Metadata, read_tensors
from dla.core.contents import REMEDY
from dla.core.errors import UserError


@dataclass(frozen=True)
class Labelled:
    """Vectors of one split's texts, (N, D) float32, and their classes, (N,) int64."""

    vectors: NDArray[Any]
    labels: NDArray[Any]


def read_labelled(path: Path, split: str) -> tuple[Labelled, Metadata]:
    """One split of the features of a data set of texts.

    Raises
    ------
    UserError
        If the file is missing or broken.
    """
    tensors, metadata = read_tensors(path, prefix=f"{split}.")
    vectors, labels = tensors["features"], tensors["labels"]
    if vectors.ndim != 2 or labels.shape != vectors.shape[:1] or not len(labels):
        raise UserError(f"{path}: the vectors and labels of {split} do not fit each other; {REMEDY}")
    seen = set(labels.tolist())
    if split == "train" and len(seen) < len(metadata["classes"]):
        absent = next(name for number, name in enumerate(metadata["classes"]) if number not in seen)
        raise UserError(f"{path}: none of its {len(labels)} training texts is of class {absent!r}; take more examples")
    return Labelled(vectors, labels), metadata


SHOWN = 80  # characters of a text that a point is labelled with


def pack_beginnings(texts: Sequence[str]) -> NDArray[Any]:
    """How each text begins as bytes of JSON (B,) uint8, for a file of tensors."""
    shown = [text if len(text) <= SHOWN else text[: SHOWN - 1] + "…" for text in texts]
    return np.frombuffer(json.dumps(shown).encode(), np.uint8)


def read_beginnings(path: Path, split: str) -> list[str]:
    """How each text of one split begins.

    Raises
    ------
    UserError
        If the file is missing or broken.
    """
    tensors, _ = read_tensors(path, prefix=f"{split}.beginnings")
    try:
        beginnings: list[str] = json.loads(tensors[""].tobytes())
    except ValueError:
        raise UserError(f"{path}: the beginnings of the texts of {split} are damaged; {REMEDY}") from None
    return beginnings
