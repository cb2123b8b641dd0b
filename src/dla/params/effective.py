"""What a stage really runs with: its block of params.yaml as the budget in force leaves it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from dla.core.errors import UserError
from dla.core.parsing import did_you_mean
from dla.params.whole import Params

Settings = dict[str, Any]
# Sections with a stage per entry, each called like its section, and those of a stage alone.
TABLES = {
    "download": "sources",
    "prepare": "data",
    **{
        name: name
        for name in ("train", "embed", "tfidf", "classify", "labels", "finetune", "tsne", "rank", "lm", "agent")
    },
}
ALONE = ("repeats", "gradients", "generate", "agents")


def effective(params: Params, name: str) -> dict[str, Settings]:
    """The settings of the stage NAME of DVC (`rank@margin`, `gradients`), or of all stages NAME of something.

    Raises
    ------
    UserError
        If there is no such stage.
    """
    known = stages(params)
    named = {stage: settings for stage, settings in known.items() if name in (stage, stage.partition("@")[2])}
    if not named:
        names = [*known, *(stage.partition("@")[2] for stage in known)]
        hint = did_you_mean(name, names) or "; `dla params --names` lists what there is"
        raise UserError(f"{name!r} is not a stage of dvc.yaml{hint}")
    return named


def stages(params: Params) -> dict[str, Settings]:
    """The settings of every stage, by its name in DVC."""
    return {
        **{
            f"{stage}@{name}": asdict(settings)
            for stage, section in TABLES.items()
            for name, settings in getattr(params, section).items()
        },
        **{f"cam@{name}": asdict(params.cam) for name in params.explained},
        **{
            f"pair@{seed}": {label: asdict(run) for label, run in params.pair.trainings(seed).items()}
            for seed in params.repeats.seeds
        },
        **{stage: asdict(getattr(params, stage)) for stage in ALONE},
        "report": {},  # no settings of its own
    }
