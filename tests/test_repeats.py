"""What is measured of the trainings of a pair, and what is said of both."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from dla.vision.repeats import final_rows, measures, summarise
from dla.vision.settings import Repeats

SETTINGS = Repeats(seeds=(1, 2), loss=1.0, confidence=0.95)


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
    np.testing.assert_equal(found["epochs_to_loss"].second, [np.nan, 3])  # never reached in three epochs: no number
    assert found["loss_area"].first.tolist() == pytest.approx([1.125, 1.475])


def test_what_was_reached_is_compared_where_both_reached_it() -> None:
    found = summarise(measures(rows(), ("a", "b"), SETTINGS), ("a", "b"), SETTINGS)["epochs_to_loss"]
    assert (found["a"]["n"], found["a"]["mean"]) == (2, 2.5)
    assert (found["b"]["n"], found["b"]["mean"], found["b"]["std"]) == (1, 3.0, None)
    assert (found["difference"]["n"], found["difference"]["mean"]) == (1, 0.0)


def test_what_none_reached_is_null() -> None:
    settings = Repeats(seeds=(1, 2), loss=0.1, confidence=0.95)
    summary = summarise(measures(rows(), ("a", "b"), settings), ("a", "b"), settings)
    found = summary["epochs_to_loss"]
    assert found["a"] == {"n": 0, "mean": None, "std": None, "low": None, "high": None}
    assert (found["difference"]["n"], found["difference"]["mean"], found["difference"]["p_value"]) == (0, None, None)
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary


def test_final_rows_are_the_last_epoch_and_the_test() -> None:
    found = final_rows(rows())
    assert len(found) == 8
    assert {row["split"] for row in found} == {"validation", "test"}
    assert {"architecture": "a", "seed": 1, "split": "validation", "accuracy": 0.875} in found
