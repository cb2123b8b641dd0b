"""What was run: budget, data, versions, and what the budget cut off the laboratories' settings."""

from __future__ import annotations

import platform
from collections.abc import Collection
from importlib.metadata import version
from typing import Any

from dla.report.chapter import Table
from dla.report.results import Settings

LIBRARIES = ("torch", "torchvision", "transformers", "scikit-learn", "gymnasium", "dvc")


def circumstances(params: Settings, origins: Collection[str]) -> list[tuple[str, str]]:
    """Facts about the runs that the page is of, by name.

    Parameters
    ----------
    origins : where the results say that their data come from; not always where the budget in force takes data from
    """
    return [
        ("budget", params["budget"]),
        ("data of the results", ", ".join(sorted(origins)) or "none yet"),
        *((name, f"{value}") for name, value in params["runtime"].items()),
        ("Python", ".".join(platform.python_version_tuple()[:2])),
        *((library, version(library)) for library in LIBRARIES),
    ]


def cuts(params: Settings, whole: Settings) -> Table:
    """Every setting that the budget in force changes, block by block.

    Parameters
    ----------
    params, whole : the settings that are in force, and those that no budget has cut
    """
    rows = []
    for block, before in _blocks(whole).items():
        if said := _changed(before, _blocks(params)[block]):
            rows.append((block, said))
    caption = (
        f"What the budget {params['budget']} cuts off the settings in params.yaml: the laboratories', or marked (ours)."
    )
    return Table(caption, ("stage", "settings"), rows)


def changed(stage: str, params: Settings, whole: Settings) -> str:
    """Every setting of a stage that the budget in force changes; of one without a block of its own, nothing."""
    blocks = _blocks(whole)
    name = "pair" if stage == "repeats" else stage
    return _changed(blocks[name], _blocks(params)[name]) if name in blocks else ""


def _changed(before: Settings, after: Settings) -> str:
    """20 → 5 for every setting that is not the same; of a comparison once, where both contenders have it alike."""
    old, new = flat(before), flat(after)
    names = [name for name in dict.fromkeys([*new, *old]) if old.get(name) != new.get(name)]
    said = {name: f"{_shown(old.get(name))} → {_shown(new.get(name))}" for name in names}
    for name in names:
        contender, _, setting = name.partition(".")
        if contender == "first" and said[name] == said.get(f"second.{setting}"):
            said = {{name: setting}.get(key, key): what for key, what in said.items() if key != f"second.{setting}"}
    return "; ".join(f"{name} {what}" for name, what in said.items())


BY_NAME = ("train", "embed", "tfidf", "classify", "labels", "finetune", "tsne", "rank", "lm", "agent")
ALONE = ("pair", "cam", "repeats", "gradients", "generate", "agents")


def _blocks(params: Settings) -> dict[str, Settings]:
    """The settings of every stage by its name in DVC."""
    named = {f"{section}@{name}": block for section in BY_NAME for name, block in params[section].items()}
    return named | {section: params[section] for section in ALONE}


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
