"""What a model of params.yaml is, told from its settings alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Settings = Mapping[str, Any]
# Of models that a name tells apart instead of a setting.
NAMED: dict[str, dict[str, Any]] = {
    "mlp": {"skips": False},
    "skip_mlp": {"skips": True},
    "plain_cnn": {"skips": False},
    "residual_cnn": {"skips": True},
    "resnet20": {"layers": 20, "skips": True},
    "plain20": {"layers": 20, "skips": False},
    "resnet34": {"layers": 34, "skips": True},
    "convnet34": {"layers": 34, "skips": False},
    "resnet50": {"layers": 50, "skips": True},
}


def values(model: Settings) -> dict[str, Any]:
    """The settings with those that the name stands for."""
    return {key: value for key, value in model.items() if key != "name"} | NAMED.get(model.get("name", ""), {})


def has_skips(model: Settings) -> bool | None:
    """Whether it has skip connections; None if its family does not know any."""
    found: bool | None = values(model).get("skips")
    return found


def layers(model: Settings) -> int | None:
    """How many layers it has, if it says so."""
    found = values(model)
    blocks: int | None = found.get("depth")
    return found.get("layers") or (blocks and blocks * (2 if found.get("skips") else 1))  # a block has two


def describe(model: Settings) -> str:
    """Its family, and how deep it is with or without skips: `resnet, 34 layers, without skips`."""
    depth, skips = layers(model), has_skips(model)
    words = {None: "", True: "with skips", False: "without skips"}
    return ", ".join(filter(None, (model["family"], f"{depth} layers" if depth else "", words[skips])))
