"""What the training loop needs to know, and how computation is done and told of."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from dla.core.parsing import STRICT
from dla.core.pools import MOST_THREADS
from dla.core.values import Count, Fraction, NonNegative, Positive, Several


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Training:
    """What the training loop needs to know; a setting that is left out is off."""

    epochs: Count  # passes over the training data
    batch_size: Several  # examples of a step; one alone has no spread, which batch norm divides by
    optimizer: Literal["sgd", "adam", "adamw", "muon"]
    learning_rate: Positive  # the peak, under a schedule that moves
    schedule: Literal["constant", "cosine", "linear", "one-cycle"] = "constant"  # per step
    warmup: Fraction = 0.0  # share of the steps over which the rate grows from nothing; one-cycle has its own
    last_rate: Fraction = 0.0  # share of the peak that cosine falls to
    momentum: Fraction = 0.0  # sgd and muon only; Nesterov's form
    beta2: Fraction = 0.999  # adam, adamw and muon's Adam only: how long squares of gradients are remembered
    adam_share: Positive = 0.01  # muon only: of the learning rate, for what Adam moves: vectors, embeddings, the head
    weight_decay: NonNegative = 0.0  # of matrices and filters; adamw's is decoupled, muon's too and of hidden matrices
    label_smoothing: Fraction = 0.0  # share of the target that is spread over all classes while training
    gradient_clip: Positive | None = None  # largest norm of the gradient
    # Weights of the epoch with the best accuracy on validation, or with the lowest loss there, or of the last.
    keep: Literal["best", "lowest-loss", "last"] = "best"
    patience: Count | None = None  # epochs without a better one before the run stops; never if left out

    def __post_init__(self) -> None:
        if self.momentum and self.optimizer not in ("sgd", "muon"):
            raise ValueError(f"momentum = {self.momentum} is for optimizer: sgd and muon")
        if self.adam_share != 0.01 and self.optimizer != "muon":
            raise ValueError(f"adam_share = {self.adam_share} is for optimizer: muon alone")
        if self.beta2 != 0.999 and self.optimizer == "sgd":
            raise ValueError(f"beta2 = {self.beta2} is for optimizer: adam, adamw and muon")
        if self.last_rate and self.schedule != "cosine":
            raise ValueError(f"last_rate = {self.last_rate} is for schedule: cosine alone")
        if self.warmup and self.schedule == "one-cycle":
            raise ValueError(f"warmup = {self.warmup} is not for one-cycle, which has its own")
        if self.patience and self.keep == "last":
            raise ValueError(f"patience = {self.patience} waits for a better epoch, which keep: last forgoes")


@dataclass(frozen=True, config=STRICT)
class Runtime:
    """How computation is done; `auto` decides from the machine and the size of the work.

    Kernels are `portable`, the same on every x86 processor with AVX2, or `fast`, what the machine is best at. Where
    they are portable nothing is decided from the machine: `auto` is the CPU, float32 and not compiled.
    """

    device: Literal["auto", "cpu", "cuda", "mps"]  # auto takes a GPU where there is one
    precision: Literal["auto", "float32", "bfloat16"]  # auto: bfloat16 if the hardware has it and batches are large
    compile: Literal["auto", "always", "never"]  # auto compiles long runs on a GPU
    threads: Annotated[int, Field(ge=1, le=MOST_THREADS)]  # of the CPU, per stage; results depend on their number
    kernels: Literal["portable", "fast"] = "fast"  # of the CPU

    @property
    def may_take_gpu(self) -> bool:
        """Whether a stage computes on a GPU where there is one."""
        return self.device != "cpu" and (self.device != "auto" or self.kernels == "fast")

    def __post_init__(self) -> None:
        if self.kernels == "portable" and self.compile == "always":
            raise ValueError("compile = 'always' is for kernels: fast alone; the compiler writes for the machine")


@dataclass(frozen=True, config=STRICT)
class Tracking:
    """Logs beside the results; nothing here changes a result."""

    tensorboard: bool  # event files under runs/
    wandb: bool  # Weights & Biases; needs the extra `tracking`
