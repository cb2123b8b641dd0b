"""What a model of params.yaml is, told from its settings alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Settings = Mapping[str, Any]


def has_skips(model: Settings) -> bool | None:
    """Whether it has skip connections; None if it does not say so, as its family has them or not."""
    skips: bool | None = model.get("skips")
    return skips


def layers(model: Settings) -> int | None:
    """How many layers it has, if it says so."""
    blocks: int | None = model.get("depth")
    return model.get("layers") or (blocks and blocks * (2 if has_skips(model) else 1))  # a block has two


def describe(model: Settings) -> str:
    """Its family, and how deep it is with or without skips: `resnet, 34 layers, without skips`."""
    depth, skips = layers(model), has_skips(model)
    words = {None: "", True: "with skips", False: "without skips"}
    return ", ".join(filter(None, (model["family"], f"{depth} layers" if depth else "", words[skips])))
