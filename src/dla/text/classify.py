"""Classifiers on frozen features, from features to weights, metrics and curves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import log_loss
from torch import nn

from dla.core.artifacts import Metadata
from dla.models.registry import count_parameters
from dla.text.batches import VectorBatches
from dla.text.features import Labelled, read_labelled
from dla.text.linear import fit_best
from dla.text.perceptron import perceptron
from dla.text.settings import LogisticRegressionHead, MLPHead
from dla.training.epoch import mode
from dla.training.job import Job, Outcome
from dla.training.runtime import Plan, seed_everything, start
from dla.training.settings import Runtime, Tracking

EVALUATION_BATCH = 1024


@dataclass(frozen=True)
class TrainedHead:
    """A trained classifier of vectors."""

    probabilities: Callable[[NDArray[Any]], NDArray[Any]]  # (N, D) -> (N, classes)
    weights: dict[str, NDArray[Any]]
    metadata: Metadata
    curve: list[dict[str, Any]]  # rows of `fit.COLUMNS`
    outcome: Outcome | None = None  # where a loop trained it
    c: float | None = None  # where validation chose it

    def metrics(self) -> dict[str, Any]:
        """What was chosen on validation."""
        return {"best_epoch": self.outcome.fitted.kept_epoch} if self.outcome else {"c": self.c}


def train_logreg(name: str, settings: LogisticRegressionHead, features: Path) -> TrainedHead:
    """Fit logistic regression. Its curve has one point: what L-BFGS ends in."""
    train, metadata = read_labelled(features, "train")
    validation, _ = read_labelled(features, "validation")
    vectors, held_out = ((rows.vectors, rows.labels) for rows in (train, validation))
    linear, c = fit_best(vectors, held_out, settings.c, settings.iterations, scale=settings.standardize)
    curve = []
    for split, rows in {"train": train, "validation": validation}.items():
        found = linear.probabilities(rows.vectors)
        loss, right = log_loss(rows.labels, found), float((found.argmax(1) == rows.labels).mean())
        curve.append({"run": name, "epoch": 1, "split": split, "loss": loss, "accuracy": right, "learning_rate": ""})
    weights = {"weights": linear.weights, "biases": linear.biases}
    return TrainedHead(linear.probabilities, weights, {**metadata, "head": asdict(settings)}, curve, c=c)


def train_mlp(name: str, settings: MLPHead, features: Path, runtime: Runtime, log: Tracking) -> TrainedHead:
    """Train a perceptron, or resume a killed run."""
    device = start(runtime)
    train, metadata = read_labelled(features, "train")
    validation, _ = read_labelled(features, "validation")
    seed_everything(settings.seed)
    mean, std = torch.zeros(train.vectors.shape[1]), torch.ones(train.vectors.shape[1])
    if settings.standardize:
        mean, std = (torch.from_numpy(found(train.vectors, axis=0)) for found in (np.mean, np.std))
    net = perceptron(mean, std, settings.widths, len(metadata["classes"]), settings.dropout)
    data = _batches(train, device, settings.batch_size, settings.seed), _batches(validation, device, EVALUATION_BATCH)
    flops = 2.0 * count_parameters(net) * settings.batch_size
    outcome = Job(name, settings, [features], device, runtime, log).run(net, data, flops)
    return TrainedHead(
        lambda vectors: softmax(net, torch.from_numpy(vectors).to(device), outcome.plan),
        {key: value.cpu().numpy() for key, value in net.state_dict().items()},
        {**metadata, "head": asdict(settings)},
        list(outcome.fitted.rows(name)),
        outcome,
    )


def _batches(rows: Labelled, device: torch.device, size: int, seed: int | None = None) -> VectorBatches:
    vectors, labels = torch.from_numpy(rows.vectors).to(device), torch.from_numpy(rows.labels).to(device)
    return VectorBatches(vectors.__getitem__, labels, size, seed)


@torch.no_grad()
def softmax(net: nn.Module, vectors: torch.Tensor, chosen: Plan) -> NDArray[Any]:
    """Probabilities (N, classes) of vectors (N, D)."""
    with mode(net, training=False), chosen.autocast():
        parts = [net(part).float().softmax(-1) for part in vectors.split(EVALUATION_BATCH)]
    return torch.cat(parts).cpu().numpy()
