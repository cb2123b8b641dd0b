"""The perceptron on frozen features that classifies texts and scores answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from dla.models.layers import Float32Linear
from dla.models.mlp import mlp
from dla.models.settings import MLPModel


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


def perceptron(
    mean: torch.Tensor, std: torch.Tensor, widths: Sequence[int], outputs: int, dropout: float
) -> nn.Sequential:
    """A multilayer perceptron from standardized features (B, D) to (B, outputs), its last layer in float32.

    With mean 0 and standard deviation 1 it sees the features as they come.
    """
    settings = MLPModel(family="mlp", name="mlp", widths=tuple(widths), dropout=dropout)
    layers: list[Any] = [*mlp(settings, (len(mean), 1, 1), outputs).children()]
    layers[-1] = Float32Linear(layers[-1])
    return nn.Sequential(Standardize(mean, std), nn.Sequential(*layers))
