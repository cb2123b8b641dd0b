"""Linear layers that oneDNN computes, for where kernels are to be the same everywhere.

torch takes MKL for products of float32 matrices. Of MKL's kernels the oldest alone give the same bits on processors of
every maker (docs/bits.md), at less than half the rate of AVX2; oneDNN's kernels of AVX2 do so at the whole.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from transformers.pytorch_utils import Conv1D


class OneDnnLinear(nn.Module):
    """`layer`, with its own weights, computed by oneDNN: on a CPU in float32, elsewhere as the layer does."""

    def __init__(self, layer: nn.Linear | Conv1D) -> None:
        super().__init__()
        self.weight, self.bias = layer.weight, layer.bias
        self.upright = isinstance(layer, nn.Linear)  # and not (inputs, outputs), as GPT-2's are

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # (..., inputs) -> (..., outputs)
        weight = self.weight if self.upright else self.weight.t()
        if x.device.type != "cpu" or x.dtype != torch.float32 or torch.is_autocast_enabled("cpu"):
            return F.linear(x, weight, self.bias)
        found: torch.Tensor = _Affine.apply(x, weight, self.bias)
        return found


def replace_linear(model: nn.Module) -> None:
    """Give a model of transformers these layers instead of its own."""
    if not torch.backends.mkldnn.is_available():
        return
    for module in model.modules():
        for name, child in module.named_children():
            if type(child) in (nn.Linear, Conv1D):
                setattr(module, name, OneDnnLinear(child))


class _Affine(torch.autograd.Function):
    """x W' + b, of x (..., inputs), W (outputs, inputs) and b (outputs,) or None."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        ctx.save_for_backward(x, weight)
        return _product(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        of_rows, rows = gradients[0].flatten(0, -2), x.flatten(0, -2)
        wanted = ctx.needs_input_grad
        return (
            _product(of_rows, weight.t()).view_as(x) if wanted[0] else None,
            _product(of_rows.t(), rows.t()) if wanted[1] else None,
            of_rows.sum(0) if wanted[2] else None,
        )


def _product(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    """x W' + b by the operation that torch's own compiler takes for it on a CPU."""
    found: torch.Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
    return found
