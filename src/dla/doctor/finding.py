"""One thing that was looked at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Finding:
    """What there is, and what is wrong with it."""

    subject: str
    state: str
    problem: str = ""  # a sentence that says what to do
    stops: bool = False  # a run; other problems concern what comes after it
    facts: Mapping[str, object] = field(default_factory=dict)  # the same for programs, numbers in bytes


def bytes_in_words(size: int) -> str:
    """A number of bytes as people read it, in powers of ten as disks are sold."""
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{size / 1e6:,.1f} MB"
