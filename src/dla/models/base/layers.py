"""Layers that the families of models share."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F


def convolution(
    inputs: int,
    outputs: int,
    *,
    kernel: int = 3,
    stride: int = 1,
    padding: int = 1,
    batch_norm: bool = True,
    relu: bool = True,
) -> nn.Sequential:
    """Convolution, batch norm, ReLU, by default 3x3 at the same resolution; a bias would be lost in the batch norm."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=not batch_norm),
        *([nn.BatchNorm2d(outputs)] if batch_norm else []),
        *([nn.ReLU(inplace=True)] if relu else []),
    )


class Dropout(nn.Module):
    """Dropout whose random bits are drawn four entries at a time on a CPU.

    torch draws a number per entry, one after the other, which took half of a training step of the laboratories' CNN
    on two cores (bench/train.py). Sixteen random bits decide on an entry, so the probability is met to 1/131072.
    """

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.p = probability  # torch's name for it

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # any shape -> the same
        if not self.training or x.device.type != "cpu" or x.numel() % 4 or torch.compiler.is_compiling():
            return F.dropout(x, self.p, self.training)
        bits = torch.empty_like(x, dtype=torch.int16)  # in the memory order of x, which has no gaps
        bits.as_strided((x.numel(),), (1,)).view(torch.int64).random_(-(2**63), None)
        threshold = round(self.p * 2**16)
        kept = (bits >= threshold - 2**15).to(x.dtype)
        return x * kept.mul_(2**16 / (2**16 - threshold))

    def extra_repr(self) -> str:
        return f"{self.p}"


def replace_dropout(model: nn.Module) -> None:
    """Give a library's model this dropout instead of torch's."""
    for module in model.modules():
        for name, child in module.named_children():
            if isinstance(child, nn.Dropout):
                setattr(module, name, Dropout(child.p))


class ZeroPadding(nn.Module):
    """Every `stride`-th pixel, with `channels` more channels of zeros."""

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        self.channels = channels
        self.stride = stride

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # (B, C, H, W) -> (B, C + channels, H/stride, W/stride)
        return F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.channels))


class Float32Linear(nn.Linear):
    """`layer`, with its own weights, computed in float32 even where autocast is on: for scores compared closely."""

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__(layer.in_features, layer.out_features, layer.bias is not None, device="meta")
        self.weight, self.bias = layer.weight, layer.bias

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # (..., inputs) -> (..., outputs), float32
        with torch.autocast(x.device.type, enabled=False):
            return super().forward(x.float())
