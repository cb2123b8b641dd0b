"""Multilayer perceptrons, plain and with residual connections."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import nn

from dla.models.layers import Dropout
from dla.models.registry import InputShape, register
from dla.settings.models import MLPModel


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
    """Perceptron of residual blocks."""
    widths = [math.prod(input_shape), *settings.widths]
    blocks = [SkipBlock(inputs, outputs, settings.dropout) for inputs, outputs in pairwise(widths)]
    return nn.Sequential(nn.Flatten(), *blocks, nn.Linear(widths[-1], classes))


class SkipBlock(nn.Module):
    """dropout(relu(linear(x))) + bridge(x), where the bridge is linear if the widths differ, else the identity."""

    def __init__(self, inputs: int, outputs: int, dropout: float) -> None:
        super().__init__()
        self.layer = nn.Sequential(nn.Linear(inputs, outputs), nn.ReLU(), *_dropout(dropout))
        self.bridge = nn.Identity() if inputs == outputs else nn.Linear(inputs, outputs, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # (B, inputs) -> (B, outputs)
        out: torch.Tensor = self.layer(x) + self.bridge(x)
        return out


def _dropout(probability: float) -> list[nn.Module]:
    return [Dropout(probability)] if probability else []
