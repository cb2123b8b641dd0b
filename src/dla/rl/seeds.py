"""Seeds of episodes: training, validation and test share none."""

from __future__ import annotations

from typing import Literal

SPAN = 2**30  # seeds of each part; three of them stay below 2**32, which every environment takes
Part = Literal["training", "validation", "test"]
PARTS: tuple[Part, ...] = ("training", "validation", "test")


def first_seed(part: Part, number: int, copies: int) -> int:
    """The seed of the first of so many copies, `number` seeds into its part; the others take those that follow."""
    return PARTS.index(part) * SPAN + number % (SPAN - copies)
