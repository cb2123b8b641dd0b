"""params.yaml as plain mappings, for what only tells of settings and need not know the types of every chapter."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from dla.params.budgets import cap_run
from dla.params.effective import stages
from dla.params.file import PARAMS_FILE, load_params


def read_parameters(path: Path = PARAMS_FILE, budget: str | None = None) -> dict[str, Any]:
    """The whole file, every block as `budget` leaves it, by default the one in force."""
    params = load_params(path)
    if budget is not None:
        params = replace(params, budget=budget)  # type: ignore[arg-type]  # one of its literals
    found = asdict(params)
    for stage, settings in stages(params).items():
        section, _, name = stage.partition("@")
        if name and section in found and section != "pair":
            found[section][name] = settings()
    for side in ("first", "second"):
        found["pair"][side] = asdict(cap_run(getattr(params.pair, side), params.budgeted.pair))
    return found | {"gradients": asdict(params.gradient_study), "generate": asdict(params.generation)}
