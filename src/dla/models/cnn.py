"""A fully convolutional network, shallow and wide, as the laboratories built it."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn

from dla.models.layers import Dropout, convolution
from dla.models.registry import InputShape, register
from dla.models.settings import CNNModel


@register("cnn")
class CNN(nn.Module):
    """Blocks of convolution, batch norm, ReLU, dropout and max pooling, then a 1x1 convolution and global averaging.

    As the last layer is linear in every place of the feature map, the map of class evidence before the averaging is
    the class activation map (Zhou et al., arXiv 1512.04150, section 2).
    """

    def __init__(self, settings: CNNModel, input_shape: InputShape, classes: int) -> None:
        super().__init__()
        channels = [input_shape[0], *settings.widths]
        self.blocks = nn.Sequential(*(_block(*pair, settings) for pair in pairwise(channels)))
        self.head = nn.Conv2d(channels[-1], classes, kernel_size=1)

    def features(self, images: torch.Tensor) -> torch.Tensor:  # (B, channels, H, W) -> (B, C, h, w)
        out: torch.Tensor = self.blocks(images)
        return out

    def classify(self, features: torch.Tensor) -> torch.Tensor:  # (B, C, h, w) -> (B, classes)
        evidence: torch.Tensor = self.head(features)
        return evidence.mean((2, 3))

    def forward(self, images: torch.Tensor) -> torch.Tensor:  # (B, channels, H, W) -> (B, classes)
        return self.classify(self.features(images))


def _block(inputs: int, outputs: int, settings: CNNModel) -> nn.Sequential:
    return nn.Sequential(
        *convolution(inputs, outputs, kernel=settings.kernel, stride=settings.stride, padding=settings.padding),
        *([Dropout(settings.dropout)] if settings.dropout else []),
        nn.MaxPool2d(2, ceil_mode=True),  # a picture of one pixel stays one pixel
    )
