"""The kinds of numbers and names that settings are made of."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

Count = Annotated[int, Field(ge=1)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
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
