"""Residual networks (He et al., arXiv 1512.03385) out of torchvision's parts, and the same without skip connections.

torchvision's weights load into ours: names and shapes of `resnet34` and `resnet50` with the imagenet stem are equal.
"""

from __future__ import annotations

import math
import zlib
from typing import Any, Literal

import torch
from pydantic.dataclasses import dataclass
from torch import nn
from torchvision.models.resnet import BasicBlock, Bottleneck, conv1x1

from dla.core.parsing import STRICT
from dla.core.values import Count
from dla.models.base.layers import ZeroPadding
from dla.models.base.registry import InputShape
from dla.models.base.settings import ModelSettings


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Settings(ModelSettings):
    """Residual networks of He et al. (arXiv 1512.03385) and the same networks without skip connections."""

    layers: Literal[18, 20, 32, 34, 44, 50, 56]  # 18, 34 and 50: table 1; the others: those for CIFAR-10, section 4.2
    skips: bool  # without: no skip connection in any block, otherwise equal
    stem: Literal["imagenet", "cifar"]  # 7x7 stride 2 and max pooling, or 3x3 stride 1
    width: Count  # channels of the first stage; every later stage doubles them

    def __post_init__(self) -> None:
        if self.layers == 50 and not self.skips:
            raise ValueError("skips = False is for 18 to 44 layers and for 56, whose blocks have two convolutions")


def build(settings: Settings, input_shape: InputShape, classes: int) -> ResNet:
    """The net for images of `input_shape` (channels, height, width)."""
    block, depths = STAGES[settings.layers]
    return ResNet(block if settings.skips else PlainBlock, depths, settings, input_shape[0], classes)


class PlainBlock(BasicBlock):
    """The basic block without its skip connection, and without the projection that only a skip needs."""

    downsample: nn.Module | None

    def __init__(self, *settings: Any, **named: Any) -> None:
        super().__init__(*settings, **named)
        self.downsample = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # (B, C, H, W) -> (B, planes, H/stride, W/stride)
        out: torch.Tensor = self.relu(self.bn1(self.conv1(x)))
        return torch.relu(self.bn2(self.conv2(out)))


class PaddedBlock(BasicBlock):
    """The basic block whose skip pads missing channels with zeros (option A, section 4.2) and has no weights."""

    downsample: nn.Module | None

    def __init__(self, *settings: Any, **named: Any) -> None:
        super().__init__(*settings, **named)
        if self.downsample is not None:
            self.downsample = ZeroPadding(self.conv1.out_channels - self.conv1.in_channels, self.stride)


STAGES: dict[int, tuple[type[BasicBlock | Bottleneck], tuple[int, ...]]] = {  # block, and number of them in each stage
    18: (BasicBlock, (2, 2, 2, 2)),
    34: (BasicBlock, (3, 4, 6, 3)),
    50: (Bottleneck, (3, 4, 6, 3)),
    20: (PaddedBlock, (3, 3, 3)),
    32: (PaddedBlock, (5, 5, 5)),
    44: (PaddedBlock, (7, 7, 7)),
    56: (PaddedBlock, (9, 9, 9)),
}


class ResNet(nn.Module):
    """torchvision's ResNet with any block, number of stages, width and stem.

    Parameters
    ----------
    block : BasicBlock, Bottleneck, PlainBlock or PaddedBlock
    depths : blocks of each stage; every stage after the first halves the picture and doubles the channels
    settings : stem, and channels of the first stage
    """

    def __init__(
        self,
        block: type[BasicBlock | Bottleneck],
        depths: tuple[int, ...],
        settings: Settings,
        channels: int,
        classes: int,
    ) -> None:
        super().__init__()
        inputs = settings.width
        if settings.stem == "imagenet":
            self.conv1 = nn.Conv2d(channels, inputs, kernel_size=7, stride=2, padding=3, bias=False)
            self.maxpool: nn.Module = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        else:
            self.conv1 = nn.Conv2d(channels, inputs, kernel_size=3, padding=1, bias=False)
            self.maxpool = nn.Identity()
        self.bn1 = nn.BatchNorm2d(inputs)
        self.relu = nn.ReLU(inplace=True)
        self.stages = tuple(f"layer{i + 1}" for i in range(len(depths)))
        for i, (stage, depth) in enumerate(zip(self.stages, depths, strict=True)):
            planes = settings.width * 2**i
            setattr(self, stage, _stage(block, inputs, planes, depth, stride=1 if i == 0 else 2))
            inputs = planes * block.expansion
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(inputs, classes)
        self._initialize()

    def _initialize(self) -> None:
        """He initialisation (arXiv 1502.01852) from a generator of each layer's own.

        A layer's weights follow from the seed and its name, so that nets which differ in some layers, as with and
        without skips, start equal in all the others.
        """
        seed = int(torch.randint(2**31, ()))
        for name, module in self.named_modules():
            generator = torch.Generator().manual_seed(seed ^ zlib.crc32(name.encode()))
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu", generator=generator)
            elif isinstance(module, nn.Linear):
                bound = 1 / math.sqrt(module.in_features)
                nn.init.uniform_(module.weight, -bound, bound, generator=generator)
                nn.init.uniform_(module.bias, -bound, bound, generator=generator)

    def layer_groups(self) -> dict[str, list[nn.Module]]:
        """Layers in the groups of table 1."""
        stages: dict[str, list[nn.Module]] = {stage: [getattr(self, stage)] for stage in self.stages}
        return {"stem": [self.conv1, self.bn1], **stages, "head": [self.fc]}

    def features(self, images: torch.Tensor) -> torch.Tensor:  # (B, channels, H, W) -> (B, C, h, w)
        out: torch.Tensor = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        for stage in self.stages:
            out = getattr(self, stage)(out)
        return out

    def classify(self, features: torch.Tensor) -> torch.Tensor:  # (B, C, h, w) -> (B, classes)
        out: torch.Tensor = self.fc(self.avgpool(features).flatten(1))
        return out

    def forward(self, images: torch.Tensor) -> torch.Tensor:  # (B, channels, H, W) -> (B, classes)
        return self.classify(self.features(images))


class SampledConv1x1(nn.Conv2d):
    """A 1x1 convolution of every `step`-th pixel, which is what one of that stride is.

    Of a strided one with 3 to 6 input channels oneDNN's kernels of AVX2 write beyond a buffer in the backward pass;
    with multiples of 8 they do not.
    """

    def __init__(self, inputs: int, outputs: int, step: int) -> None:
        super().__init__(inputs, outputs, kernel_size=1, bias=False)
        self.step = step

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # (B, inputs, H, W) -> (B, outputs, H/step, W/step)
        return super().forward(x[:, :, :: self.step, :: self.step])


def _stage(block: type[BasicBlock | Bottleneck], inputs: int, planes: int, depth: int, stride: int) -> nn.Sequential:
    outputs = planes * block.expansion
    projection = None  # of the first block's skip, where the shape changes (option B, section 3.3)
    if stride != 1 or inputs != outputs:
        narrow = stride != 1 and inputs % 8
        convolution = SampledConv1x1(inputs, outputs, stride) if narrow else conv1x1(inputs, outputs, stride)
        projection = nn.Sequential(convolution, nn.BatchNorm2d(outputs))
    first = block(inputs, planes, stride, projection)
    return nn.Sequential(first, *(block(outputs, planes) for _ in range(depth - 1)))
