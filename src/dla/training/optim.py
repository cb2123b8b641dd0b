"""Optimizers, learning rates and the steps that move the weights."""

from __future__ import annotations

import math
from typing import Any, Protocol

from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from dla.training.muon import Muon
from dla.training.settings import Training


class Probe(Protocol):
    """Looks at the gradients of every step, before they are clipped."""

    def step(self) -> None:
        """Called when the gradients of a batch are there."""


def build_optimizer(model: nn.Module, settings: Training) -> Optimizer:
    """The optimizer that the settings name, fused where the device has it.

    Weight decay is for matrices and filters: biases and the gains of normalisation layers keep theirs.
    """
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups: list[dict[str, Any]] = [{"params": parameters}]  # one while it can be: small nets feel each kernel call
    if settings.weight_decay:
        groups = [
            {"params": [p for p in parameters if p.ndim > 1], "weight_decay": settings.weight_decay},
            {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
        ]
    learning_rate, momentum, betas = settings.learning_rate, settings.momentum, (0.9, settings.beta2)
    match settings.optimizer:
        case "sgd":
            return SGD(groups, learning_rate, momentum=momentum, nesterov=momentum > 0, fused=True)
        case "adam":
            return Adam(groups, learning_rate, betas, fused=True)
        case "adamw":
            return AdamW(groups, learning_rate, betas, weight_decay=0.0, fused=True)
        case "muon":
            return Muon(model, settings)


def learning_rate_at(settings: Training, step: int, total: int) -> float:
    """The learning rate of step `step` (from 0) out of `total`.

    A function of the step instead of a scheduler object: there is nothing to save, and nothing to fall out of step.
    `one-cycle` is the rate of Smith and Topin (arXiv 1708.07120) in the shape that OneCycleLR of torch has by default.
    Momentum stays as it is; theirs falls while the rate rises, and so does that of OneCycleLR unless told otherwise.
    """
    peak = settings.learning_rate
    rising = round(settings.warmup * total)
    if step < rising:
        return peak * (step + 1) / (rising + 1)
    match settings.schedule:
        case "cosine":
            return _cosine(peak, settings.last_rate * peak, (step - rising) / (total - rising))
        case "one-cycle":
            turn = 0.3 * total - 1
            if step <= turn:
                return _cosine(peak / 25, peak, step / turn)
            return _cosine(peak, peak / 25e4, (step - turn) / max(total - 1 - turn, 1))
        case "linear":
            return peak * (1 - (step - rising) / (total - rising))
    return peak


def _cosine(start: float, end: float, progress: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * min(progress, 1.0))) / 2


class Steps:
    """Optimizer steps of one epoch: rate set, gradient looked at and clipped, weights moved, gradient forgotten."""

    def __init__(
        self,
        settings: Training,
        optimizer: Optimizer,
        first: int,
        total: int,
        probe: Probe | None = None,
    ) -> None:
        self.settings = settings
        self.optimizer = optimizer
        self.next = first
        self.total = total
        self.learning_rate = settings.learning_rate
        self.probe = probe

    def step(self) -> None:
        self.learning_rate = learning_rate_at(self.settings, self.next, self.total)
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate * group.get("share", 1.0)
        if self.probe is not None:
            self.probe.step()
        if self.settings.gradient_clip is not None:
            parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
            nn.utils.clip_grad_norm_(parameters, self.settings.gradient_clip)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.next += 1
