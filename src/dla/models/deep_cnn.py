"""Deep networks of constant width with and without residual connections, for the question whether depth helps.

Every layer keeps the resolution and the number of channels, so that depth is all that differs.
"""

from __future__ import annotations

import torch
from torch import nn

from dla.models.layers import convolution
from dla.models.registry import InputShape, register
from dla.settings.models import DeepCNNModel


@register("plain_cnn")
def plain_cnn(settings: DeepCNNModel, input_shape: InputShape, classes: int) -> DeepCNN:
    """`depth` convolutions after the stem, one after the other."""
    width, norm = settings.width, settings.batch_norm
    layers = [convolution(width, width, batch_norm=norm) for _ in range(settings.depth)]
    return DeepCNN(convolution(input_shape[0], width, batch_norm=norm), nn.Sequential(*layers), width, classes)


@register("residual_cnn")
def residual_cnn(settings: DeepCNNModel, input_shape: InputShape, classes: int) -> DeepCNN:
    """`depth` residual blocks of two convolutions after the stem."""
    width, norm = settings.width, settings.batch_norm
    blocks = [ResidualBlock(width, batch_norm=norm) for _ in range(settings.depth)]
    return DeepCNN(convolution(input_shape[0], width, batch_norm=norm), nn.Sequential(*blocks), width, classes)


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
