"""What was predicted of every test case, and intervals of shares and means, at 95 % if no other level is named.

SciPy's distributions, but not `scipy.stats`, which has the same intervals (tests/test_intervals.py compares them): its
import takes as long as a small stage's whole work.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from numpy.typing import NDArray
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


PREDICTIONS = ("case", "actual", "predicted")  # number of the case in the test split, from 0, and names of classes
NONE = "none"  # predicted where a classifier does not decide


def predictions(
    labels: NDArray[Any], predicted: NDArray[Any], classes: Sequence[str]
) -> Iterator[dict[str, str | int]]:
    """One row of `PREDICTIONS` per test case, in the order of the test split.

    Parameters
    ----------
    labels : (N,) numbers of classes
    predicted : (N,) numbers of classes, -1 for none
    """
    names = (*classes, NONE)
    for case, (label, number) in enumerate(zip(labels, predicted, strict=True)):
        yield {"case": case, "actual": names[label], "predicted": names[number]}
