"""One pass over batches of inputs and targets, to learn from them or to be measured by them.

Nothing inside a pass waits for the device: sums stay there until it ends.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import nn
from torch.nn import functional as F

from dla.training.optim import Steps
from dla.training.runtime import Plan

Batch = tuple[torch.Tensor, torch.Tensor]  # inputs and targets


class Batches(Protocol):
    """What the loop needs of a data set."""

    def __len__(self) -> int:
        """Number of batches in an epoch."""

    def epoch(self, number: int) -> Iterator[Batch]:
        """The batches of epoch `number`, the same whenever it is asked for."""


class Objective(Protocol):
    """How far a batch is off: mean loss, number of right answers, number of answers."""

    label_smoothing: float  # while training; `evaluate` measures without

    def __call__(self, model: Callable[..., Any], batch: Batch) -> tuple[torch.Tensor, torch.Tensor, int]: ...


@dataclass(frozen=True)
class Scores:
    """Loss and accuracy over a split, each answer counting once."""

    loss: float
    accuracy: float


def train_epoch(
    compute: Callable[..., Any],
    model: nn.Module,
    batches: Iterator[Batch],
    objective: Objective,
    plan: Plan,
    steps: Steps,
) -> Scores:
    """One pass over `batches` that moves the weights; `compute` is the model, compiled or not."""
    sums = _Sums(plan.device)
    with mode(model, training=True):
        for batch in batches:
            with plan.autocast():
                loss, right, count = objective(compute, batch)
            loss.backward()
            steps.step()
            sums.add(loss, right, count)
    return sums.scores()


@torch.no_grad()
def evaluate(
    compute: Callable[..., Any], model: nn.Module, batches: Batches, objective: Objective, plan: Plan
) -> Scores:
    """Loss and accuracy over `batches`, the model as it is used: no dropout, running statistics, no label smoothing.

    `no_grad`, not `inference_mode`: a compiled net would be compiled a third time for the latter.
    """
    sums = _Sums(plan.device)
    objective = _without_smoothing(objective)
    with mode(model, training=False):
        for batch in batches.epoch(0):
            with plan.autocast():
                sums.add(*objective(compute, batch))
    return sums.scores()


@contextmanager
def mode(model: nn.Module, *, training: bool) -> Iterator[None]:
    """Training or evaluation mode for the length of a block, then what it was before."""
    before = model.training
    model.train(training)
    try:
        yield
    finally:
        model.train(before)


class CrossEntropy:
    """Cross-entropy of logits (B, classes) with targets (B,), and how many have their largest logit at the target."""

    def __init__(self, label_smoothing: float = 0.0) -> None:
        self.label_smoothing = label_smoothing

    def __call__(self, model: Callable[..., Any], batch: Batch) -> tuple[torch.Tensor, torch.Tensor, int]:
        inputs, targets = batch
        logits = model(inputs)
        loss = F.cross_entropy(logits, targets, label_smoothing=self.label_smoothing)
        return loss, (logits.detach().argmax(-1) == targets).sum(), targets.numel()


def _without_smoothing(objective: Objective) -> Objective:
    """The same loss of the targets as they are, so that losses of runs with and without smoothing are of one kind."""
    plain = copy.copy(objective)
    plain.label_smoothing = 0.0
    return plain


class _Sums:
    """Sums over batches, kept on the device until they are asked for; in double precision, lest they drift."""

    def __init__(self, device: torch.device) -> None:
        dtype = torch.float32 if device.type == "mps" else torch.float64
        self.loss = torch.zeros((), dtype=dtype, device=device)
        self.right = torch.zeros((), dtype=torch.int64, device=device)
        self.count = 0

    def add(self, loss: torch.Tensor, right: torch.Tensor, count: int) -> None:
        self.loss.add_(loss.detach(), alpha=count)
        self.right.add_(right)
        self.count += count

    def scores(self) -> Scores:
        return Scores(loss=float(self.loss) / self.count, accuracy=int(self.right) / self.count)
