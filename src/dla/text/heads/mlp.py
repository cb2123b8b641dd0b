"""A multilayer perceptron on frozen features."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic.dataclasses import dataclass
from torch import nn

from dla.core.contents import load_weights
from dla.core.parsing import STRICT
from dla.models.base.registry import count_parameters
from dla.text.classify import Probabilities, TrainedHead, Weights
from dla.text.features import Labelled, read_labelled
from dla.text.perceptron import PerceptronSettings, VectorBatches, build_perceptron, weights_of
from dla.text.settings import HeadSettings
from dla.training.fit import mode
from dla.training.job import Job
from dla.training.runtime import CPU, Plan, seed_everything, start
from dla.training.settings import Runtime, Tracking

EVALUATION_BATCH = 1024


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Settings(HeadSettings, PerceptronSettings):
    """A multilayer perceptron on frozen features."""


def fit(name: str, settings: Settings, features: Path, runtime: Runtime, log: Tracking) -> TrainedHead:
    """Train a perceptron, or resume a killed run."""
    device = start(runtime)
    train, metadata = read_labelled(features, "train")
    validation, _ = read_labelled(features, "validation")
    seed_everything(settings.seed)
    mean, std = (torch.from_numpy(measure(train.vectors, axis=0)) for measure in (np.mean, np.std))
    net = build_perceptron(settings, mean, std, len(metadata["classes"]))
    data = _batches(train, device, settings.batch_size, settings.seed), _batches(validation, device, EVALUATION_BATCH)
    flops = 2.0 * count_parameters(net) * settings.batch_size
    outcome = Job(name, settings, [features], device, runtime, log).run(net, data, flops)
    return TrainedHead(
        lambda vectors: softmax(net, torch.from_numpy(vectors).to(device), outcome.plan),
        weights_of(net),
        list(outcome.fitted.rows(name)),
        {"best_epoch": outcome.fitted.kept_epoch},
    )


def restore(settings: Settings, weights: Weights, width: int, classes: int, path: Path) -> Probabilities:
    """The perceptron with these weights."""
    net = build_perceptron(settings, torch.zeros(width), torch.ones(width), classes)
    load_weights(net, {name: torch.from_numpy(values) for name, values in weights.items()}, path)
    return lambda vectors: softmax(net, torch.from_numpy(vectors), CPU)


def _batches(rows: Labelled, device: torch.device, size: int, seed: int | None = None) -> VectorBatches:
    vectors, labels = torch.from_numpy(rows.vectors).to(device), torch.from_numpy(rows.labels).to(device)
    return VectorBatches(vectors.__getitem__, labels, size, seed)


@torch.no_grad()
def softmax(net: nn.Module, vectors: torch.Tensor, chosen: Plan) -> NDArray[Any]:
    """Probabilities (N, classes) of vectors (N, D)."""
    with mode(net, training=False), chosen.autocast():
        parts = [net(part).float().softmax(-1) for part in vectors.split(EVALUATION_BATCH)]
    return torch.cat(parts).cpu().numpy()
