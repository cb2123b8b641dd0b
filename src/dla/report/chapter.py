"""What a chapter of the report is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Table:
    """Rows of text below a header."""

    caption: str
    header: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    kind: str = field(default="table", init=False)


@dataclass(frozen=True)
class Chart:
    """A chart that the page draws, as a Vega-Lite specification."""

    caption: str
    spec: dict[str, Any]
    kind: str = field(default="chart", init=False)


@dataclass(frozen=True)
class Picture:
    """A picture, whole in its address."""

    caption: str
    alt: str
    address: str
    kind: str = field(default="picture", init=False)


@dataclass(frozen=True)
class Passage:
    """A text as it was written."""

    caption: str
    text: str
    kind: str = field(default="passage", init=False)


Block = Table | Chart | Picture | Passage


@dataclass(frozen=True)
class Chapter:
    """A question, what the results answer, and what that rests on."""

    key: str
    question: str
    findings: Sequence[str]  # paragraphs, of one comparison each
    about: str  # the data: which, and whether they are embedded
    embedded: bool
    blocks: list[Block]
    commands: tuple[str, ...]  # that run it again
    missing: tuple[str, ...]  # stages that have not run


NOTHING = ["Nothing of this has run yet."]
