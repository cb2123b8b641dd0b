"""What the training loop needs to know, and how computation is done and told of."""

from __future__ import annotations

from typing import Literal

from pydantic.dataclasses import dataclass

from dla.parsing import STRICT
from dla.settings.values import Count, Fraction, NonNegative, Positive


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Training:
    """What the training loop needs to know; a setting that is left out is off."""

    epochs: Count
    batch_size: Count
    optimizer: Literal["sgd", "adam", "adamw"]
    learning_rate: Positive  # the peak, under a schedule that moves
    schedule: Literal["constant", "cosine", "one-cycle"] = "constant"  # per step
    warmup: Fraction = 0.0  # share of the steps over which the rate of constant or cosine grows from nothing
    last_rate: Fraction = 0.0  # share of the peak that cosine falls to
    momentum: Fraction = 0.0  # sgd only; Nesterov's form
    beta2: Fraction = 0.999  # adam and adamw only: how long squares of gradients are remembered
    weight_decay: NonNegative = 0.0
    label_smoothing: Fraction = 0.0
    gradient_clip: Positive | None = None  # largest norm of the gradient
    # Weights of the epoch with the best accuracy on validation, or with the lowest loss there, or of the last.
    keep: Literal["best", "lowest-loss", "last"] = "best"
    patience: Count | None = None  # epochs without a better one before the run stops; never if left out


@dataclass(frozen=True, config=STRICT)
class Runtime:
    """How computation is done; `auto` decides from the machine and the size of the work."""

    device: Literal["auto", "cpu", "cuda", "mps"]
    precision: Literal["auto", "float32", "bfloat16"]
    compile: Literal["auto", "always", "never"]
    threads: Count | None = None  # CPU threads, one per core if left out; results depend on their number


@dataclass(frozen=True, config=STRICT)
class Tracking:
    """Logs beside the results; nothing here changes a result."""

    tensorboard: bool
    wandb: bool
