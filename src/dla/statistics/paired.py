"""Two contenders compared pair by pair, and which of several differences are shown.

A pair are two values that share all but the contender: seed, split, order of the batches. A difference is shown if the
permutation test within pairs says so after Holm's correction over all measures of the comparison, which bounds the
chance that any of them is shown without being there by `1 - confidence`. The interval beside it is Student's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dla.statistics.multiplicity import holm
from dla.statistics.outcomes import student

Values = np.ndarray[Any, np.dtype[np.float64]]
Numbers = dict[str, Any]  # for a metrics file: what does not exist is None

EXACT_PAIRS = 20  # as many have a million arrangements of signs; with more, arrangements are drawn
DRAWN = 99_999
ROUNDING = 1e-12  # differences nearer than this, in parts of the values, differ by the rounding of floating point


@dataclass(frozen=True)
class Paired:
    """One measure of two contenders: `first` and `second` (pairs,), NaN where a contender has no value."""

    first: Values
    second: Values
    larger_is_better: bool

    def whole(self) -> Paired:
        """The pairs of which both have a value."""
        kept = np.isfinite(self.first) & np.isfinite(self.second)
        return Paired(self.first[kept], self.second[kept], self.larger_is_better)

    @property
    def differences(self) -> Values:
        """First minus second, those that rounding alone tells from zero or from one another made equal."""
        differences: Values = self.first - self.second
        rounding = ROUNDING * np.abs([self.first, self.second]).max(initial=0.0)
        if len(differences) and np.ptp(differences) <= rounding:
            differences = np.full_like(differences, differences[0])
        return np.where(np.abs(differences) <= rounding, 0.0, differences)


def compare(measures: Mapping[str, Paired], confidence: float) -> dict[str, Numbers]:
    """The difference of every measure, and whether it is shown among all of them.

    Returns
    -------
    For each measure `n` (pairs that have it), `mean`, `low`, `high` and `effect_size` of the differences, the
    probability `first_is_better`, `p_value`, `adjusted_p_value`, `smallest_adjusted_p_value` (that any differences of
    so many pairs could have), `pairs_needed` to show one, and `shown`.
    """
    level = round(1 - confidence, 12)  # 1 - 0.9 is a little less than 0.1
    whole = {name: measure.whole() for name, measure in measures.items()}
    tested = {name: measure for name, measure in whole.items() if len(measure.first)}
    p_values = {name: permutation_test(measure.differences) for name, measure in tested.items()}
    adjusted = holm(p_values)
    smallest = holm({name: smallest_p_value(len(measure.first)) for name, measure in tested.items()})
    return {
        name: {
            **paired_difference(measure, confidence),
            "p_value": p_values.get(name),
            "adjusted_p_value": adjusted.get(name),
            "smallest_adjusted_p_value": smallest.get(name),
            "pairs_needed": pairs_needed(max(1, len(tested)), confidence),
            "shown": adjusted.get(name, 1.0) <= level,
        }
        for name, measure in whole.items()
    }


def paired_difference(measure: Paired, confidence: float) -> Numbers:
    """Student's interval of the mean difference, Cohen's d of the paired differences, and who is better how often.

    `first_is_better` is the probability that the first of a random pair beats the second of another (Vargha and
    Delaney's A: ties count half).
    """
    found = describe(measure.differences, confidence)
    std = found.pop("std")
    better, worse = measure.first[:, None], measure.second[None]
    if not measure.larger_is_better:
        better, worse = -better, -worse
    wins = (better > worse) + 0.5 * (better == worse)
    return {
        **found,
        "effect_size": found["mean"] / std if std else None,
        "first_is_better": float(wins.mean()) if wins.size else None,
    }


def describe(values: Values, confidence: float) -> Numbers:
    """Number, mean, standard deviation and Student's interval of the mean of those of `values` that are there.

    Values that are all the same have no interval, and one value has no standard deviation.
    """
    values = values[np.isfinite(values)]
    n = len(values)
    mean = float(values.mean()) if n else None
    std = low = high = None
    if n > 1:
        same = np.ptp(values) <= ROUNDING * np.abs(values).max()
        std = 0.0 if same else float(values.std(ddof=1))
    if mean is not None and std:
        low, high = student(mean, std, n, confidence)
    return {"n": n, "mean": mean, "std": std, "low": low, "high": high}


def permutation_test(differences: Values) -> float:
    """Two-sided p-value of the mean of paired `differences` (n,) among all exchanges within pairs (Fisher 1935, 21).

    Exact for up to `EXACT_PAIRS` pairs; for more of them among `DRAWN` random exchanges, always the same ones.
    """
    observed, rounding = abs(differences.sum()), ROUNDING * np.abs(differences).sum()
    if len(differences) <= EXACT_PAIRS:
        sums = np.zeros(1)
        for difference in differences:
            sums = np.concatenate([sums + difference, sums - difference])
        return float(np.mean(np.abs(sums) >= observed - rounding))
    generator, sums = np.random.default_rng(0), np.zeros(DRAWN)
    for difference in differences:
        sums += difference * generator.choice((-1.0, 1.0), DRAWN)
    as_large = int(np.sum(np.abs(sums) >= observed - rounding))
    return (as_large + 1) / (DRAWN + 1)  # the observed one counts too


def smallest_p_value(pairs: int) -> float:
    """The smallest p-value that `permutation_test` can have: all differences on one side."""
    return 2 / 2**pairs if pairs <= EXACT_PAIRS else 1 / (DRAWN + 1)


def pairs_needed(measures: int, confidence: float) -> int:
    """How many pairs it takes that one of `measures` differences can be shown at all."""
    return 1 + math.ceil(math.log2(measures / round(1 - confidence, 12)))
