"""Two classifiers on the same test cases: which cases only one of them gets right, and what that shows.

A case that both get right, or both wrong, says nothing of their difference; intervals of two accuracies that overlap
leave that out, and with it most of what the cases can tell. The columns are those that classifiers keep of every case.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from dla.statistics.outcomes import CONFIDENCE


@dataclass(frozen=True)
class Comparison:
    """What the same `n` cases say of two classifiers."""

    first_only: int  # cases that the first alone gets right
    second_only: int
    n: int

    @property
    def difference(self) -> float:
        """The first's accuracy minus the second's."""
        return (self.first_only - self.second_only) / self.n

    @property
    def p(self) -> float:
        """McNemar's exact test, two-sided: the cases that one alone gets right are tosses of a fair coin.

        Q. McNemar, Psychometrika 12 (1947), with the binomial distribution instead of its approximation.
        """
        tosses = self.first_only + self.second_only
        return min(1.0, 2 * float(special.bdtr(min(self.first_only, self.second_only), tosses, 0.5)))

    @property
    def can_tell(self) -> bool:
        """Whether so many cases could show a difference at all: five that all say the same have p = 0.0625."""
        return float(2.0 ** (1 - self.first_only - self.second_only)) <= 1 - CONFIDENCE

    def interval(self) -> tuple[float, float]:
        """Tango's score interval of the difference (T. Tango, Statistics in Medicine 17 (1998), equation 11)."""
        return -_upper(self.second_only, self.first_only, self.n), _upper(self.first_only, self.second_only, self.n)

    def swapped(self) -> Comparison:
        """The same with the second as the first."""
        return Comparison(self.second_only, self.first_only, self.n)


def _upper(first_only: int, second_only: int, n: int) -> float:
    """The largest difference that the score test does not reject, by bisection."""
    z = float(special.ndtri((1 + CONFIDENCE) / 2))
    low, high = (first_only - second_only) / n, 1.0
    for _ in range(60):  # halves: to the last bit
        middle = (low + high) / 2
        # The probability of the cases that the second alone gets right, likeliest among those with this difference.
        b = (2 * n - first_only + second_only) * middle - first_only - second_only
        wrong = (math.sqrt(max(b * b + 8 * n * second_only * middle * (1 - middle), 0.0)) - b) / (4 * n)
        variance = n * (2 * wrong + middle * (1 - middle))
        rejected = n * middle - first_only + second_only > z * math.sqrt(max(variance, 0.0))
        low, high = (low, middle) if rejected else (middle, high)
    return high


def compare_cases(first: Sequence[Mapping[str, Any]], second: Sequence[Mapping[str, Any]]) -> Comparison | None:
    """The comparison of two tables of `PREDICTIONS`; none if these are not of the same cases."""
    right: list[dict[tuple[Any, Any], bool]] = [
        {(row["case"], row["actual"]): row["predicted"] == row["actual"] for row in rows if "case" in row}
        for rows in (first, second)
    ]
    if not right[0] or right[0].keys() != right[1].keys():
        return None
    a, b = np.array([[found[case] for case in right[0]] for found in right])
    return Comparison(int((a & ~b).sum()), int((b & ~a).sum()), len(a))
