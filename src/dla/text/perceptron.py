"""The perceptron on frozen features that classifies texts and scores answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from numpy.typing import NDArray
from pydantic.dataclasses import dataclass
from torch import nn

from dla.core.parsing import STRICT
from dla.core.values import Count, Fraction, Seed
from dla.models import mlp
from dla.models.base.layers import Float32Linear
from dla.training.order import Order
from dla.training.settings import Training


@dataclass(frozen=True, config=STRICT, kw_only=True)
class PerceptronSettings(Training):
    """A multilayer perceptron on frozen features, and its training."""

    widths: tuple[Count, ...]  # units of the hidden layers
    dropout: Fraction = 0.0  # after every hidden layer
    standardize: bool = True  # every feature to mean 0 and variance 1 first
    seed: Seed


class Standardize(nn.Module):
    """Brings every feature to the mean 0 and variance 1 that it has over the training rows.

    Language models have a few features a hundred times as large as the others, which would else decide alone.
    """

    mean: torch.Tensor
    scale: torch.Tensor

    def __init__(self, mean: torch.Tensor, std: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("scale", 1 / std.clamp(min=1e-6))

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # (..., D) -> (..., D)
        return (x - self.mean) * self.scale


def build_perceptron(
    settings: PerceptronSettings, mean: torch.Tensor, std: torch.Tensor, outputs: int
) -> nn.Sequential:
    """A multilayer perceptron from features (B, D) to (B, outputs), its last layer in float32.

    Parameters
    ----------
    mean, std : (D,) of the features over the training rows, of no effect unless the settings say `standardize`
    """
    if not settings.standardize:
        mean, std = torch.zeros_like(mean), torch.ones_like(std)
    shape = mlp.Settings(family="mlp", widths=settings.widths, dropout=settings.dropout)
    layers: list[Any] = [*mlp.build(shape, (len(mean), 1, 1), outputs).children()]
    layers[-1] = Float32Linear(layers[-1])
    return nn.Sequential(Standardize(mean, std), nn.Sequential(*layers))


def weights_of(net: nn.Module) -> dict[str, NDArray[Any]]:
    """The weights of a net, by name."""
    return {name: value.cpu().numpy() for name, value in net.state_dict().items()}


class VectorBatches:
    """Batches of vectors and targets; shuffled for training, in order without a seed.

    Parameters
    ----------
    vectors : from rows (B,) int64 to inputs (B, ...) float32; made batch by batch, since products of features of
        every option of every question would not fit in memory at once
    targets : (N,) int64, on the device
    """

    def __init__(
        self,
        vectors: Callable[[torch.Tensor], torch.Tensor],
        targets: torch.Tensor,
        batch_size: int,
        seed: int | None = None,
    ) -> None:
        self.vectors = vectors
        self.targets = targets
        self.order = Order(len(targets), batch_size, seed)

    def __len__(self) -> int:
        """Number of batches in an epoch."""
        return len(self.order)

    def epoch(self, number: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """The batches of epoch `number`."""
        order, _ = self.order.epoch(number)
        for rows in order.to(self.targets.device).split(self.order.batch_size):
            if not self.order.is_dropped(len(rows)):
                yield self.vectors(rows), self.targets[rows]
