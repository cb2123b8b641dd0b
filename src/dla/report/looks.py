"""Where does the network look?"""

from __future__ import annotations

from typing import Any

from dla.report import charts
from dla.report.chapter import NOTHING, Block, Chapter, Chart, Picture, Table
from dla.report.results import Results
from dla.report.sources import about
from dla.report.statements import Share, compare, percent
from dla.settings.whole import Params

Explained = dict[str, dict[str, Any]]  # metrics by run


def chapter(params: Params, results: Results) -> Chapter:
    """Class activation maps, and what they are worth."""
    explained = results.each(params.cam, "cam")
    embedded = any(metrics["data"] == "embedded" for metrics in explained.values())
    return Chapter(
        key="looks",
        question="Where does the network look?",
        finding=_finding(explained),
        about=about(params, [(params.cam[name].data, found["data"]) for name, found in explained.items()]),
        embedded=embedded,
        blocks=_blocks(explained, results),
        commands=("dvc repro cam",),
        missing=tuple(results.missing),
    )


def _finding(explained: Explained) -> str:
    """Of all runs the one whose map finds the object most often, against guessing the middle."""
    if not explained:
        return NOTHING
    scored = {name: found["pointing"] for name, found in explained.items() if found.get("pointing")}
    if not scored:
        return "Not shown: these data have no boxes to say where the object is."
    best = max(scored, key=lambda name: scored[name]["map"])
    found = scored[best]
    first, second = (Share.of(found[what], found["n"]) for what in ("map", "centred_box"))
    return compare((f"the strongest point of {best}'s map", first), ("the middle of the picture", second), "objects")


def _blocks(explained: Explained, results: Results) -> list[Block]:
    blocks: list[Block] = []
    points = []
    for name, found in explained.items():
        address = results.picture(f"plots/cam/{name}.png", f"cam@{name}")
        if address:
            caption = f"{name}: random test pictures with the map of the class it predicts."
            alt = f"Sixteen test pictures under the class activation maps of {name}"
            blocks.append(Picture(caption, alt, address))
        if found.get("pointing"):
            share = Share.of(found["pointing"]["map"], found["pointing"]["n"])
            points.append({"name": name, "value": share.value, "lower": share.lower, "upper": share.upper})
    if points:
        caption = "How often the strongest point of the map is inside the object's box, with 95 % intervals."
        blocks.insert(0, Chart(caption, charts.intervals(points, "pointing game (fraction of pictures)")))
    return [*blocks, _table(explained)] if explained else blocks


def _table(explained: Explained) -> Table:
    rows = []
    for name, found in explained.items():
        pairs = [
            " against ".join(percent(found[measure].get(side)) for side in sides) if found.get(measure) else ""
            for measure, sides in {
                "pointing": ("map", "centred_box"),
                "max_box_accuracy": ("map", "centred_box"),
                "deletion": ("map", "random"),
                "insertion": ("map", "random"),
            }.items()
        ]
        rows.append((name, found["feature_map"], *pairs))
    header = ("run", "cells", "pointing, against the middle", "boxes, against a centred one", *_ORDERS)
    return Table("Localisation where boxes are known, and what marked pixels do to the prediction.", header, rows)


_ORDERS = ("deletion, against random (low is good)", "insertion, against random (high is good)")
