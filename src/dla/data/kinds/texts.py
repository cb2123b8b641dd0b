"""Text data sets with a class per text: one parquet file, split once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from dla.core.artifacts import write_texts
from dla.core.parsing import STRICT
from dla.core.values import Name, Seed
from dla.data.settings import DataSettings
from dla.data.tables import class_names, has_split, hold_out, read_labels, read_source, require_texts, shuffled

FILE = "texts.parquet"  # that a data set of this kind consists of


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Settings(DataSettings):
    """One prepared set of texts with a class each."""

    text_column: Name  # of the source's files
    label_column: Name  # of the source's files
    # Of the training texts, where the source has no validation split.
    validation_fraction: Annotated[float, Field(gt=0, le=0.5)]
    split_seed: Seed  # of the choice of validation texts


def prepare(raw: Path, settings: Settings, prepared: Path, source: str) -> None:
    """Split and write one text data set.

    The file has a row per text with its `split` (train, validation, test), `id` (row in the source split), `text` and
    `label`. Validation is the source's own, or else cut from train, stratified, and training texts are shuffled, both
    by the split seed, so the first n of them are a fair subset. The metadata has the class names and the source (see
    dla.data.origin).

    Raises
    ------
    UserError
        If a file or column is missing, or a file is truncated.
    """
    columns = (settings.text_column, settings.label_column)
    train, test = (read_source(raw, split, columns) for split in ("train", "test"))
    classes = class_names(train, settings.label_column, raw)
    for rows in (train, test):
        require_texts(rows, settings.text_column, raw)
    labels, _ = (read_labels(rows, settings.label_column, raw) for rows in (train, test))
    if has_split(raw, "validation"):
        validation = read_source(raw, "validation", columns)
        require_texts(validation, settings.text_column, raw)
        read_labels(validation, settings.label_column, raw)
        kept, held_out = shuffled(len(train), settings.split_seed), np.arange(len(validation))
    else:
        validation = train
        kept, held_out = hold_out(labels, settings.validation_fraction, settings.split_seed, raw)
    chosen = {"train": (train, kept), "validation": (validation, held_out), "test": (test, np.arange(len(test)))}
    table: dict[str, list[object]] = {"split": [], "id": [], "text": [], "label": []}
    for split, (rows, ids) in chosen.items():
        picked = rows.select(ids)
        table["split"] += [split] * len(ids)
        table["id"] += ids.tolist()
        table["text"] += picked[settings.text_column][:]
        table["label"] += picked[settings.label_column][:]
    write_texts(prepared, table, {"classes": classes, "source": source})
