"""Image classifiers by family."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from dla.core.parsing import STRICT
from dla.core.values import Count, Fraction


@dataclass(frozen=True, config=STRICT)
class MLPModel:
    """Multilayer perceptrons; of `skip_mlp` every width but the first is a residual block of two layers."""

    family: Literal["mlp"]
    name: Literal["mlp", "skip_mlp"]
    widths: tuple[Count, ...]  # units of the hidden layers, or of the blocks
    dropout: Fraction = 0.0  # mlp: after every hidden layer; skip_mlp: between the two layers of a block


@dataclass(frozen=True, config=STRICT)
class CNNModel:
    """Fully convolutional networks whose blocks each halve the picture, or more by a stride."""

    family: Literal["cnn"]
    name: Literal["cnn"]
    widths: Annotated[tuple[Count, ...], Field(min_length=1)]  # channels of the blocks
    dropout: Fraction = 0.0  # in every block
    kernel: Annotated[int, Field(ge=1, le=64)] = 3  # pixels, height and width of every filter
    stride: Annotated[int, Field(ge=1, le=64)] = 1  # pixels from one place of a filter to the next
    padding: Annotated[int, Field(ge=0, le=64)] = 1  # pixels of zeros around what a block convolves

    def places(self, size: int) -> int:
        """Height and width of the last feature map of square pictures of `size` pixels; 0 if a block gets too few."""
        for _ in self.widths:
            size = (size + 2 * self.padding - self.kernel) // self.stride + 1
            if size < 1:
                return 0
            size = math.ceil(size / 2)
        return size


@dataclass(frozen=True, config=STRICT)
class DeepCNNModel:
    """Constant-width convolutional networks with or without residual connections."""

    family: Literal["deep_cnn"]
    name: Literal["plain_cnn", "residual_cnn"]
    width: Count  # channels of every layer
    depth: Count  # plain_cnn: convolutions after the stem; residual_cnn: blocks of two convolutions
    batch_norm: bool = True  # after every convolution
    initialisation: Literal["default", "he"] = "he"  # of the convolutions: PyTorch's, or He's for layers with ReLU


@dataclass(frozen=True, config=STRICT)
class ResNetModel:
    """Residual networks of He et al. (arXiv 1512.03385) and the same networks without skip connections."""

    family: Literal["resnet"]
    name: Literal["resnet34", "resnet50", "convnet34", "resnet20", "plain20"]
    stem: Literal["imagenet", "cifar"]  # 7x7 stride 2 and max pooling, or 3x3 stride 1
    width: Count  # channels of the first stage; every later stage doubles them


Model = Annotated[MLPModel | CNNModel | DeepCNNModel | ResNetModel, Field(discriminator="name")]
