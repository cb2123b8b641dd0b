"""Residual networks (He et al., arXiv 1512.03385) out of torchvision's parts, and the same without skip connections.

torchvision's weights load into ours: names and shapes of `resnet34` and `resnet50` with the imagenet stem are equal.
"""

from __future__ import annotations

import math
import zlib
from typing import Any

import torch
from torch import nn
from torchvision.models import ResNet as TorchvisionResNet
from torchvision.models.resnet import BasicBlock, Bottleneck

from dla.models.layers import ZeroPadding
from dla.models.registry import InputShape, register
from dla.models.settings import ResNetModel


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


class ResNet(TorchvisionResNet):
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
        settings: ResNetModel,
        channels: int,
        classes: int,
    ) -> None:
        nn.Module.__init__(self)  # torchvision's own fixes four stages of 64 to 512 channels; its parts do not
        self._norm_layer = nn.BatchNorm2d
        self.inplanes, self.dilation, self.groups, self.base_width = settings.width, 1, 1, 64
        if settings.stem == "imagenet":
            self.conv1 = nn.Conv2d(channels, settings.width, kernel_size=7, stride=2, padding=3, bias=False)
            self.maxpool: nn.Module = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        else:
            self.conv1 = nn.Conv2d(channels, settings.width, kernel_size=3, padding=1, bias=False)
            self.maxpool = nn.Identity()
        self.bn1 = nn.BatchNorm2d(settings.width)
        self.relu = nn.ReLU(inplace=True)
        self.stages = tuple(f"layer{i + 1}" for i in range(len(depths)))
        for i, (stage, depth) in enumerate(zip(self.stages, depths, strict=True)):
            setattr(self, stage, self._make_layer(block, settings.width * 2**i, depth, stride=1 if i == 0 else 2))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(self.inplanes, classes)
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


@register("resnet34")
def resnet34(settings: ResNetModel, input_shape: InputShape, classes: int) -> ResNet:
    """34 layers (table 1)."""
    return ResNet(BasicBlock, (3, 4, 6, 3), settings, input_shape[0], classes)


@register("resnet50")
def resnet50(settings: ResNetModel, input_shape: InputShape, classes: int) -> ResNet:
    """50 layers in bottleneck blocks (table 1)."""
    return ResNet(Bottleneck, (3, 4, 6, 3), settings, input_shape[0], classes)


@register("convnet34")
def convnet34(settings: ResNetModel, input_shape: InputShape, classes: int) -> ResNet:
    """resnet34 without a skip connection in any block, otherwise equal."""
    return ResNet(PlainBlock, (3, 4, 6, 3), settings, input_shape[0], classes)


@register("resnet20")
def resnet20(settings: ResNetModel, input_shape: InputShape, classes: int) -> ResNet:
    """20 layers for CIFAR-10 (section 4.2): width 16 and stem cifar are the paper's."""
    return ResNet(PaddedBlock, (3, 3, 3), settings, input_shape[0], classes)


@register("plain20")
def plain20(settings: ResNetModel, input_shape: InputShape, classes: int) -> ResNet:
    """resnet20 without skip connections."""
    return ResNet(PlainBlock, (3, 3, 3), settings, input_shape[0], classes)
