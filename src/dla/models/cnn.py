"""A fully convolutional network, shallow and wide, as the laboratories built it."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Annotated

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import nn

from dla.core.parsing import STRICT
from dla.core.values import Count, Fraction
from dla.models.base.layers import convolution
from dla.models.base.registry import InputShape
from dla.models.base.settings import ModelSettings


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Settings(ModelSettings):
    """Fully convolutional networks whose blocks each halve the picture, or more by a stride."""

    widths: Annotated[tuple[Count, ...], Field(min_length=1)]  # channels of the blocks
    dropout: Fraction = 0.0  # of channels, in every block
    kernel: Annotated[int, Field(ge=1, le=64)] = 3  # pixels, height and width of every filter
    stride: Annotated[int, Field(ge=1, le=64)] = 1  # pixels from one place of a filter to the next
    padding: Annotated[int, Field(ge=0, le=64)] = 1  # pixels of zeros around what a block convolves

    def require_room(self, size: int) -> None:
        """Raise a `ValueError` if a block leaves nothing of square pictures of `size` pixels."""
        left = size
        for _ in self.widths:
            left = math.ceil(((left + 2 * self.padding - self.kernel) // self.stride + 1) / 2)
            if left < 1:
                raise ValueError(
                    f"kernel {self.kernel}, stride {self.stride} and padding {self.padding} leave nothing of {size} "
                    f"pixels after {len(self.widths)} blocks; take fewer widths or a larger padding"
                )


def build(settings: Settings, input_shape: InputShape, classes: int) -> CNN:
    """The net for images of `input_shape` (channels, height, width)."""
    return CNN(settings, input_shape, classes)


class CNN(nn.Module):
    """Blocks of convolution, batch norm, ReLU, dropout and max pooling, then a 1x1 convolution and global averaging.

    Dropout is of whole channels, as the laboratory has it: of single entries, the pooling takes the largest of what is
    left and scaled up, which batch norm learns and which is not there once dropout is off (docs/depth.md).
    As the last layer is linear in every place of the feature map, the map of class evidence before the averaging is
    the class activation map (Zhou et al., arXiv 1512.04150, section 2).
    """

    def __init__(self, settings: Settings, input_shape: InputShape, classes: int) -> None:
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


def _block(inputs: int, outputs: int, settings: Settings) -> nn.Sequential:
    return nn.Sequential(
        *convolution(inputs, outputs, kernel=settings.kernel, stride=settings.stride, padding=settings.padding),
        *([nn.Dropout2d(settings.dropout)] if settings.dropout else []),
        nn.MaxPool2d(2, ceil_mode=True),  # a picture of one pixel stays one pixel
    )
