"""Downloaded data sets as tables, split by split."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

from dla.core.artifacts import read_parquet
from dla.core.errors import UserError


def read_source(raw: Path, split: str, columns: Collection[str]) -> datasets.Dataset:
    """All rows of one split of the source in the folder `raw`, in order.

    Raises
    ------
    UserError
        If the split or one of `columns` is missing, or a file is truncated.
    """
    files = sorted(str(file) for file in raw.glob(f"{split}-*.parquet"))
    if not files:
        raise _no_files(raw, split)
    try:
        # In memory: `Dataset.from_parquet` would first write a copy of everything to the disk.
        table = pyarrow.concat_tables(read_parquet(file) for file in files)
        rows = datasets.Dataset(datasets.table.InMemoryTable(table))
    except (OSError, ValueError, TypeError, KeyError) as error:  # the last two of features that are none
        raise broken(raw, error) from error
    for column in columns:
        if column not in rows.features:
            raise UserError(f"{raw}: has no column {column!r} but {', '.join(rows.features)}; {_advice(raw)}")
    if not len(rows):
        raise UserError(f"{raw}: has no rows in split {split!r}; {_advice(raw)}")
    return rows


def _advice(raw: Path) -> str:
    return (
        "name another in `data` of params.yaml, or mend the source's files and fetch them anew: "
        f"dvc repro -f -s download@{raw.name}"
    )


def _no_files(raw: Path, split: str) -> UserError:
    again = f"dvc repro -f -s download@{raw.name}"
    other = sorted(file.name for file in raw.glob(f"{split}-*"))
    if other:
        return UserError(
            f"{raw}: split {split!r} is {other[0]}, but only parquet is read; convert the source's files, name"
            f" them in `files` of params.yaml, then: {again}"
        )
    if raw.is_dir():
        there = sorted({file.name.partition("-")[0] for file in raw.glob("*-*")})
        return UserError(
            f"{raw}: has no split {split!r} but {', '.join(there) or 'none'}; name its files in `files` of "
            f"params.yaml, then: {again}"
        )
    return UserError(f"{raw}: is missing; fetch it: {again}")


def class_names(rows: datasets.Dataset, column: str, raw: Path) -> list[str]:
    """Names of the classes that `column` numbers."""
    label = rows.features[column]
    if not isinstance(label, datasets.ClassLabel):
        known = [name for name, feature in rows.features.items() if isinstance(feature, datasets.ClassLabel)]
        raise UserError(
            f"{raw}: column {column!r} has no class names, which a ClassLabel of `datasets` has "
            f"({', '.join(known) or 'no column here is one'}); {_advice(raw)}"
        )
    names: list[str] = label.names
    return names


def read_labels(rows: datasets.Dataset, column: str, raw: Path) -> NDArray[Any]:
    """The numbers (N,) int64 of the classes in `column`, every row having one."""
    found = rows[column][:]
    classes = len(rows.features[column].names)
    for row, label in enumerate(found):
        if label is None or not 0 <= label < classes:
            raise UserError(
                f"{raw}: row {row} has the label {label} in {column!r}, of {classes} classes; {_advice(raw)}"
            )
    return np.array(found, np.int64)


def require_pictures(rows: datasets.Dataset, column: str, raw: Path) -> None:
    """An error unless `column` holds pictures."""
    if not isinstance(feature := rows.features[column], datasets.Image):
        known = [name for name, other in rows.features.items() if isinstance(other, datasets.Image)]
        raise UserError(
            f"{raw}: column {column!r} holds {_kind(feature)}, no pictures ({', '.join(known) or 'no column does'}); "
            f"{_advice(raw)}"
        )


def require_texts(rows: datasets.Dataset, column: str, raw: Path, *, lists: bool = False) -> None:
    """An error unless `column` holds texts in every row, or lists of texts."""
    feature = rows.features[column]
    value = getattr(feature, "feature", None) if lists else feature
    if getattr(value, "dtype", "") not in TEXT_TYPES:
        wanted = "lists of texts" if lists else "texts"
        raise UserError(f"{raw}: column {column!r} holds {_kind(feature)}, no {wanted}; {_advice(raw)}")
    entries = rows.data.column(column).combine_chunks()
    if entries.null_count or (lists and entries.flatten().null_count):
        raise UserError(f"{raw}: column {column!r} is empty in some rows; {_advice(raw)}")


TEXT_TYPES = ("string", "large_string", "string_view")


def _kind(feature: Any) -> str:
    return str(getattr(feature, "dtype", None) or type(feature).__name__)


def has_split(raw: Path, split: str) -> bool:
    """Whether the source has files of the split."""
    return any(raw.glob(f"{split}-*"))


def shuffled(count: int, seed: int) -> NDArray[Any]:
    """The numbers of so many rows in a random order."""
    return np.random.default_rng(seed).permutation(count)


def hold_out(labels: NDArray[Any], fraction: float, seed: int, raw: Path) -> tuple[NDArray[Any], NDArray[Any]]:
    """Rows that are learned from, shuffled, and rows that are held out, as many of every class as the fraction says.

    Raises
    ------
    UserError
        If so few would be held out, or a class is so small, that not every class has one on both sides.
    """
    try:
        kept, held_out = train_test_split(
            np.arange(len(labels)), test_size=fraction, stratify=labels, random_state=seed
        )
    except ValueError:  # in scikit-learn's words, which name none of our settings
        counts = np.bincount(labels)
        raise UserError(
            f"{raw}: validation_fraction = {fraction} of {len(labels)} rows cannot hold one of each of "
            f"{np.count_nonzero(counts)} classes, the smallest of {counts[counts > 0].min()} rows; take a larger one"
        ) from None
    return kept, held_out


def broken(raw: Path, error: Exception) -> UserError:
    """What to do about a file of `raw` that cannot be read."""
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    return UserError(
        f"{raw}: a file is truncated or broken ({reason}); fetch it anew: dvc repro -f -s download@{raw.name}"
    )
