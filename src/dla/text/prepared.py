"""Prepared texts and questions, split by split."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.compute
from numpy.typing import NDArray

from dla.core.artifacts import Metadata, read_texts

SPLITS = ("train", "validation", "test")
LEVELS = ["middle", "high"]  # of questions, the easier first


def read_splits(prepared: Path, examples: int | None = None) -> tuple[dict[str, pyarrow.Table], Metadata]:
    """The rows of every split, of the training split the first `examples`, and the data set's facts.

    Raises
    ------
    UserError
        If the file is missing, truncated or not of ours.
    """
    table, facts = read_texts(prepared)
    splits = {split: table.filter(pyarrow.compute.equal(table["split"], split)) for split in SPLITS}
    return {**splits, "train": splits["train"].slice(0, examples)}, facts


def numbers(rows: pyarrow.Table, column: str) -> NDArray[Any]:
    """A column of whole numbers, (N,) int64."""
    column_numbers: NDArray[Any] = rows[column].to_numpy().astype(np.int64)
    return column_numbers


def levels(rows: pyarrow.Table) -> NDArray[Any]:
    """How hard each question is, (N,) int64 numbers of `LEVELS`."""
    return np.array([LEVELS.index(level) for level in rows["level"].to_pylist()], np.int64)


def lengths(rows: pyarrow.Table) -> NDArray[Any]:
    """Characters of each option, (N, 4) int64."""
    return np.array([[len(option) for option in options] for options in rows["options"].to_pylist()], np.int64)
