"""A colour for every run, the same in every figure: it follows from what is trained, never from what a run is called.

Grey: perceptrons; brown: those with skip connections, and rules; green: convolutions that know no skip connections,
and counted words; red: without skip connections; blue: with; violet: fine-tuned. What is deeper is darker, and of runs
of one group that would look alike the next is darker.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import cycle
from typing import Any

from dla.report.models import has_skips, layers

Settings = Mapping[str, Any]
Tones = tuple[str, str, str]  # from light to dark

GREY = ("#a0a0a0", "#7a7a7a", "#505050")
BROWN = ("#c9a35a", "#a6761d", "#6d4c0f")
GREEN = ("#8fce8f", "#2ca02c", "#1a661a")
RED = ("#f4a582", "#d6604d", "#b2182b")
BLUE = ("#92c5de", "#4393c3", "#2166ac")
VIOLET = ("#c2a5cf", "#9970ab", "#762a83")
OTHERS = (
    BLUE[1],
    RED[1],
    GREEN[1],
    VIOLET[1],
    BROWN[1],
    GREY[1],
)  # of what is no run, or of no kind that is known, in turn

MODELS: dict[tuple[str, bool | None], Tones] = {("mlp", None): GREY, ("mlp", False): GREY, ("mlp", True): BROWN}
SKIPS: dict[bool | None, Tones] = {None: GREEN, False: RED, True: BLUE}  # of any other family
LOSSES = {"margin": GREY, "ratio": RED, "softplus-ratio": VIOLET, "softmax": BLUE}  # of what ranks answers
SECTIONS = {"tfidf": GREEN, "finetune": VIOLET, "lm": BLUE}
HEADS = {"logreg": GREY, "mlp": BROWN}
LAYERS = (24, 44)  # how many make a middle and a dark tone
RUNS = ("train", "tfidf", "classify", "finetune", "rank", "lm")  # sections whose keys are names of runs


def palette(params: Settings) -> dict[str, str]:
    """The colour of every run by its name, and of the two that `pair` compares by their labels.

    Parameters
    ----------
    params : params.yaml, whole or in part
    """
    found: dict[str, str] = {}
    for contender in params.get("pair", {}).values():
        tones, tone = _of_model(contender["model"])
        found[contender["label"]] = tones[tone]
    taken: set[tuple[str, str]] = set()
    for section in RUNS:
        for name, run in params.get(section, {}).items():
            group = run.get("group", section)
            tones, tone = _of_run(section, run)
            choice = next(
                (tones[i % 3] for i in range(tone, tone + 3) if (group, tones[i % 3]) not in taken), tones[tone]
            )
            taken.add((group, choice))
            found[name] = choice
    return found


def _of_run(section: str, run: Settings) -> tuple[Tones, int]:
    if "model" in run:
        return _of_model(run["model"])
    if section in SECTIONS:
        return SECTIONS[section], 1
    if section == "classify":
        return HEADS.get(run["name"], VIOLET), 1
    return LOSSES.get(run.get("loss", ""), BROWN), 1


def _of_model(model: Settings) -> tuple[Tones, int]:
    """The tones of a model's kind, and which of them it has by its depth."""
    skips = has_skips(model)
    tones = MODELS.get((model["family"], skips)) or SKIPS[skips]
    return tones, sum((layers(model) or LAYERS[0]) >= least for least in LAYERS)


def colours(names: list[str], known: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """The names in their order without repetition, and a colour for each."""
    distinct = list(dict.fromkeys(names))
    others: Iterator[str] = cycle(OTHERS)
    return distinct, [known.get(name) or next(others) for name in distinct]
