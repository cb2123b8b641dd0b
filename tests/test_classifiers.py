"""Two classifiers on the same test cases."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from dla.statistics.classifiers import Comparison, compare_cases
from dla.statistics.multiplicity import holm
from dla.statistics.outcomes import predictions, wilson


@pytest.mark.parametrize(("first", "second"), [(1, 7), (12, 3), (0, 5), (40, 40), (0, 0)])
def test_the_test_is_scipys_binomial_test_of_the_cases_that_one_alone_gets_right(first: int, second: int) -> None:
    expected = stats.binomtest(first, first + second).pvalue if first + second else 1.0
    assert Comparison(first, second, 100).p == pytest.approx(expected)


def test_few_cases_that_differ_can_show_nothing() -> None:
    assert not Comparison(5, 0, 1000).can_tell
    assert Comparison(6, 0, 1000).can_tell
    assert Comparison(6, 0, 1000).p < 0.05


def test_the_interval_of_a_difference_is_tangos() -> None:
    lower, upper = Comparison(1, 7, 21).interval()  # of reactivity before and after a transplantation
    assert (round(lower, 3), round(upper, 3)) == (-0.517, -0.026)
    assert Comparison(7, 1, 21).interval() == pytest.approx((-upper, -lower))
    assert Comparison(0, 0, 21).interval() == pytest.approx((-wilson(0, 21)[1], wilson(0, 21)[1]), abs=1e-9)


@pytest.mark.parametrize(("both", "first", "second"), [(0.6, 0.1, 0.05), (0.3, 0.02, 0.02), (0.7, 0.2, 0.02)])
def test_the_interval_holds_the_true_difference_as_often_as_it_says(both: float, first: float, second: float) -> None:
    counts = np.random.default_rng(0).multinomial(200, [both, first, second, 1 - both - first - second], 2000)
    intervals = [Comparison(int(a), int(b), 200).interval() for _, a, b, _ in counts]
    covered = np.mean([low <= first - second <= high for low, high in intervals])
    assert 0.935 < covered < 0.97


def test_where_nothing_differs_a_difference_is_shown_in_one_of_twenty_at_most() -> None:
    tosses = np.random.default_rng(0).binomial(60, 0.5, 4000)
    assert np.mean([Comparison(int(k), 60 - int(k), 500).p < 0.05 for k in tosses]) < 0.05


def test_the_test_is_stronger_than_intervals_that_do_not_overlap() -> None:
    """The same 500 cases of 1,000 right for both, 60 for the first alone, 30 for the second alone."""
    assert Comparison(60, 30, 1000).p < 0.01
    assert wilson(560, 1000)[0] < wilson(530, 1000)[1]


def test_cases_are_compared_if_they_are_the_same() -> None:
    labels = np.array([0, 1, 1, 0])
    first = list(predictions(labels, np.array([0, 1, 1, -1]), "AB"))
    second = list(predictions(labels, np.array([0, 0, 0, 0]), "AB"))
    assert first[3] == {"case": 3, "actual": "A", "predicted": "none"}
    assert compare_cases(first, second) == Comparison(2, 1, 4)
    assert compare_cases(first, list(reversed(second))) == Comparison(2, 1, 4)
    assert compare_cases(first, second[:3]) is None
    assert compare_cases(first, list(predictions(1 - labels, labels, "AB"))) is None
    assert compare_cases([{"actual": "A", "predicted": "A"}], second) is None


def test_holm_multiplies_the_smallest_by_how_many_there_are() -> None:
    assert holm({"a": 0.01, "b": 0.04, "c": 0.03}) == pytest.approx({"a": 0.03, "b": 0.06, "c": 0.06})
    assert holm({"a": 0.5, "b": 0.9}) == {"a": 1.0, "b": 1.0}
    assert holm({}) == {}
