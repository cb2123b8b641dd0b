"""Where data come from, and what is made of them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from dla.core.parsing import STRICT, Found
from dla.core.values import Inside, Key, Name


@dataclass(frozen=True, config=STRICT)
class Budget:
    """Where the data of a budget come from."""

    source: Literal["embedded", "hub"]  # embedded: what the dependencies carry; hub: what `sources` names


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


KINDS = Found("dla.data.kinds", "kind")


@dataclass(frozen=True, config=STRICT, kw_only=True)
class DataSettings:
    """What the settings of every kind of data set have."""

    kind: Key  # a module of dla.data.kinds
    source: Name  # a key of `sources`


Data = Annotated[DataSettings, KINDS]
