"""Numbers and comparisons as words, with what they rest on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dla.statistics.classifiers import Comparison
from dla.statistics.outcomes import CONFIDENCE, wilson


@dataclass(frozen=True)
class Share:
    """A share of n cases with its 95 % interval (Wilson's)."""

    value: float
    lower: float
    upper: float
    n: int

    @classmethod
    def of(cls, value: float, n: int) -> Share:
        """The share of which only the value and the number of cases are known."""
        return cls(value, *wilson(round(value * n), n), n)

    @classmethod
    def read(cls, found: Mapping[str, Any]) -> Share:
        """The accuracy of a metrics file."""
        if "lower" in found:
            return cls(found["accuracy"], found["lower"], found["upper"], found["n"])
        return cls.of(found["accuracy"], found["n"])

    def __str__(self) -> str:
        return f"{percent(self.value)} ({100 * self.lower:.1f} to {100 * self.upper:.1f})"


def percent(share: float | None, digits: int = 1) -> str:
    """25.0 %."""
    return "" if share is None else f"{100 * share:.{digits}f} %"


def count(number: float) -> str:
    """12,000."""
    return f"{number:,.0f}"


def p_value(p: float | None) -> str:
    """p = 0.012, or p < 0.001; nothing if a test could not be made."""
    if p is None:
        return "no test possible"
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def points(difference: float, lower: float, upper: float) -> str:
    """Of shares: +1.5 points (-0.2 to +3.2)."""
    return f"{100 * difference:+.1f} points ({100 * lower:+.1f} to {100 * upper:+.1f})"


def compare(first: tuple[str, Share], second: tuple[str, Share], of: str, cases: Comparison | None = None) -> str:
    """Which of two named shares is larger, if the data show it.

    Parameters
    ----------
    of : what the shares are of
    cases : how the two compare case by case: McNemar's exact test decides. Without it nothing is shown, as it is not
        known how often intervals that are apart would be by chance.
    """
    swapped = first[1].value < second[1].value
    (better, x), (worse, y) = (second, first) if swapped else (first, second)
    shown = f"a difference is not shown, as there are no predictions for the same {of}"
    if cases is not None:
        shown = paired_difference(cases.swapped() if swapped else cases, of)
    return f"{better[0].upper()}{better[1:]} gets {x} of {count(x.n)} {of} right, {worse} {y}: {shown}."


def paired_difference(cases: Comparison, of: str) -> str:
    """The difference of two shares of the same cases, and whether it is shown."""
    if not cases.can_tell:
        return f"a difference is not shown, as too few {of} ({cases.first_only + cases.second_only}) tell them apart"
    measured = f"{points(cases.difference, *cases.interval())}, McNemar's exact test {p_value(cases.p)}"
    shown = cases.p <= 1 - CONFIDENCE
    return f"the difference is shown, {measured}" if shown else f"a difference is not shown, {measured}"
