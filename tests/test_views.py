"""Tests of classifiers that are tested on both ways round of a picture."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from dla.models import cnn
from dla.training.settings import Runtime, Tracking
from dla.vision.settings import SeededTraining
from dla.vision.training.batches import ImageBatches, read_split
from dla.vision.training.classifier import train_image_run


def test_both_ways_round_are_taken_while_testing_alone(
    digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # where checkpoints are kept
    settings = {"epochs": 2, "batch_size": 32, "optimizer": "adam", "learning_rate": 1e-2}
    run = SeededTraining(data="mnist", model=cnn.Settings(family="cnn", widths=(8, 8)), seed=1, **settings)  # type: ignore[arg-type]
    runtime = Runtime(device="cpu", precision="float32", compile="never", threads=1)
    log = Tracking(tensorboard=False, wandb=False)
    once, twice = (
        train_image_run("x", replace(run, mirrored_views=views), digits, runtime, log) for views in (False, True)
    )
    assert all(torch.equal(a, b) for a, b in zip(once.model.parameters(), twice.model.parameters(), strict=True))
    assert once.fitted.history[0].train == twice.fitted.history[0].train

    test, facts = read_split(digits, "test", torch.device("cpu"))
    inputs, labels = next(ImageBatches(test, facts, len(test.labels)).epoch(0))
    model = twice.model.eval()
    with torch.no_grad():
        logits = (model(inputs) + model(inputs.flip(-1))) / 2
    assert twice.test.accuracy == float((logits.argmax(-1) == labels).double().mean()) != once.test.accuracy
    assert twice.predicted.tolist() == logits.argmax(-1).tolist()
