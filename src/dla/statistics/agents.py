"""Agents compared over seeds and environments.

Definitions of R. Agarwal et al., "Deep Reinforcement Learning at the Edge of the Statistical Precipice" (NeurIPS 2021,
arXiv 2108.13264), as their library rliable computes them. Scores of an agent are one array (runs,) per environment,
a run being one seed; two agents are compared in the same environments, in the same order.

The paper decides by whether the bootstrap's interval of the probability of improvement holds 0.5. From three seeds an
interval can be [1, 1] by chance in one case of ten, so `improvement_test` is beside it, whose false alarms are known.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
Scores = Sequence[Values]  # (runs,) per environment
CHUNK = 1000  # resamples at a time: of them all at once, those of ten runs in fifty environments take gigabytes


def interquartile_mean(scores: Values) -> Values:
    """Mean of the middle half of the last axis: a quarter is cut off at either end, rounded down (section 4)."""
    ordered = np.sort(scores, axis=-1)
    cut = ordered.shape[-1] // 4
    middle: Values = ordered[..., cut : ordered.shape[-1] - cut].mean(axis=-1)
    return middle


def aggregate(scores: Scores) -> Values:
    """All runs of all environments as one array (environments * runs,): equally many of each, the first ones.

    The paper takes the middle half of all runs together, so that an environment with more seeds would count more.
    """
    runs = min(map(len, scores))
    return np.concatenate([values[:runs] for values in scores])


def probability_of_improvement(x: Scores, y: Scores) -> float:
    """P(X > Y): how often a random run of X is better than one of Y in the same environment (section 4).

    Ties count half. In one environment it is the Mann-Whitney U statistic as a share of all pairs, of several the mean.
    """
    return float(np.mean([_wins(a, b).mean() for a, b in zip(x, y, strict=True)]))


def performance_profile(scores: Scores, thresholds: Values) -> Values:
    """Share of runs with a score above each of `thresholds` (T,), of several environments their mean (section 4)."""
    shares = [np.mean(values[:, None] > thresholds, axis=0) for values in scores]
    profile: Values = np.mean(shares, axis=0)
    return profile


# --- stratified bootstrap (section 4): within every environment, runs are drawn again with replacement ------------


@dataclass(frozen=True)
class Bootstrap:
    """How intervals come about: percentiles of a statistic over so many resamples, the same ones for the same seed."""

    resamples: int
    confidence: float
    seed: int

    def interquartile_mean(self, scores: Scores) -> tuple[float, float] | None:
        """Interval of the interquartile mean over all environments; None if no environment has two runs."""
        runs = min(map(len, scores))
        kept = [values[:runs] for values in scores]

        def resampled(generator: np.random.Generator, size: int) -> Values:
            drawn = [values[generator.integers(runs, size=(size, runs))] for values in kept]
            return interquartile_mean(np.concatenate(drawn, axis=1))

        return self._ends(resampled) if runs > 1 else None

    def probability_of_improvement(self, x: Scores, y: Scores) -> tuple[float, float] | None:
        """Interval of P(X > Y), the runs of both drawn independently; None if either has one run only somewhere."""
        wins = [_wins(a, b) for a, b in zip(x, y, strict=True)]

        def resampled(generator: np.random.Generator, size: int) -> Values:
            means: Values = np.mean([_resampled_mean(matrix, generator, size) for matrix in wins], axis=0)
            return means

        return self._ends(resampled) if min(min(matrix.shape) for matrix in wins) > 1 else None

    def performance_profile(self, scores: Scores, thresholds: Values) -> tuple[Values, Values] | None:
        """Interval of the profile at each of `thresholds` (T,), point by point; None if an environment has one run."""
        above = [(values[:, None] > thresholds).astype(float) for values in scores]

        def resampled(generator: np.random.Generator, size: int) -> Values:
            shares: Values = np.mean([_shares(len(a), generator, size) @ a for a in above], axis=0)
            return shares

        return self._ends(resampled) if min(map(len, scores)) > 1 else None

    def _ends(self, resampled: Callable[[np.random.Generator, int], Values]) -> Any:
        generator = np.random.default_rng(self.seed)
        sizes = [CHUNK] * (self.resamples // CHUNK) + [self.resamples % CHUNK] * (self.resamples % CHUNK > 0)
        values = np.concatenate([resampled(generator, size) for size in sizes])
        lower, upper = np.quantile(values, [(1 - self.confidence) / 2, (1 + self.confidence) / 2], axis=0)
        return lower, upper


def _wins(x: Values, y: Values) -> Values:
    """Who is better in every pair of runs, (runs of X, runs of Y): 1 X, 0 Y, 0.5 neither."""
    wins: Values = (x[:, None] > y) + 0.5 * (x[:, None] == y)
    return wins


def _shares(runs: int, generator: np.random.Generator, size: int) -> Values:
    """How often each run is drawn in a resample, as shares of it: (size, runs)."""
    shares: Values = generator.multinomial(runs, np.full(runs, 1 / runs), size=size) / runs
    return shares


def _resampled_mean(wins: Values, generator: np.random.Generator, size: int) -> Values:
    first, second = (_shares(runs, generator, size) for runs in wins.shape)
    mean: Values = ((first @ wins) * second).sum(axis=1)
    return mean


# --- a test whose false alarms are known ----------------------------------------------------------------------------


@dataclass(frozen=True)
class RankTest:
    """A p-value, and the smallest one that so many runs can have."""

    p_value: float
    smallest: float


def improvement_test(x: Scores, y: Scores) -> RankTest:
    """Two-sided test of P(X > Y) = 1/2, exact: among all exchanges of runs between X and Y within environments.

    In one environment this is the exact Mann-Whitney test, with ties at their mean rank; of several environments the
    distributions of U add up (a stratified rank test, as van Elteren's 1960, here with an equal weight for each).
    """
    pairs = [2 * len(a) * len(b) for a, b in zip(x, y, strict=True)]  # twice U goes from 0 to that
    unit = math.lcm(*pairs)
    distribution, observed = np.ones(1), 0
    for a, b, twice in zip(x, y, pairs, strict=True):
        ways = np.zeros(unit + 1)
        ways[:: unit // twice] = _distribution(np.concatenate([a, b]), len(a))
        distribution = np.convolve(distribution, ways)
        observed += round(2 * _wins(a, b).sum()) * (unit // twice)
    distance = np.abs(2 * np.arange(len(distribution)) - (len(distribution) - 1))  # from the middle
    possible = distribution > 0
    farthest = distance[possible].max()
    p_value = distribution[distance >= abs(2 * observed - (len(distribution) - 1))].sum()
    return RankTest(min(1.0, float(p_value)), min(1.0, float(distribution[distance >= farthest].sum())))


def _distribution(scores: Values, first: int) -> Values:
    """Probabilities of 2U = 0, 1, ... when any `first` of the `scores` are as likely to be X's.

    By counting subsets by the sum of their doubled ranks, one score after another.
    """
    n = len(scores)
    above, equal = scores[:, None] > scores, scores[:, None] == scores
    ranks = 2 * above.sum(axis=1) + equal.sum(axis=1) + 1  # doubled, lest those of ties be fractions
    ways = np.zeros((first + 1, int(ranks.sum()) + 1))
    ways[0, 0] = 1
    for rank in map(int, ranks):
        ways[1:, rank:] += ways[:-1, :-rank].copy()
    least = first * (first + 1)  # the doubled sum of the ranks 1 to `first`
    counted: Values = ways[first, least : least + 2 * first * (n - first) + 1]
    return counted / math.comb(n, first)
