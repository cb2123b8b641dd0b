"""Multilayer perceptrons, plain and with residual connections."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from pydantic.dataclasses import dataclass
from torch import nn

from dla.core.parsing import STRICT
from dla.core.values import Count, Fraction
from dla.models.base.layers import Dropout
from dla.models.base.registry import InputShape
from dla.models.base.settings import ModelSettings


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Settings(ModelSettings):
    """Multilayer perceptrons; with skips, every width but the first is a residual block of two layers."""

    widths: tuple[Count, ...]  # units of the hidden layers, or of the blocks
    skips: bool = False  # blocks with skip connections, between a plain first and a plain last layer
    dropout: Fraction = 0.0  # after every hidden layer; with skips, between the two layers of a block


def build(settings: Settings, input_shape: InputShape, classes: int) -> nn.Sequential:
    """Perceptron of the laboratories: linear layers with ReLU between them, or blocks, and no ReLU after the last."""
    widths = [math.prod(input_shape), *settings.widths]
    layers: list[nn.Module] = [nn.Flatten()]
    for number, (inputs, outputs) in enumerate(pairwise(widths)):
        if settings.skips and number:
            layers.append(SkipBlock(inputs, outputs, settings.dropout))
        else:
            layers += [nn.Linear(inputs, outputs), nn.ReLU(), *([] if settings.skips else _dropout(settings.dropout))]
    return nn.Sequential(*layers, nn.Linear(widths[-1], classes))


class SkipBlock(nn.Module):
    """bridge(x) + linear(dropout(relu(linear(x)))), where the bridge is linear if the widths differ, else the identity.

    Nothing follows the sum, so that what enters reaches the last layer as it is wherever the widths allow.
    """

    def __init__(self, inputs: int, outputs: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(inputs, outputs), nn.ReLU(), *_dropout(dropout), nn.Linear(outputs, outputs)
        )
        self.bridge = nn.Identity() if inputs == outputs else nn.Linear(inputs, outputs, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # (B, inputs) -> (B, outputs)
        out: torch.Tensor = self.bridge(x) + self.layers(x)
        return out


def _dropout(probability: float) -> list[nn.Module]:
    return [Dropout(probability)] if probability else []
