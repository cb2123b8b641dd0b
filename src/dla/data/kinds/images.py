"""Image data sets: from parquet with encoded pictures to one file of uint8 tensors, split once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import datasets
import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from pydantic.dataclasses import dataclass

from dla.core.artifacts import write_tensors
from dla.core.parsing import STRICT
from dla.core.values import Name, Seed
from dla.data.pixels import channel_statistics, to_pixels
from dla.data.settings import DataSettings
from dla.data.tables import (
    broken,
    class_names,
    has_split,
    hold_out,
    read_labels,
    read_source,
    require_pictures,
    shuffled,
)

FILE = "images.safetensors"  # that a data set of this kind consists of


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Settings(DataSettings):
    """One prepared image data set: what `prepare` makes of a source."""

    image_column: Name  # of the source's files
    label_column: Name  # of the source's files
    channels: Literal[1, 3]  # 1: greyscale, 3: RGB
    image_size: Annotated[int, Field(ge=8, le=512)]  # pixels, height and width
    # Of the training images, where the source has no validation split.
    validation_fraction: Annotated[float, Field(gt=0, le=0.5)]
    split_seed: Seed  # of the choice of validation images


def prepare(raw: Path, settings: Settings, prepared: Path, source: str) -> None:
    """Decode, resize, split and write one image data set.

    The file holds for each split in train, validation, test: `SPLIT.images` (N, C, H, W) uint8, `SPLIT.labels` (N,)
    int64, `SPLIT.ids` (N,) int64 row of the picture in its source split, and where the source knows it `SPLIT.boxes`
    (N, 4) float32: left, top, right, bottom in pixels. Validation is the source's own, or else cut from train,
    stratified, and training pictures are shuffled, both by the split seed, so the first n of them are a fair subset.
    The metadata has the class names, the source (see dla.data.origin), and mean and standard deviation per channel of
    the training pictures (range 0 to 1).

    Raises
    ------
    UserError
        If a file or column is missing, or a file is truncated.
    """
    train, classes = _read_split(raw, "train", settings)
    test, _ = _read_split(raw, "test", settings)
    if has_split(raw, "validation"):
        validation, _ = _read_split(raw, "validation", settings)
        kept = shuffled(len(train["labels"]), settings.split_seed)
        held_out = np.arange(len(validation["labels"]))
    else:
        validation = train
        kept, held_out = hold_out(train["labels"], settings.validation_fraction, settings.split_seed, raw)
    splits = {
        "train": (train, kept),
        "validation": (validation, held_out),
        "test": (test, np.arange(len(test["labels"]))),
    }
    tensors = {
        f"{split}.{name}": values[chosen]
        for split, (columns, chosen) in splits.items()
        for name, values in columns.items()
    }
    mean, deviation = channel_statistics(tensors["train.images"])
    metadata = {"classes": classes, "source": source, "mean": mean, "std": deviation}
    write_tensors(prepared, tensors, metadata)


def _read_split(raw: Path, split: str, settings: Settings) -> tuple[dict[str, NDArray[Any]], list[str]]:
    """Columns and class names of one split of the source."""
    rows = read_source(raw, split, (settings.image_column, settings.label_column))
    classes = class_names(rows, settings.label_column, raw)
    labels = read_labels(rows, settings.label_column, raw)
    require_pictures(rows, settings.image_column, raw)
    try:
        return {"labels": labels, **_columns(rows, settings)}, classes
    except (OSError, ValueError, SyntaxError, AttributeError, KeyError) as error:  # the last two of a missing picture
        raise broken(raw, error) from error


def _columns(rows: datasets.Dataset, settings: Settings) -> dict[str, NDArray[Any]]:
    size = settings.image_size
    columns: dict[str, NDArray[Any]] = {
        "images": np.empty((len(rows), settings.channels, size, size), np.uint8),
        "ids": np.arange(len(rows), dtype=np.int64),
    }
    if "box" in rows.features:
        columns["boxes"] = np.array(rows["box"], np.float32)
    for i, picture in enumerate(rows[settings.image_column]):
        columns["images"][i] = to_pixels(picture, settings.channels, size)
        if "boxes" in columns:
            columns["boxes"][i] *= size / picture.width
    return columns
