"""A run killed in the middle of an epoch ends, run again, in the bits of a run that nobody killed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dla.training.checkpoint import read_state

from .conftest import run_stage

Change = Callable[[Path, dict[str, object]], None]
RESULTS = ("models/killed.safetensors", "metrics/train/killed.json", "plots/train/killed.csv")


@pytest.fixture
def run(project: Path, change: Change, digits: Path) -> Path:
    """A project with one run that has everything random: dropout, augmentation, and a rate that moves."""
    (project / "data/prepared/mnist").mkdir(parents=True)
    shutil.copy(digits, project / "data/prepared/mnist/images.safetensors")
    killed = {
        "group": "killed",
        "data": "mnist",
        "model": {"family": "cnn", "widths": [64, 64, 64], "dropout": 0.3},
        **{"seeds": [5], "epochs": 8, "batch_size": 8, "optimizer": "adamw", "learning_rate": 0.003},
        **{
            "schedule": "one-cycle",
            "crop_padding": 1,
            "cutout": 3,
            "flip": True,
            "weight_decay": 0.01,
            "label_smoothing": 0.1,
        },
    }
    change(project / "params.yaml", {"budget": "full", "train.killed": killed, "tracking.tensorboard": False})
    return project


def results(project: Path) -> list[bytes]:
    return [(project / path).read_bytes() for path in RESULTS]


def kill_after(said: str, times: int, stage: str, *names: str) -> None:
    """Run a stage and kill it once so many of its lines have begun with what is said."""
    with subprocess.Popen([sys.executable, f"stages/{stage}.py", *names], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        for line in process.stdout:
            times -= line.startswith(said)
            if times == 0:
                process.kill()
                break
        assert process.wait() == -9


def test_killed_in_the_middle_of_an_epoch_it_ends_in_the_same_bits(run: Path) -> None:
    whole = run_stage("train", "killed")
    assert whole.returncode == 0, whole.stderr
    expected = results(run)
    assert not any((run / ".checkpoints").iterdir())
    for path in RESULTS:
        (run / path).unlink()

    kill_after("epoch", 2, "train", "killed")  # in its third epoch
    assert not any((run / path).exists() for path in RESULTS)
    assert any((run / ".checkpoints").iterdir())

    resumed = run_stage("train", "killed")
    assert resumed.returncode == 0, resumed.stderr
    first = next(line for line in resumed.stdout.splitlines() if line.startswith("epoch"))
    assert 2 < int(first.removeprefix("epoch").partition("/")[0]) < 8
    assert results(run) == expected
    assert not any((run / ".checkpoints").iterdir())


@pytest.mark.slow
def test_killed_in_its_second_seed_it_does_not_train_the_first_again(run: Path, change: Change) -> None:
    change(run / "params.yaml", {"train.killed.seeds": [5, 6], "train.killed.epochs": 3})
    whole = run_stage("train", "killed")
    assert whole.returncode == 0, whole.stderr
    expected = results(run)

    kill_after("epoch", 4, "train", "killed")  # in the second epoch of its second seed

    resumed = run_stage("train", "killed")
    assert resumed.returncode == 0, resumed.stderr
    assert 1 <= sum(line.startswith("epoch") for line in resumed.stdout.splitlines()) <= 2
    assert results(run) == expected
    assert not any((run / ".checkpoints").iterdir())


def test_a_checkpoint_of_other_settings_is_not_resumed(run: Path, change: Change) -> None:
    kill_after("epoch", 1, "train", "killed")
    change(run / "params.yaml", {"train.killed.learning_rate": 0.001})
    other = run_stage("train", "killed")
    assert other.returncode == 0, other.stderr
    assert "epoch 1/8" in other.stdout


PAIR_RESULTS = ("data/pairs/curves/7.csv", "data/pairs/gradients/7.csv", "metrics/pair/7.json")


@pytest.mark.slow
def test_a_pair_killed_in_its_second_net_ends_in_the_same_bits(run: Path, change: Change) -> None:
    first = {
        "label": "Residual",
        "data": "mnist",
        "model": {"family": "resnet", "layers": 20, "skips": True, "stem": "cifar", "width": 4},
        **{"epochs": 3, "batch_size": 32, "optimizer": "adam", "learning_rate": 0.003},
    }
    second = first | {"label": "Plain", "model": first["model"] | {"skips": False}}  # type: ignore[operator]
    change(run / "params.yaml", {"pair.first": first, "pair.second": second, "repeats.seeds": [7, 8]})
    whole = run_stage("pair", "7")
    assert whole.returncode == 0, whole.stderr
    expected = [(run / path).read_bytes() for path in PAIR_RESULTS]
    for path in PAIR_RESULTS:
        (run / path).unlink()

    kill_after("epoch", 4, "pair", "7")  # in the second epoch of its second net
    assert not any((run / path).exists() for path in PAIR_RESULTS)

    resumed = run_stage("pair", "7")
    assert resumed.returncode == 0, resumed.stderr
    assert 1 <= sum(line.startswith("epoch") for line in resumed.stdout.splitlines()) <= 2
    assert [(run / path).read_bytes() for path in PAIR_RESULTS] == expected
    assert not any((run / ".checkpoints").iterdir())


GRADIENTS = ("metrics/gradients.json", "plots/gradients/dense.csv", "plots/gradients/layers.csv")


@pytest.mark.slow
def test_gradients_killed_after_some_nets_end_in_the_same_bits(run: Path, change: Change) -> None:
    study = {"data": "mnist", "depths": [2, 3], "width": 4, "seeds": [1, 2], "steps": 12, "window": 2, "batch_size": 8}
    change(run / "params.yaml", {f"gradients.{key}": value for key, value in study.items()})
    whole = run_stage("gradients")
    assert whole.returncode == 0, whole.stderr
    expected = [(run / path).read_bytes() for path in GRADIENTS]
    for path in GRADIENTS:
        (run / path).unlink()

    kill_after("plain_cnn", 5, "gradients")
    (state,) = (run / ".checkpoints").rglob("state.safetensors")
    assert 5 <= len(read_state(state)["state"]["nets"]) < 32
    resumed = run_stage("gradients")
    assert resumed.returncode == 0, resumed.stderr
    assert resumed.stdout == whole.stdout
    assert [(run / path).read_bytes() for path in GRADIENTS] == expected
    assert not any((run / ".checkpoints").iterdir())
