"""Deep networks of constant width with and without residual connections, for the question whether depth helps.

Every layer keeps the resolution and the number of channels, so that depth is all that differs.
"""

from __future__ import annotations

from functools import partial
from typing import Literal

import torch
from pydantic.dataclasses import dataclass
from torch import nn

from dla.core.parsing import STRICT
from dla.core.values import Count
from dla.models.base.layers import convolution
from dla.models.base.registry import InputShape
from dla.models.base.settings import ModelSettings


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Settings(ModelSettings):
    """Convolutional networks of constant width with or without residual connections."""

    width: Count  # channels of every layer
    depth: Count  # with skips: residual blocks of two convolutions; without: convolutions; both after the stem
    skips: bool  # residual connections
    batch_norm: bool = True  # after every convolution
    initialisation: Literal["default", "he"] = "he"  # of the convolutions: PyTorch's, or He's for layers with ReLU


def build(settings: Settings, input_shape: InputShape, classes: int) -> DeepCNN:
    """The net for images of `input_shape` (channels, height, width)."""
    width, batch_norm = settings.width, settings.batch_norm
    layer = ResidualBlock if settings.skips else partial(convolution, width)
    body = nn.Sequential(*(layer(width, batch_norm=batch_norm) for _ in range(settings.depth)))
    stem = convolution(input_shape[0], width, batch_norm=batch_norm)
    model = DeepCNN(stem, body, width, classes)
    if settings.initialisation == "he":
        initialise_for_relu(model)
    return model


def initialise_for_relu(model: nn.Module) -> None:
    """He initialisation of the convolutions (arXiv 1502.01852, section 2.2), by fan-out, and no biases.

    It keeps the variance of gradients from layer to layer of ReLU. PyTorch's default, uniform within one over the root
    of the fan-in, has a sixth of its variance, so that signals and gradients shrink with every layer that nothing
    normalises.
    """
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)


class DeepCNN(nn.Module):
    """Stem, body, global average pooling and one dense layer."""

    def __init__(self, stem: nn.Module, body: nn.Module, width: int, classes: int) -> None:
        super().__init__()
        self.stem = stem
        self.body = body
        self.head = nn.Linear(width, classes)

    def features(self, images: torch.Tensor) -> torch.Tensor:  # (B, channels, H, W) -> (B, width, H, W)
        out: torch.Tensor = self.body(self.stem(images))
        return out

    def classify(self, features: torch.Tensor) -> torch.Tensor:  # (B, width, H, W) -> (B, classes)
        out: torch.Tensor = self.head(features.mean((2, 3)))
        return out

    def forward(self, images: torch.Tensor) -> torch.Tensor:  # (B, channels, H, W) -> (B, classes)
        return self.classify(self.features(images))


class ResidualBlock(nn.Module):
    """The basic block of He et al. (arXiv 1512.03385, figure 2): relu(x + two convolutions of x)."""

    def __init__(self, width: int, *, batch_norm: bool) -> None:
        super().__init__()
        self.first = convolution(width, width, batch_norm=batch_norm)
        self.second = convolution(width, width, batch_norm=batch_norm, relu=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # (B, width, H, W) -> the same
        return torch.relu(x + self.second(self.first(x)))
