"""Where data come from, and what is made of them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from dla.core.parsing import STRICT
from dla.core.values import Inside, Key, Name, Seed


@dataclass(frozen=True, config=STRICT)
class DatasetSource:
    """Where a data set comes from: a repository of the Hugging Face Hub, or data the dependencies carry."""

    type: Literal["dataset"]
    repository: Name  # owner/name on the Hub, or a folder on this machine
    revision: Inside  # branch, tag or commit
    files: dict[Key, tuple[Inside, ...]]  # split -> patterns of its files in the repository
    embedded: Name  # the embedded source that stands in for it under a budget with source: embedded


@dataclass(frozen=True, config=STRICT)
class ModelSource:
    """Where a pretrained model comes from: a repository of the Hub, or one that is made here."""

    type: Literal["model"]
    repository: Name  # owner/name on the Hub, or a folder on this machine
    revision: Inside  # branch, tag or commit
    files: tuple[Inside, ...]  # patterns of its files in the repository
    embedded: Name  # what stands in for it under a budget with source: embedded


@dataclass(frozen=True, config=STRICT)
class TextSource:
    """Where one long text comes from: any place that fsspec opens, or a text the dependencies carry."""

    type: Literal["text"]
    url: Name  # https://..., or a file on this machine
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]  # of the file as it is there
    embedded: Name  # what stands in for it under a budget with source: embedded


Source = Annotated[DatasetSource | ModelSource | TextSource, Field(discriminator="type")]


@dataclass(frozen=True, config=STRICT)
class Images:
    """One prepared image data set: what `prepare` makes of a source."""

    kind: Literal["images"]
    format: Literal["safetensors"]
    source: Name  # a key of `sources`
    image_column: Name  # of the source's files
    label_column: Name  # of the source's files
    channels: Literal[1, 3]  # 1: greyscale, 3: RGB
    image_size: Annotated[int, Field(ge=8, le=512)]  # pixels, height and width
    validation_fraction: Annotated[float, Field(gt=0, le=0.5)]  # of the training images
    split_seed: Seed  # of the choice of validation images


@dataclass(frozen=True, config=STRICT)
class Texts:
    """One prepared set of texts with a class each."""

    kind: Literal["texts"]
    format: Literal["parquet"]
    source: Name  # a key of `sources`
    text_column: Name  # of the source's files
    label_column: Name  # of the source's files
    validation_fraction: Annotated[float, Field(gt=0, le=0.5)]  # of the training texts
    split_seed: Seed  # of the choice of validation texts


@dataclass(frozen=True, config=STRICT)
class Questions:
    """One prepared set of multiple-choice questions about articles, in the columns of RACE."""

    kind: Literal["questions"]
    format: Literal["parquet"]
    source: Name  # a key of `sources`
    split_seed: Seed  # of the order of the training questions


@dataclass(frozen=True, config=STRICT)
class Corpus:
    """One prepared long text for a language model, cut once: training, then validation, then test."""

    kind: Literal["corpus"]
    format: Literal["parquet"]
    source: Name  # a key of `sources`
    form: Literal["verse", "prose"]  # verse is judged by its metre and rhymes too
    parts: tuple[Name, ...]  # lines that each begin a part of the text; what stands before the first is dropped
    kept: tuple[Name, ...]  # the parts that are kept
    dropped: tuple[Name, ...]  # regular expressions of what is no text, such as headings; ^ and $ are ends of lines
    validation_fraction: Annotated[float, Field(gt=0, lt=0.5)]  # of the characters, after those that are learned from
    test_fraction: Annotated[float, Field(gt=0, lt=0.5)]  # of the characters, at the end


Data = Annotated[Images | Texts | Questions | Corpus, Field(discriminator="kind")]
