"""The small net of the speed runs on CIFAR-10 (Jordan, arXiv 2404.00498): it whitens pictures before it learns."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import nn
from torch.nn import functional as F

from dla.core.parsing import STRICT
from dla.core.values import Count
from dla.models.base.registry import InputShape
from dla.models.base.settings import ModelSettings

KERNEL = 2  # pixels of the patches that are whitened
FLOOR = 5e-4  # is added to the variance of a direction, lest noise be blown up


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Settings(ModelSettings):
    """Networks that whiten patches of two by two pixels, then convolve in groups that each halve the picture."""

    widths: Annotated[tuple[Count, ...], Field(min_length=1)]  # channels of the groups

    def require_room(self, size: int) -> None:
        """Raise a `ValueError` if a group leaves nothing of square pictures of `size` pixels."""
        left = (size - KERNEL + 1) // 2 ** len(self.widths)
        if left < 1:
            raise ValueError(f"{len(self.widths)} groups leave nothing of {size} pixels; take fewer widths")


def build(settings: Settings, input_shape: InputShape, classes: int) -> Airbench:
    """The net for images of `input_shape` (channels, height, width)."""
    return Airbench(settings, input_shape, classes)


class Airbench(nn.Module):
    """Whitening, groups of two convolutions, the maximum over all places and a linear layer.

    Of pictures of 32 pixels it is airbench94's net, whose last pooling is three wide. It has no `features` that class
    activation maps could take, as a maximum is no mean: it gets Grad-CAM.
    """

    def __init__(self, settings: Settings, input_shape: InputShape, classes: int) -> None:
        super().__init__()
        channels, _, _ = input_shape
        whitened = 2 * channels * KERNEL**2  # every direction, and its opposite
        self.filters: torch.Tensor
        self.register_buffer("filters", nn.init.dirac_(torch.empty(whitened, channels, KERNEL, KERNEL)))
        self.bias = nn.Parameter(torch.zeros(whitened))
        inputs = [whitened, *settings.widths[:-1]]
        self.groups = nn.Sequential(*(Group(*pair) for pair in zip(inputs, settings.widths, strict=True)))
        self.head = nn.Linear(settings.widths[-1], classes, bias=False)
        with torch.no_grad():
            self.head.weight /= self.head.weight.std()

    @torch.no_grad()
    def look_at(self, images: torch.Tensor) -> None:
        """Whiten what is like these normalised pictures (N, C, H, W): unit variance in every direction of a patch."""
        channels = images.shape[1]
        patches = images.float().unfold(2, KERNEL, 1).unfold(3, KERNEL, 1)  # (N, C, h, w, KERNEL, KERNEL)
        flat = patches.permute(0, 2, 3, 1, 4, 5).reshape(-1, channels * KERNEL**2)
        variances, directions = torch.linalg.eigh((flat.T @ flat / len(flat)).double())
        filters = (directions / torch.sqrt(variances + FLOOR)).T.reshape(-1, channels, KERNEL, KERNEL)
        self.filters.copy_(torch.cat([filters, -filters]))

    def whiten(self, images: torch.Tensor) -> torch.Tensor:  # (B, channels, H, W) -> (B, whitened, H - 1, W - 1)
        """In float32: weak directions are small differences of pixels, of which bfloat16 leaves little but rounding."""
        with torch.autocast(images.device.type, enabled=False):
            return F.conv2d(images.float(), self.filters, self.bias)

    def forward(self, images: torch.Tensor) -> torch.Tensor:  # (B, channels, H, W) -> (B, classes)
        features = self.groups(F.gelu(self.whiten(images)))
        strongest = features.amax((2, 3))  # (B, C)
        logits: torch.Tensor = self.head(strongest) / strongest.shape[1]
        return logits


class Group(nn.Module):
    """Two convolutions with batch norm and GELU; the first halves the picture."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            _convolution(inputs, outputs),
            nn.MaxPool2d(2),
            _norm(outputs),
            nn.GELU(),
            _convolution(outputs, outputs),
            _norm(outputs),
            nn.GELU(),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # (B, inputs, H, W) -> (B, outputs, H/2, W/2)
        out: torch.Tensor = self.layers(x)
        return out


def _convolution(inputs: int, outputs: int) -> nn.Conv2d:
    """3x3 at the same resolution, which at first hands on its inputs as they are."""
    layer = nn.Conv2d(inputs, outputs, kernel_size=3, padding=1, bias=False)
    with torch.no_grad():
        nn.init.dirac_(layer.weight[: min(inputs, outputs)])
    return layer


def _norm(channels: int) -> nn.BatchNorm2d:
    """Batch norm without a gain, whose running statistics follow fast, as trainings are short."""
    norm = nn.BatchNorm2d(channels, eps=1e-12, momentum=0.4)
    norm.weight = None  # type: ignore[assignment]
    return norm
