"""Downloaded data sets as tables, split by split."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import datasets
import pyarrow
import pyarrow.parquet

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
        raise UserError(f"{raw}: has no files of split {split!r}; fetch them: dvc repro -f -s download@{raw.name}")
    try:
        # In memory: `Dataset.from_parquet` would first write a copy of everything to the disk.
        table = pyarrow.concat_tables(pyarrow.parquet.read_table(file) for file in files)
        rows = datasets.Dataset(datasets.table.InMemoryTable(table))
    except (OSError, ValueError) as error:
        raise broken(raw, error) from error
    for column in columns:
        if column not in rows.features:
            raise UserError(
                f"{raw}: has no column {column!r} but {', '.join(rows.features)}; see `data` in params.yaml"
            )
    return rows


def class_names(rows: datasets.Dataset, column: str, raw: Path) -> list[str]:
    """Names of the classes that `column` numbers."""
    label = rows.features[column]
    if not isinstance(label, datasets.ClassLabel):
        raise UserError(f"{raw}: column {column!r} has no class names; see `data` in params.yaml")
    names: list[str] = label.names
    return names


def broken(raw: Path, error: Exception) -> UserError:
    """What to do about a file of `raw` that cannot be read."""
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    return UserError(
        f"{raw}: a file is truncated or broken ({reason}); fetch it anew: dvc repro -f -s download@{raw.name}"
    )
