"""Comparisons of pairs, against published examples, by counting, and by how often they are wrong."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy import stats

from dla.statistics.paired import (
    Paired,
    Values,
    compare,
    describe,
    paired_difference,
    pairs_needed,
    permutation_test,
    smallest_p_value,
)

# Student (1908), The probable error of a mean, Biometrika 6, section IX: hours of sleep gained under two drugs.
SLEEP = (
    np.array([0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]),
    np.array([1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]),
)
# Fisher (1935), The Design of Experiments, section 17: Darwin's maize in eighths of an inch.
MAIZE = np.array([49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48], float)


def test_the_interval_and_effect_size_of_student() -> None:
    found = paired_difference(Paired(*SLEEP, larger_is_better=True), 0.95)
    assert found["mean"] == pytest.approx(-1.58)
    assert (found["low"], found["high"]) == pytest.approx((-2.4598858, -0.7001142), abs=1e-6)
    assert found["effect_size"] == pytest.approx(-4.0621 / np.sqrt(10), abs=1e-4)  # t = -4.0621
    assert found["n"] == 10


def test_an_interval_has_the_level_that_is_asked_for() -> None:
    found = describe(SLEEP[0], 0.8)
    theirs = stats.ttest_1samp(SLEEP[0], 0).confidence_interval(0.8)
    assert (found["low"], found["high"]) == pytest.approx((theirs.low, theirs.high), rel=1e-12)


def test_the_permutation_test_of_fisher() -> None:
    """863 of 32,768 arrangements are as large in one direction, says section 21."""
    assert permutation_test(MAIZE) == pytest.approx(2 * 863 / 2**15, rel=1e-12)


def test_the_permutation_test_is_exact_for_ten_pairs() -> None:
    differences = np.random.default_rng(3).normal(0.3, 1, 10)
    sums = np.array([np.dot(signs, differences) for signs in product((1, -1), repeat=10)])
    assert permutation_test(differences) == pytest.approx(np.mean(np.abs(sums) >= abs(sums[0]) - 1e-12), rel=1e-12)


def test_ties_that_rounding_tells_apart_are_ties() -> None:
    """0.3 - 0.2 and 0.2 - 0.1 differ in floating point: with their signs changed each sum is as large as the other."""
    first, second = np.array([0.3, 0.1, 0.7, 0.6]), np.array([0.2, 0.2, 0.6, 0.5])  # 0.1, -0.1, 0.1, 0.1
    whole = permutation_test(np.array([1.0, -1.0, 1.0, 1.0]))
    assert permutation_test(Paired(first, second, larger_is_better=True).differences) == whole == 10 / 16


def test_many_pairs_are_exchanged_at_random_and_always_alike() -> None:
    differences = np.random.default_rng(5).normal(0.3, 1, 60)
    p = permutation_test(differences)
    assert p == permutation_test(differences)
    assert p == pytest.approx(stats.ttest_1samp(differences, 0).pvalue, abs=0.005)
    assert permutation_test(np.full(60, 1.0)) == smallest_p_value(60) == 1e-5


@pytest.mark.parametrize(("larger_is_better", "expected"), [(True, 7.5 / 9), (False, 1.5 / 9)])
def test_the_probability_of_being_better_counts_ties_half(larger_is_better: bool, expected: float) -> None:
    first, second = np.array([3.0, 2.0, 5.0]), np.array([2.0, 2.5, 1.0])
    found = paired_difference(Paired(first, second, larger_is_better), 0.95)
    assert found["first_is_better"] == pytest.approx(expected)


# --- what does not exist ---------------------------------------------------------------------------------------


def test_equal_differences_have_no_interval_and_no_effect_size() -> None:
    """Each is 0.1, to the rounding of floating point: their standard deviation is 1e-17, not a spread."""
    first = np.array([0.3, 0.7, 0.8, 0.4, 0.6])
    second = np.array([0.2, 0.6, 0.7, 0.3, 0.5])
    assert (first - second).std(ddof=1) > 0
    found = paired_difference(Paired(first, second, larger_is_better=True), 0.95)
    assert found["mean"] == pytest.approx(0.1)
    assert [found[name] for name in ("low", "high", "effect_size")] == [None, None, None]
    assert permutation_test(Paired(first, second, larger_is_better=True).differences) == 2 / 2**5


def test_equal_values_have_no_spread() -> None:
    found = describe(np.full(10, 0.1) * 3, 0.95)
    assert found == {"n": 10, "mean": pytest.approx(0.3), "std": 0.0, "low": None, "high": None}


def test_pairs_of_which_one_has_no_value_are_left_out() -> None:
    first, second = np.array([1.0, np.nan, 3.0, np.nan]), np.array([2.0, 2.0, np.nan, np.nan])
    found = compare({"some": Paired(first, second, False), "none": Paired(first, first * np.nan, False)}, 0.95)
    assert (found["some"]["n"], found["some"]["mean"], found["some"]["p_value"]) == (1, -1.0, 1.0)
    assert found["none"] | {"n": 0, "shown": False} == found["none"]
    assert {found["none"][name] for name in ("mean", "low", "p_value", "adjusted_p_value", "first_is_better")} == {None}


# --- what is shown ---------------------------------------------------------------------------------------------


def one_sided(pairs: int) -> Paired:
    """Differences that are as clear as differences can be."""
    return Paired(np.arange(1.0, pairs + 1), np.zeros(pairs), larger_is_better=True)


@pytest.mark.parametrize("measures", [1, 2, 5])
@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
def test_so_few_pairs_that_no_difference_could_be_shown(measures: int, confidence: float) -> None:
    needed = pairs_needed(measures, confidence)
    for pairs, reached in ((needed, True), (needed - 1, False)):
        found = compare({str(i): one_sided(pairs) for i in range(measures)}, confidence)
        assert {difference["shown"] for difference in found.values()} == {reached}
        assert {difference["pairs_needed"] for difference in found.values()} == {needed}


def test_three_pairs_show_nothing_however_far_apart() -> None:
    difference = compare({"accuracy": one_sided(3)}, 0.95)["accuracy"]
    assert difference["p_value"] == difference["smallest_adjusted_p_value"] == 0.25
    assert difference["pairs_needed"] == 6
    assert not difference["shown"]


def simulated(seed: int, experiments: int, effect: float = 0.0) -> list[dict[str, Paired]]:
    """Experiments of ten pairs and five measures that hang together as accuracies and losses do."""
    generator = np.random.default_rng(seed)
    first, second = (  # what is good for one measure of a training is good for all
        generator.normal(size=(experiments, 10, 1)) + generator.normal(size=(experiments, 10, 5)) for _ in range(2)
    )

    def measure(experiment: int, column: int) -> Paired:
        values: list[Values] = [first[experiment, :, column] + effect, second[experiment, :, column]]
        return Paired(values[0], values[1], larger_is_better=True)

    return [{str(column): measure(experiment, column) for column in range(5)} for experiment in range(experiments)]


def test_where_nothing_differs_a_difference_is_shown_in_a_twentieth_of_experiments_at_most() -> None:
    experiments = simulated(seed=1, experiments=3000)
    alarms = sum(any(d["shown"] for d in compare(measured, 0.95).values()) for measured in experiments)
    assert 0.02 < alarms / len(experiments) <= 0.05


def test_the_interval_holds_the_true_difference_in_nineteen_of_twenty_experiments() -> None:
    experiments = simulated(seed=2, experiments=4000, effect=0.5)
    found = [paired_difference(measured["0"], 0.95) for measured in experiments]
    covered = np.mean([difference["low"] <= 0.5 <= difference["high"] for difference in found])
    assert covered == pytest.approx(0.95, abs=0.01)  # three standard errors
