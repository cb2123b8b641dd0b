"""Models by name. A family is a module of this package, imported when one of its models is asked for."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, Protocol

import torch
from torch import nn

from dla.core.parsing import did_you_mean
from dla.models.settings import Model

InputShape = tuple[int, int, int]  # channels, height, width


class Convolutional(Protocol):
    """What class activation maps need of a model: its last feature map, and the way from there to the logits."""

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """Last feature map, (B, C, h, w), of images (B, channels, height, width)."""

    def classify(self, features: torch.Tensor) -> torch.Tensor:
        """Logits, (B, classes), of the last feature map."""


Builder = Callable[[Any, InputShape, int], nn.Module]
BUILDERS: dict[str, Builder] = {}


def register(name: str) -> Callable[[Builder], Builder]:
    """Register a function of settings, input shape and number of classes as the builder of model `name`."""

    def add(builder: Builder) -> Builder:
        BUILDERS[name] = builder
        return builder

    return add


def build(settings: Model, input_shape: InputShape, classes: int) -> nn.Module:
    """The model that `settings` describe, for images of `input_shape` (channels, height, width).

    Raises
    ------
    ValueError
        If the family has no such model.
    """
    import_module(f"dla.models.{settings.family}")
    if settings.name not in BUILDERS:
        known = ", ".join(sorted(BUILDERS))
        raise ValueError(f"model {settings.name!r} is not one of {known}{did_you_mean(settings.name, BUILDERS)}")
    return BUILDERS[settings.name](settings, input_shape, classes)


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
