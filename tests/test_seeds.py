"""A run of several seeds: each is trained as alone, and their results are put together."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from scipy import stats

from dla.core.artifacts import read_tensors
from dla.core.success import until_success
from dla.models import mlp
from dla.training.settings import Runtime, Tracking
from dla.vision.seeds import TrainedRun, train_seeds
from dla.vision.settings import ImageRun

MODEL = mlp.Settings(family="mlp", widths=(8,))
TRAINING: dict[str, Any] = {"epochs": 2, "batch_size": 32, "optimizer": "adam", "learning_rate": 1e-3}
RUN = ImageRun(group="one", data="mnist", model=MODEL, seeds=(3, 1, 2), **TRAINING)


def train(run: ImageRun, digits: Path) -> TrainedRun:
    runtime = Runtime(device="cpu", precision="float32", compile="never", threads=1)
    with until_success():  # which forgets checkpoints, so that the next training begins anew
        return train_seeds("x", run, digits, runtime, Tracking(tensorboard=False, wandb=False))


def written(trained: TrainedRun, folder: Path) -> dict[str, Path]:
    files = {name: folder / name for name in ("weights.safetensors", "metrics.json", "curves.csv", "tested.csv")}
    trained.write(*files.values())
    return files


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # where checkpoints are kept


def test_each_seed_is_trained_as_alone(digits: Path, tmp_path: Path) -> None:
    together = train(RUN, digits)
    metrics = together.metrics()
    for seed in RUN.seeds:
        alone = train(replace(RUN, seeds=(seed,)), digits).metrics()
        assert metrics["seeds"][str(seed)] == {name: alone[name] for name in ("validation", "test", "best_epoch")}
    lines = written(together, tmp_path)["curves.csv"].read_text().splitlines()
    assert lines[0].startswith("run,seed,epoch,split")
    assert list(dict.fromkeys(line.split(",")[1] for line in lines[1:])) == ["3", "1", "2"]


def test_accuracies_have_a_mean_and_students_interval(digits: Path) -> None:
    metrics = train(RUN, digits).metrics()
    accuracies = [one["test"]["accuracy"] for one in metrics["seeds"].values()]
    assert len(set(accuracies)) > 1
    low, high = stats.t.interval(0.95, 2, loc=sum(accuracies) / 3, scale=stats.sem(accuracies))
    assert metrics["test"]["accuracy"] == pytest.approx(sum(accuracies) / 3)
    assert (metrics["test"]["lower"], metrics["test"]["upper"]) == pytest.approx((low, high))
    assert metrics["test"]["n"] == 201  # pictures


def test_weights_and_predictions_are_those_of_the_first_seed(digits: Path, tmp_path: Path) -> None:
    several, first = tmp_path / "several", tmp_path / "first"
    files = written(train(RUN, digits), several), written(train(replace(RUN, seeds=(3,)), digits), first)
    for name in ("weights.safetensors", "tested.csv"):
        assert files[0][name].read_bytes() == files[1][name].read_bytes()
    assert read_tensors(files[0]["weights.safetensors"])[1]["run"]["seed"] == 3


def test_one_seed_has_no_interval_over_seeds(digits: Path, tmp_path: Path) -> None:
    metrics = json.loads(written(train(replace(RUN, seeds=(1,)), digits), tmp_path)["metrics.json"].read_text())
    assert set(metrics) == {"data", "validation", "test", "parameters", "best_epoch"}
    assert set(metrics["test"]) == {"loss", "accuracy", "n"}
