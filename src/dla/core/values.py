"""The kinds of numbers and names that settings are made of."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Annotated, TypeVar

from pydantic import AfterValidator, Field

Number = TypeVar("Number", int, float)
Entries = TypeVar("Entries", bound=tuple[Hashable, ...])

MOST = 10**9  # that anything here counts to: libraries count in 32 bits
SMALLEST, LARGEST = 1e-30, 1e30  # well within what single precision holds


def _bounded(value: Number) -> Number:
    largest = MOST if isinstance(value, int) else LARGEST
    if value > largest:
        raise ValueError(f"{value} is larger than any run takes ({largest:,})")
    return value


def _not_vanishing(value: float) -> float:
    if value < SMALLEST:
        raise ValueError(f"{value} is as good as nothing in single precision")
    return value


def _distinct(values: Entries) -> Entries:
    if len(set(values)) < len(values):
        raise ValueError(f"{list(values)} names one twice")
    return values


Bounded = AfterValidator(_bounded)
Distinct = AfterValidator(_distinct)  # of a tuple, no two of whose entries may be equal

Count = Annotated[int, Field(ge=1), Bounded]
Several = Annotated[int, Field(ge=2), Bounded]
Length = Annotated[int, Field(ge=8), Bounded]  # of a sequence of tokens
Fraction = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[float, Field(gt=0), Bounded, AfterValidator(_not_vanishing)]
NonNegative = Annotated[float, Field(ge=0), Bounded]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Name = Annotated[str, Field(min_length=1)]


def _portable(name: str) -> str:
    if not name or not all(c.isascii() and (c.isalnum() or c in "-_.") for c in name) or name.startswith("."):
        raise ValueError("names are letters, digits, '-', '_' and '.'")
    return name


def _without_folders(name: str) -> str:
    if "/" in name or "\0" in name or name.startswith("."):
        raise ValueError("names have no '/' and do not begin with '.'")
    return name


def _below(name: str) -> str:
    if name.startswith("/") or ".." in name.split("/"):
        raise ValueError("leads out of the repository; name what lies in it")
    return name


Key = Annotated[str, AfterValidator(_portable)]  # part of the name of a file or folder
Label = Annotated[Name, AfterValidator(_without_folders)]  # shown to readers, and part of the name of a folder of logs
Inside = Annotated[Name, AfterValidator(_below)]  # a place in a repository
