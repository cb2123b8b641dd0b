"""What commands print."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from dla.core.errors import UserError

Ranked = Sequence[tuple[str, float]]  # classes with their probabilities, the likeliest first


def complain(error: UserError, hint: str = "") -> None:
    """One line to standard error."""
    print(f"error: {error}{hint}", file=sys.stderr)


def say_written(path: Path) -> None:
    """One line to standard error, so that standard output holds results alone."""
    print(f"written: {path}", file=sys.stderr)


def print_table(heading: object, shown: Ranked) -> None:
    """A class and its probability per line, below the heading."""
    print(heading)
    width = max(len(name) for name, _ in shown)
    for name, probability in shown:
        print(f"  {name:<{width}}  {probability:7.2%}")


def as_json(shown: Ranked) -> list[dict[str, object]]:
    """The same for programs."""
    return [{"class": name, "probability": probability} for name, probability in shown]
