"""Intervals of shares and means, at 95 % if no other level is named.

SciPy's distributions, but not `scipy.stats`, which has the same intervals (tests/test_intervals.py compares them): its
import takes as long as a small stage's whole work.
"""

from __future__ import annotations

import math

from scipy import special

CONFIDENCE = 0.95


def wilson(hits: int, n: int) -> tuple[float, float]:
    """Wilson's score interval of a share of `hits` among `n` cases (Wilson 1927, without continuity correction)."""
    z = float(special.ndtri((1 + CONFIDENCE) / 2))
    share, shrunk = hits / n, 1 + z**2 / n
    centre = (share + z**2 / (2 * n)) / shrunk
    half = z * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)) / shrunk
    return (0.0 if hits == 0 else centre - half, 1.0 if hits == n else centre + half)


def student(mean: float, std: float, n: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Student's interval of the mean of `n` > 1 values with standard deviation `std` (of the sample, ddof 1)."""
    half = float(special.stdtrit(n - 1, (1 + confidence) / 2)) * std / math.sqrt(n)
    return mean - half, mean + half


def cut(interval: tuple[float, float], lowest: float, highest: float) -> tuple[float, float]:
    """The part of an interval from `lowest` to `highest`, where the truth must be: it is in there as often."""
    return min(max(interval[0], lowest), highest), max(min(interval[1], highest), lowest)
