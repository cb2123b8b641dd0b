"""The one supervised training loop: epochs, the weights to keep, and a checkpoint after every epoch."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import torch
from torch import nn

from dla.core.errors import UserError
from dla.training.checkpoint import Checkpoint
from dla.training.epoch import Batches, CrossEntropy, Objective, Scores, evaluate, train_epoch
from dla.training.optim import Probe, Steps, build_optimizer
from dla.training.runtime import Plan
from dla.training.settings import Training


class EpochProbe(Probe, Protocol):
    """Sums up what it saw when an epoch ends."""

    def epoch(self) -> dict[str, float]:
        """What was found since this was last called."""


@dataclass(frozen=True)
class Epoch:
    """What one epoch came to."""

    number: int  # from 1
    learning_rate: float  # of the last step
    train: Scores  # while training: dropout and augmentation on, weights moving
    validation: Scores
    measured: dict[str, float] = field(default_factory=dict)  # what a probe found


Observer = Callable[[Epoch], None]


@dataclass(frozen=True)
class Fitted:
    """The outcome of a run; the model holds the kept weights."""

    history: tuple[Epoch, ...]
    kept_epoch: int

    @property
    def kept(self) -> Epoch:
        """The epoch whose weights were kept."""
        return self.history[self.kept_epoch - 1]

    def rows(self, run: str) -> Iterator[dict[str, Any]]:
        """The curves as rows of `curves.COLUMNS`, one per epoch and split."""
        for epoch in self.history:
            for split in ("train", "validation"):
                scores: Scores = getattr(epoch, split)
                mark = {"run": run, "epoch": epoch.number, "split": split}
                yield {**mark, **asdict(scores), "learning_rate": epoch.learning_rate}


def fit(
    model: nn.Module,
    data: tuple[Batches, Batches],
    settings: Training,
    plan: Plan,
    checkpoint: Checkpoint,
    *,
    objective: Objective | None = None,
    probe: EpochProbe | None = None,
    observers: Sequence[Observer] = (),
) -> Fitted:
    """Train `model` in place and leave it with the weights that `settings.keep` names.

    Parameters
    ----------
    data : batches for training and for validation
    objective : cross-entropy with the settings' label smoothing if left out; validation is measured without smoothing
    probe : its findings become part of every epoch
    observers : called with every epoch that is trained, in order

    Raises
    ------
    UserError
        If a loss or a weight is no longer a finite number.
    """
    train, validation = data
    objective = objective or CrossEntropy(settings.label_smoothing)
    optimizer = build_optimizer(model, settings)
    compute = plan.compile(model)
    history, best, kept = _resume(model, optimizer, checkpoint)
    for number in range(len(history) + 1, settings.epochs + 1):
        if settings.patience and best and number > best + settings.patience:
            break
        first, total = (number - 1) * len(train), settings.epochs * len(train)
        steps = Steps(settings, optimizer, first, total, probe)
        scores = train_epoch(compute, model, train.epoch(number), objective, plan, steps)
        _require_finite("training loss", scores.loss, number, settings)
        measured = probe.epoch() if probe else {}
        validated = evaluate(compute, model, validation, objective, plan)
        _require_finite("validation loss", validated.loss, number, settings)
        _require_finite("largest weight", _largest(model), number, settings)
        epoch = Epoch(number, steps.learning_rate, scores, validated, measured)
        history.append(epoch)
        if best == 0 or _is_better(epoch, history[best - 1], settings.keep):
            best, kept = number, {name: value.detach().clone() for name, value in model.state_dict().items()}
        checkpoint.save(
            {
                "model": model.state_dict(),
                "optimizer": optimizer.state_dict(),
                "history": [asdict(epoch) for epoch in history],
                "best": best,
                "kept": kept,
            }
        )
        for observe in observers:
            observe(epoch)
    model.load_state_dict(kept)
    return Fitted(tuple(history), best)


def _resume(
    model: nn.Module, optimizer: torch.optim.Optimizer, checkpoint: Checkpoint
) -> tuple[list[Epoch], int, dict[str, torch.Tensor]]:
    """History, kept epoch and kept weights of an earlier process that was cut short, or of a run not yet begun."""
    state = checkpoint.load()
    if state is None:
        return [], 0, {}
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    for parameter, averages in optimizer.state.items():
        for name, value in averages.items():
            if isinstance(value, torch.Tensor) and value.shape == parameter.shape:
                # Fused optimizers walk memory side by side, so averages must lie as their channels_last weights do.
                averages[name] = torch.empty_like(parameter).copy_(value)
    device = next(model.parameters()).device
    history = [
        Epoch(**row | {split: Scores(**row[split]) for split in ("train", "validation")}) for row in state["history"]
    ]
    return history, state["best"], {name: value.to(device) for name, value in state["kept"].items()}


def _is_better(epoch: Epoch, best: Epoch, keep: str) -> bool:
    """Whether a later epoch is to be kept instead; of two with equal accuracy it is the one with the smaller loss."""
    if keep == "last":
        return True
    if keep == "lowest-loss":
        return epoch.validation.loss < best.validation.loss
    return (epoch.validation.accuracy, -epoch.validation.loss) > (best.validation.accuracy, -best.validation.loss)


def _require_finite(what: str, value: float, number: int, settings: Training) -> None:
    if not math.isfinite(value):
        raise UserError(
            f"the {what} became {value} in epoch {number}: "
            f"take a smaller learning_rate than {settings.learning_rate}, or set gradient_clip"
        )


@torch.no_grad()
def _largest(model: nn.Module) -> float:
    """The largest weight or running statistic there is; not a number if one is none."""
    numbers = [value for value in model.state_dict().values() if value.is_floating_point() and value.numel()]
    return float(torch.stack([value.abs().max().float() for value in numbers]).max()) if numbers else 0.0
