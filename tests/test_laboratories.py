"""A laboratory's figure stands beside the run that has its settings, and beside no other."""

from __future__ import annotations

import re
from typing import Any

import pytest

from dla.params.file import load_params
from dla.report.laboratories import ACCURACY

from .conftest import ROOT

FULL = load_params(ROOT / "params.yaml", "full")

# What the laboratories' texts and code say of the image classifiers whose accuracy they state.
ADAM = {"optimizer": "adam", "schedule": "constant", "weight_decay": 0.0, "label_smoothing": 0.0}
SKIP_MLP = {"model.skips": True, "model.widths": (128, 64, 64), "model.dropout": 0.5}
STATED: dict[str, dict[str, Any]] = {
    "mnist-mlp-64": {"model.skips": False, "model.widths": (64, 64), "learning_rate": 1e-4, "epochs": 50},
    "mnist-skip-mlp": {**SKIP_MLP, "learning_rate": 1e-4, "epochs": 50},
    "cifar10-skip-mlp": {**SKIP_MLP, "learning_rate": 1e-4, "epochs": 50},
    "cifar10-cnn": {
        "model.family": "cnn",
        "model.widths": (64, 128, 256, 128, 64),
        "model.dropout": 0.3,
        "learning_rate": 1e-3,
        "epochs": 75,
    },
}


def test_a_figure_of_an_image_classifier_is_that_of_a_run_whose_settings_are_stated() -> None:
    shown = {stage.partition("@")[2] for stage in ACCURACY if stage.startswith("train@")}
    assert shown == set(STATED)


@pytest.mark.parametrize("name", STATED)
def test_a_run_beside_a_laboratorys_figure_has_its_settings_under_budget_full(name: str) -> None:
    run = FULL.train[name]
    for setting, stated in {**ADAM, "batch_size": 64, **STATED[name]}.items():
        place, _, last = setting.rpartition(".")
        assert getattr(run.model if place else run, last) == stated, setting
    assert run.data == name.partition("-")[0]
    assert (run.examples, run.crop_padding, run.flip) == (None, 0, False)


# --- reasons --------------------------------------------------------------------------------------------------


def test_every_number_has_a_reason() -> None:
    """params.yaml promises one in its first line: beside the number, or in a line of its own where it says so."""
    lines = (ROOT / "params.yaml").read_text().splitlines()
    settings = [line.partition(" # ") for line in lines if not line.strip().startswith("#")]
    numbers = [(value, reason) for value, _, reason in settings if re.search(r":.*(?<![\w.\-/*\[])\d", value)]
    assert len(numbers) > 200
    assert [value for value, reason in numbers if not reason and "sha256:" not in value] == []
