"""What a stage really runs with: its block of params.yaml as the budget in force leaves it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from dla.core.errors import UserError
from dla.core.parsing import did_you_mean
from dla.params.whole import Params

Settings = dict[str, Any]


def effective(params: Params, name: str) -> dict[str, Settings]:
    """The settings of the stage NAME of DVC (`rank@margin`, `gradients`), or of all stages NAME of something.

    Raises
    ------
    UserError
        If there is no such stage.
    """
    known = stages(params)
    named = [stage for stage in known if name in (stage, stage.partition("@")[2])]
    if not named:
        names = [*known, *(stage.partition("@")[2] for stage in known)]
        hint = did_you_mean(name, names) or "; `dla params --names` lists what there is"
        raise UserError(f"{name!r} is not a stage of dvc.yaml{hint}")
    return {stage: known[stage]() for stage in named}


def stages(params: Params) -> dict[str, Callable[[], Settings]]:
    """How to come by the settings of every stage, by its name in DVC."""
    sections: dict[str, tuple[dict[str, Any], Callable[[str], Any]]] = {
        "download": (params.sources, lambda name: params.sources[name]),
        "prepare": (params.data, lambda name: params.data[name]),
        "train": (params.train, params.image_run),
        "cam": (params.cam, params.explanation),
        "embed": (params.embed, params.embedding),
        "tfidf": (params.tfidf, lambda name: params.tfidf[name]),
        "classify": (params.classify, params.head),
        "finetune": (params.finetune, params.fine_tuning),
        "tsne": (params.tsne, params.scatter),
        "rank": (params.rank, params.answer_scorer),
        "lm": (params.lm, params.language_model),
        "agent": (params.agent, params.agent_run),
    }
    found: dict[str, Callable[[], Settings]] = {
        f"{section}@{name}": lambda name=name, settings=settings: asdict(settings(name))  # type: ignore[misc]
        for section, (table, settings) in sections.items()
        for name in table
    }
    for seed in params.repeats.seeds:
        found[f"pair@{seed}"] = lambda seed=seed: {  # type: ignore[misc]
            label: asdict(run) for label, run in params.pair_runs(seed).items()
        }
    found["repeats"] = lambda: asdict(params.repeats)
    found["gradients"] = lambda: asdict(params.gradient_study)
    found["generate"] = lambda: asdict(params.generation)
    found["agents"] = lambda: asdict(params.agents)
    found["report"] = dict  # no settings of its own
    return found
