"""Both trainings of a pair: what they share, and what another seed changes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from dla.data.pixels import channel_statistics
from dla.models import mlp
from dla.params.file import load_params
from dla.training.settings import Runtime, Tracking
from dla.vision.settings import SeededTraining
from dla.vision.training.batches import Split, read_split
from dla.vision.training.classifier import TrainedClassifier, train_image_run
from dla.vision.training.splits import read_training

ROOT = Path(__file__).parents[1]
CPU = torch.device("cpu")


def pictures(*splits: Split) -> list[bytes]:
    """All pictures with their labels, in the order of their bytes."""
    return sorted(
        image.numpy().tobytes() + bytes([int(label)])
        for split in splits
        for image, label in zip(split.images, split.labels, strict=True)
    )


def test_without_a_seed_the_split_is_the_prepared_one(digits: Path) -> None:
    training, validation, facts = read_training(digits, None, CPU)
    for found, name in ((training, "train"), (validation, "validation")):
        prepared, told = read_split(digits, name, CPU)
        assert torch.equal(found.images, prepared.images)
        assert facts == told


def test_a_seed_draws_another_split_of_the_same_pictures(digits: Path) -> None:
    prepared = [read_split(digits, name, CPU)[0] for name in ("train", "validation")]
    splits = {seed: read_training(digits, seed, CPU) for seed in (1, 2)}
    for training, validation, facts in splits.values():
        assert pictures(training, validation) == pictures(*prepared)
        assert [len(training.labels), len(validation.labels)] == [len(split.labels) for split in prepared]
        assert (list(facts.mean), list(facts.std)) == channel_statistics(training.images.numpy())
        trained, held_out = (np.bincount(s.labels.numpy()) / len(s.labels) for s in (training, validation))
        np.testing.assert_allclose(trained, held_out, atol=0.005)  # every class in its share
    assert pictures(splits[1][1]) != pictures(splits[2][1])
    assert pictures(splits[1][0].first(100)) != pictures(splits[2][0].first(100))
    assert torch.equal(splits[1][0].images, read_training(digits, 1, CPU)[0].images)


def test_both_contenders_of_a_seed_have_the_split_of_that_seed() -> None:
    params = load_params(ROOT / "params.yaml")
    for seed in params.repeats.seeds:
        assert {run.split_seed for run in params.pair.trainings(seed).values()} == {seed}


@pytest.fixture
def trained(digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[int, TrainedClassifier]:
    """Two trainings that differ in their split alone."""
    monkeypatch.chdir(tmp_path)  # where checkpoints are kept
    settings = {"epochs": 2, "batch_size": 32, "optimizer": "adam", "learning_rate": 1e-3}
    model = mlp.Settings(family="mlp", widths=(8,))
    run = SeededTraining(data="mnist", model=model, seed=1, **settings)  # type: ignore[arg-type]
    runtime = Runtime(device="cpu", precision="float32", compile="never", threads=1)
    log = Tracking(tensorboard=False, wandb=False)
    return {split: train_image_run("x", replace(run, split_seed=split), digits, runtime, log) for split in (1, 2)}


def test_a_split_is_part_of_what_is_trained_and_the_test_pictures_are_not(
    trained: dict[int, TrainedClassifier],
) -> None:
    first, second = (trained[split].metadata() for split in (1, 2))
    assert first["mean"] != second["mean"]  # a model is fed as it was trained
    assert first["run"] | {"split_seed": 2} == second["run"]
    assert trained[1].fitted.kept.validation != trained[2].fitted.kept.validation
    assert len(trained[1].labels) == len(trained[2].labels) == 201
