"""Multilayer perceptrons, plain and with residual connections."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import nn

from dla.models.layers import Dropout
from dla.models.registry import InputShape, register
from dla.models.settings import MLPModel


@register("mlp")
def mlp(settings: MLPModel, input_shape: InputShape, classes: int) -> nn.Sequential:
    """Perceptron of the laboratories: linear layers with ReLU between them, and none after the last."""
    widths = [math.prod(input_shape), *settings.widths]
    layers: list[nn.Module] = [nn.Flatten()]
    for inputs, outputs in pairwise(widths):
        layers += [nn.Linear(inputs, outputs), nn.ReLU(), *_dropout(settings.dropout)]
    return nn.Sequential(*layers, nn.Linear(widths[-1], classes))


@register("skip_mlp")
def skip_mlp(settings: MLPModel, input_shape: InputShape, classes: int) -> nn.Sequential:
    """Perceptron of residual blocks between a plain first and a plain last layer, as the laboratory built it."""
    widths = [math.prod(input_shape), *settings.widths]
    layers: list[nn.Module] = [nn.Flatten()]
    for number, (inputs, outputs) in enumerate(pairwise(widths)):
        plain = [nn.Linear(inputs, outputs), nn.ReLU()]
        layers += [SkipBlock(inputs, outputs, settings.dropout)] if number else plain
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
