"""What was run: budget, data, versions, device, and what the budget cut off the laboratories' settings."""

from __future__ import annotations

import platform
from collections.abc import Collection
from dataclasses import replace
from importlib.metadata import version
from typing import Any

from dla.params.effective import Settings, stages
from dla.params.whole import Params
from dla.report.chapter import Table

LIBRARIES = ("torch", "torchvision", "transformers", "scikit-learn", "gymnasium", "dvc")


def circumstances(params: Params, origins: Collection[str]) -> list[tuple[str, str]]:
    """Facts about the runs that the page is of, by name.

    Parameters
    ----------
    origins : where the results say that their data come from; not always where the budget in force takes data from
    """
    from dla.training.runtime import choose_device, has_bfloat16  # imports torch, which only knows the device

    device = choose_device(params.runtime.device)
    precision = "with bfloat16" if has_bfloat16(device) else "without bfloat16"
    return [
        ("budget", params.budget),
        ("data of the results", ", ".join(sorted(origins)) or "none yet"),
        ("device", f"{device.type} {precision}"),
        ("Python", ".".join(platform.python_version_tuple()[:2])),
        *((library, version(library)) for library in LIBRARIES),
    ]


def cuts(params: Params) -> Table:
    """Every setting that the budget in force changes, stage by stage."""
    whole, capped = (stages(replace(params, budget=budget)) for budget in ("full", params.budget))
    rows = []
    for stage in whole:
        before, after = flat(whole[stage]()), flat(capped[stage]())
        changed = [f"{key} {_shown(before[key])} → {_shown(after[key])}" for key in before if before[key] != after[key]]
        if changed:
            rows.append((stage, "; ".join(changed)))
    caption = (
        f"What the budget {params.budget} cuts off the settings in params.yaml: the laboratories', or marked (ours)."
    )
    return Table(caption, ("stage", "settings"), rows)


def flat(settings: Settings, prefix: str = "") -> dict[str, Any]:
    """Nested settings by dotted names."""
    found: dict[str, Any] = {}
    for key, value in settings.items():
        found |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return found


def _shown(value: Any) -> str:
    if value is None:
        return "all"
    return ", ".join(map(str, value)) if isinstance(value, tuple | list) else f"{value}"
