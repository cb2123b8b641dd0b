"""The one supervised training loop.

Whatever is learned, an epoch is a pass over batches of inputs and targets, and an objective says how far a batch is
off. Nothing inside an epoch waits for the device: sums stay there until the epoch ends.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import torch
from torch import nn
from torch.nn import functional as F

from dla.core.errors import UserError
from dla.training.checkpoint import Checkpoint
from dla.training.optim import Probe, Steps, build_optimizer
from dla.training.runtime import Plan
from dla.training.settings import Training

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


class EpochProbe(Probe, Protocol):
    """Sums up what it saw when an epoch ends."""

    def epoch(self) -> dict[str, float]:
        """What was found since this was last called."""


@dataclass(frozen=True)
class Scores:
    """Loss and accuracy over a split, each answer counting once."""

    loss: float
    accuracy: float


@dataclass(frozen=True)
class Epoch:
    """What one epoch came to."""

    number: int  # from 1
    learning_rate: float  # of the last step
    train: Scores  # while training: dropout and augmentation on, weights moving
    validation: Scores
    measured: dict[str, float] = field(default_factory=dict)  # what a probe found


Observer = Callable[[Epoch], None]

COLUMNS = ("run", "epoch", "split", "loss", "accuracy", "learning_rate")


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
        """The curves as rows of `COLUMNS`, one per epoch and split."""
        for epoch in self.history:
            for split in ("train", "validation"):
                scores: Scores = getattr(epoch, split)
                yield {
                    "run": run,
                    "epoch": epoch.number,
                    "split": split,
                    **asdict(scores),
                    "learning_rate": epoch.learning_rate,
                }


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
        _save(checkpoint, model, optimizer, history, best, kept)
        for observe in observers:
            observe(epoch)
    model.load_state_dict(kept)
    return Fitted(tuple(history), best)


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


# --- state between epochs -------------------------------------------------------------------------------------


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


Weights = dict[str, torch.Tensor]


def _save(
    checkpoint: Checkpoint,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    history: list[Epoch],
    best: int,
    kept: Weights,
) -> None:
    checkpoint.save(
        {
            "model": model.state_dict(),
            "optimizer": optimizer.state_dict(),
            "history": [asdict(epoch) for epoch in history],
            "best": best,
            "kept": kept,
        }
    )


def _resume(
    model: nn.Module, optimizer: torch.optim.Optimizer, checkpoint: Checkpoint
) -> tuple[list[Epoch], int, Weights]:
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
