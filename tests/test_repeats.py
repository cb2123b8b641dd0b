"""Statistics over seeds, against published examples and by counting."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

from dla.settings.vision import Repeats
from dla.vision.repeats import Measure, compare, describe, final_rows, measures, permutation_p

SETTINGS = Repeats(seeds=(1, 2), loss=1.0, confidence=0.95, resamples=40_000, seed=0)

# Student (1908), The probable error of a mean, Biometrika 6, section IX: hours of sleep gained under two drugs.
SLEEP = (
    np.array([0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]),
    np.array([1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]),
)
# Fisher (1935), The Design of Experiments, section 17: Darwin's maize in eighths of an inch.
MAIZE = np.array([49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48], float)


def test_the_paired_t_test_of_student_and_its_interval() -> None:
    found = compare(Measure(*SLEEP, larger_is_better=True), SETTINGS)
    assert found["mean"] == pytest.approx(-1.58)
    assert found["t_test_p"] == pytest.approx(0.002833, abs=5e-7)  # t = -4.0621, 9 degrees of freedom
    assert found["effect_size"] == pytest.approx(-4.0621 / np.sqrt(10), abs=1e-4)
    assert found["low"] < -1.58 < found["high"] < 0
    one = describe(SLEEP[0] - SLEEP[1], 0.95)
    assert (one["low"], one["high"]) == pytest.approx((-2.4598858, -0.7001142), abs=1e-6)
    assert one["n"] == 10


def test_the_permutation_test_of_fisher() -> None:
    """863 of 32,768 arrangements are as large in one direction, says section 21."""
    assert permutation_p(MAIZE, np.zeros(15), SETTINGS) == pytest.approx(2 * 863 / 2**15, rel=1e-12)


def test_the_permutation_test_is_exact_for_ten_pairs() -> None:
    generator = np.random.default_rng(3)
    first, second = generator.normal(0.3, 1, 10), generator.normal(0, 1, 10)
    sums = np.array([np.dot(signs, first - second) for signs in product((1, -1), repeat=10)])
    larger, smaller = (np.mean(side * sums >= side * sums[0] - 1e-12) for side in (1, -1))
    few = Repeats(seeds=(1, 2), loss=1.0, confidence=0.95, resamples=1024, seed=0)
    assert permutation_p(first, second, few) == pytest.approx(2 * min(larger, smaller), rel=1e-12)


def test_the_wilcoxon_test_counts_signs_of_ranks() -> None:
    """Ten differences, all of one sign and no two alike: one arrangement of 1,024 on either side is as extreme."""
    second = np.zeros(10)
    found = compare(Measure(np.arange(1.0, 11.0), second, larger_is_better=True), SETTINGS)
    assert found["wilcoxon_p"] == pytest.approx(2 / 1024)


@pytest.mark.parametrize(("larger_is_better", "expected"), [(True, 7.5 / 9), (False, 1.5 / 9)])
def test_the_probability_of_being_better_counts_ties_half(larger_is_better: bool, expected: float) -> None:
    first, second = np.array([3.0, 2.0, 5.0]), np.array([2.0, 2.5, 1.0])
    found = compare(Measure(first, second, larger_is_better), SETTINGS)
    assert found["first_is_better"] == pytest.approx(expected)


def test_what_cannot_be_computed_is_none() -> None:
    same = np.array([0.5, 0.6, 0.7])
    found = compare(Measure(same, same, larger_is_better=True), SETTINGS)
    assert found["mean"] == 0
    assert found["effect_size"] is None
    assert found["first_is_better"] == 0.5
    assert all(value is None or np.isfinite(value) for value in found.values())


def rows() -> list[dict[str, Any]]:
    """Two architectures, two seeds, three epochs."""
    losses = {("a", 1): [2.0, 1.0, 0.5], ("a", 2): [2.0, 1.5, 0.9], ("b", 1): [2.0, 1.8, 1.6], ("b", 2): [2, 2, 1.0]}
    found = []
    for (architecture, seed), curve in losses.items():
        for epoch, loss in enumerate(curve, start=1):
            mark = {"architecture": architecture, "seed": seed, "epoch": epoch}
            found.append({**mark, "split": "train", "loss": loss, "accuracy": 1.0})
            found.append({**mark, "split": "validation", "loss": 9.0, "accuracy": 1 - loss / 4})
        found.append({"architecture": architecture, "seed": seed, "epoch": 3, "split": "test", "accuracy": seed / 10})
    return found


def test_measures_are_those_of_the_curves() -> None:
    found = measures(rows(), ("a", "b"), SETTINGS)
    assert found["best_validation_accuracy"].first.tolist() == [0.875, 0.775]
    assert found["final_validation_accuracy"].second.tolist() == [0.6, 0.75]
    assert found["test_accuracy"].second.tolist() == [0.1, 0.2]
    assert found["epochs_to_loss"].first.tolist() == [2, 3]
    assert found["epochs_to_loss"].second.tolist() == [4, 3]  # never reached in three epochs: four
    assert found["loss_area"].first.tolist() == pytest.approx([1.125, 1.475])


def test_final_rows_are_the_last_epoch_and_the_test() -> None:
    found = final_rows(rows())
    assert len(found) == 8
    assert {row["split"] for row in found} == {"validation", "test"}
    assert {"architecture": "a", "seed": 1, "split": "validation", "accuracy": 0.875} in found
