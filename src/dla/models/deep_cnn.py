"""Deep networks of constant width with and without residual connections, for the question whether depth helps.

Every layer keeps the resolution and the number of channels, so that depth is all that differs.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from dla.models.layers import convolution
from dla.models.registry import InputShape, register
from dla.models.settings import DeepCNNModel


@register("plain_cnn")
def plain_cnn(settings: DeepCNNModel, input_shape: InputShape, classes: int) -> DeepCNN:
    """`depth` convolutions after the stem, one after the other."""
    width = settings.width
    layers = [convolution(width, width, batch_norm=settings.batch_norm) for _ in range(settings.depth)]
    return _deep_cnn(settings, input_shape, layers, classes)


@register("residual_cnn")
def residual_cnn(settings: DeepCNNModel, input_shape: InputShape, classes: int) -> DeepCNN:
    """`depth` residual blocks of two convolutions after the stem."""
    blocks = [ResidualBlock(settings.width, batch_norm=settings.batch_norm) for _ in range(settings.depth)]
    return _deep_cnn(settings, input_shape, blocks, classes)


def _deep_cnn(settings: DeepCNNModel, input_shape: InputShape, body: Sequence[nn.Module], classes: int) -> DeepCNN:
    stem = convolution(input_shape[0], settings.width, batch_norm=settings.batch_norm)
    model = DeepCNN(stem, nn.Sequential(*body), settings.width, classes)
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
