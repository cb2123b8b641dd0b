"""Models by family, a module of dla.models that is imported when one of its models is asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import nn

from dla.models.base.settings import FAMILIES, ModelSettings

InputShape = tuple[int, int, int]  # channels, height, width


class Convolutional(Protocol):
    """What class activation maps need of a model: its last feature map, and the way from there to the logits."""

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """Last feature map, (B, C, h, w), of images (B, channels, height, width)."""

    def classify(self, features: torch.Tensor) -> torch.Tensor:
        """Logits, (B, classes), of the last feature map."""


def build(settings: ModelSettings, input_shape: InputShape, classes: int) -> nn.Module:
    """The model that `settings` describe, for images of `input_shape` (channels, height, width)."""
    model: nn.Module = FAMILIES.module(settings.family).build(settings, input_shape, classes)
    return model


def layer_groups(model: nn.Module) -> dict[str, list[nn.Parameter]]:
    """Trainable parameters by group of layers, from input to output: as the model names its groups, or its children."""
    grouping: Callable[[], dict[str, list[nn.Module]]] | None = getattr(model, "layer_groups", None)
    named = grouping() if grouping else {name: [child] for name, child in model.named_children()}
    groups = {
        name: [p for module in modules for p in module.parameters() if p.requires_grad]
        for name, modules in named.items()
    }
    return {name: parameters for name, parameters in groups.items() if parameters}


def count_parameters(model: nn.Module) -> int:
    """Number of trainable parameters."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
