"""Features as `embed` wrote them, read back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from dla.core.artifacts import Metadata, read_tensors


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
    return Labelled(tensors["features"], tensors["labels"]), metadata
