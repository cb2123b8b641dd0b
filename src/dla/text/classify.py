"""Classifiers on frozen features, from features to weights, metrics and curves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.metrics import log_loss
from torch import nn

from dla import tracking
from dla.artifacts import write_tensors
from dla.checkpoint import Checkpoint
from dla.fit import fit
from dla.params import LogisticRegressionHead, MLPHead, Runtime, Tracking
from dla.runtime import Plan, plan, seed_everything, start
from dla.text.batches import VectorBatches
from dla.text.features import Labelled, read_labelled
from dla.text.linear import fit_linear
from dla.text.perceptron import perceptron

Array = np.ndarray[Any, Any]
EVALUATION_BATCH = 1024


@dataclass(frozen=True)
class Learned:
    """A trained classifier of vectors."""

    probabilities: Callable[[Array], Array]  # (N, D) -> (N, classes)
    curve: list[dict[str, Any]]  # rows of `fit.COLUMNS`
    best_epoch: int | None = None
    checkpoint: Checkpoint | None = None


def train_logreg(name: str, settings: LogisticRegressionHead, features: Path, model: Path) -> Learned:
    """Fit logistic regression and write it. Its curve has one point: what L-BFGS ends in."""
    train, metadata = read_labelled(features, "train")
    linear = fit_linear(train.vectors, train.labels, settings.c, settings.iterations, scale=True)
    write_tensors(model, {"weights": linear.weights, "biases": linear.biases}, {**metadata, "head": asdict(settings)})
    curve = []
    for split in ("train", "validation"):
        rows, _ = read_labelled(features, split)
        found = linear.probabilities(rows.vectors)
        loss, right = log_loss(rows.labels, found), float((found.argmax(1) == rows.labels).mean())
        curve.append({"run": name, "epoch": 1, "split": split, "loss": loss, "accuracy": right, "rate": ""})
    return Learned(linear.probabilities, curve)


def train_mlp(name: str, settings: MLPHead, features: Path, runtime: Runtime, log: Tracking, model: Path) -> Learned:
    """Train a perceptron, resume a killed run, and write it."""
    device = start(runtime)
    train, metadata = read_labelled(features, "train")
    validation, _ = read_labelled(features, "validation")
    seed_everything(settings.seed)
    mean, std = (torch.from_numpy(found(train.vectors, axis=0)) for found in (np.mean, np.std))
    net = perceptron(mean, std, settings.widths, len(metadata["classes"]), settings.dropout)
    data = _batches(train, device, settings.batch_size, settings.seed), _batches(validation, device, EVALUATION_BATCH)
    flops = 2.0 * sum(weights.numel() for weights in net.parameters()) * settings.batch_size
    chosen = plan(runtime, device, flops, settings.epochs * len(data[0]))
    net = net.to(device)
    print(f"{name}: {len(data[0])} batches an epoch; {chosen.reason}", flush=True)
    identity = {"head": asdict(settings), "device": device.type, "dtype": str(chosen.dtype)}
    checkpoint = Checkpoint(identity, [features])
    with tracking.observers(name, settings.epochs, asdict(settings), log) as observers:
        fitted = fit(net, data, settings, chosen, checkpoint, observers=observers)
    weights = {key: value.cpu().numpy() for key, value in net.state_dict().items()}
    write_tensors(model, weights, {**metadata, "head": asdict(settings)})
    return Learned(
        lambda vectors: softmax(net, torch.from_numpy(vectors).to(device), chosen),
        list(fitted.rows(name)),
        fitted.kept_epoch,
        checkpoint,
    )


def _batches(rows: Labelled, device: torch.device, size: int, seed: int | None = None) -> VectorBatches:
    vectors, labels = torch.from_numpy(rows.vectors).to(device), torch.from_numpy(rows.labels).to(device)
    return VectorBatches(vectors.__getitem__, labels, size, seed)


@torch.no_grad()
def softmax(net: nn.Module, vectors: torch.Tensor, chosen: Plan) -> Array:
    """Probabilities (N, classes) of vectors (N, D)."""
    net.eval()
    with chosen.autocast():
        parts = [net(part).float().softmax(-1) for part in vectors.split(EVALUATION_BATCH)]
    return torch.cat(parts).cpu().numpy()
