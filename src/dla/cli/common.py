"""What several commands need: values of options, tables, complaints."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from dla.errors import UserError

Commands = argparse._SubParsersAction  # the type that add_subparsers returns has no public name
Ranked = Sequence[tuple[str, float]]  # classes with their probabilities, the likeliest first


def count(text: str) -> int:
    """A whole number from 1, as an option's type."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def seed(text: str) -> int:
    """A seed that every library takes, as an option's type."""
    if not text.isdecimal() or int(text) >= 2**32:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 to {2**32 - 1}")
    return int(text)


def complain(error: UserError) -> None:
    """One line to standard error."""
    print(f"error: {error}", file=sys.stderr)


def print_table(heading: object, shown: Ranked) -> None:
    """A class and its probability per line, below the heading."""
    print(heading)
    width = max(len(name) for name, _ in shown)
    for name, probability in shown:
        print(f"  {name:<{width}}  {probability:7.2%}")


def as_json(shown: Ranked) -> list[dict[str, object]]:
    """The same for programs."""
    return [{"class": name, "probability": probability} for name, probability in shown]
