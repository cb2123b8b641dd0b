"""One long text for a language model: cleaned, and cut once: to learn from, to choose by, and to be tested on."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from dla.core.artifacts import write_texts
from dla.core.errors import UserError
from dla.core.parsing import STRICT, did_you_mean
from dla.core.values import Name
from dla.data.raw import TEXT
from dla.data.settings import DataSettings

SPLITS = ("train", "validation", "test")

FILE = "texts.parquet"  # that a data set of this kind consists of


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Settings(DataSettings):
    """One prepared long text for a language model, cut once: training, then validation, then test."""

    form: Literal["verse", "prose"]  # verse is judged by its metre and rhymes too
    parts: tuple[Name, ...]  # lines that each begin a part of the text; what stands before the first is dropped
    kept: tuple[Name, ...]  # the parts that are kept
    dropped: tuple[Name, ...]  # regular expressions of what is no text, such as headings; ^ and $ are ends of lines
    validation_fraction: Annotated[float, Field(gt=0, lt=0.5)]  # of the characters, after those that are learned from
    test_fraction: Annotated[float, Field(gt=0, lt=0.5)]  # of the characters, at the end

    def __post_init__(self) -> None:
        for part in self.kept:
            if part not in self.parts:
                known = ", ".join(self.parts)
                raise ValueError(f"kept: {part!r} is not one of {known}{did_you_mean(part, self.parts)}")
        for pattern in self.dropped:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"dropped: {pattern!r} is not a pattern ({error})") from None


def prepare(raw: Path, settings: Settings, prepared: Path, source: str) -> None:
    """Write the text as three rows, `split` train, validation and test, which follow each other in the `text`.

    The metadata has the source (see dla.data.origin) and the `form`. Parts and headings are those of the real text, so
    of an embedded one everything is kept, and it is prose.

    Raises
    ------
    UserError
        If the file is missing, a part that is to be kept does not occur in it, or nothing is left for a split.
    """
    try:
        text = (raw / TEXT).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{raw / TEXT}: cannot be read ({error}); dvc repro -f -s download@{raw.name}") from None
    form = "prose"
    if source != "embedded":
        text, form = clean("".join(choose_parts(text, settings, raw)), settings.dropped), settings.form
    pieces = cut(text, settings)
    for split, piece in zip(SPLITS, pieces, strict=True):
        if len(piece) < SHORTEST:
            raise UserError(
                f"{raw / TEXT}: leaves {len(piece)} characters for {split}, which is too few: take a longer text, or "
                "other fractions; see `data` in params.yaml"
            )
    write_texts(prepared, {"split": list(SPLITS), "text": pieces}, {"source": source, "form": form})


SHORTEST = 2  # characters of a split: the first is what the second is predicted from


def cut(text: str, settings: Settings) -> list[str]:
    """The text as its three splits, cut at an empty line where there is one near, else between lines."""
    shares = (1 - settings.validation_fraction - settings.test_fraction, 1 - settings.test_fraction)
    ends = [_end(text, round(len(text) * share)) for share in shares]
    return [text[begin:end] for begin, end in pairwise([0, *ends, len(text)])]


NEAR = 0.02  # of the text's length


def _end(text: str, place: int) -> int:
    near = max(place - round(len(text) * NEAR), 0)
    empty = text.rfind("\n\n", near, place)
    return (text.rfind("\n", 0, place) if empty < 0 else empty + 1) + 1


def choose_parts(text: str, settings: Settings, raw: Path) -> list[str]:
    """The parts that are kept, in the order of the text, without the lines that begin them."""
    if not settings.parts:
        return [text]
    pieces = re.split(rf"^({'|'.join(map(re.escape, settings.parts))})$", text, flags=re.MULTILINE)
    found = dict(zip(pieces[1::2], pieces[2::2], strict=True))
    for part in settings.kept:
        if part not in found:
            raise UserError(f"{raw / TEXT}: has no line {part!r}, which begins a part; see `data` in params.yaml")
    return [body for part, body in found.items() if part in settings.kept]


def clean(text: str, dropped: tuple[str, ...]) -> str:
    """The text without what matches `dropped`, spaces at ends of lines, and more than one empty line at a time."""
    for pattern in dropped:
        text = re.sub(pattern, "", text, flags=re.MULTILINE)
    text = re.sub(r"[ \t]+$", "", text, flags=re.MULTILINE)
    return re.sub(r"\n{3,}", "\n\n", text).strip("\n") + "\n"
