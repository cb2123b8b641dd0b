"""Where does the network look?"""

from __future__ import annotations

from typing import Any

from dla.report import charts
from dla.report.chapter import NOTHING, Block, Chapter, Chart, Picture, Table
from dla.report.colours import palette
from dla.report.results import Results, Settings
from dla.report.sources import about
from dla.report.statements import Share, compare, percent, points
from dla.statistics.classifiers import Comparison

Explained = dict[str, dict[str, Any]]  # metrics by run


def chapter(params: Settings, results: Results) -> Chapter:
    """Class activation maps, and what they are worth."""
    explained = results.each(params["explained"], "cam")
    embedded = any(metrics["data"] == "embedded" for metrics in explained.values())
    return Chapter(
        key="looks",
        question="Where does the network look?",
        findings=[_finding(params, explained)] if explained else NOTHING,
        about=about(params, [(params["train"][name]["data"], found["data"]) for name, found in explained.items()]),
        embedded=embedded,
        blocks=_blocks(explained, results, palette(params)),
        commands=("dvc repro cam",),
        missing=tuple(results.missing),
    )


def _finding(params: Settings, explained: Explained) -> str:
    """Of the runs on one data set the one whose map finds the object most often on validation: on test, the middle?"""
    located = [name for name, found in explained.items() if found.get("pointing")]
    if not located:
        return _without_boxes(explained)
    origins = {name: (params["train"][name]["data"], explained[name]["data"]) for name in located}
    rivals = [name for name in located if origins[name] == origins[located[0]]]
    best = max(rivals, key=lambda name: float(explained[name]["validation"]["pointing"]["map"]))
    found = explained[best]["pointing"]
    first, second = (Share.of(found[what], found["n"]) for what in ("map", "centred_box"))
    said = compare(
        (f"the strongest point of {best}'s map of the true class", first),
        ("the middle of the picture", second),
        "test objects",
        Comparison(found["map_only"], found["centred_box_only"], found["n"]),
    )
    return f"{said} It was chosen on validation, out of {', '.join(rivals)}." if len(rivals) > 1 else said


def _without_boxes(explained: Explained) -> str:
    """Of every run how far the prediction falls where its map is strongest, as nothing says where the object is."""
    runs = (f"{_difference(found['deletion'])} in {name}" for name, found in explained.items())
    return (
        "These data have no boxes to say where the object is. Deleting first the pixels that the map marks, and not "
        f"any, changes the mean probability of the predicted class by {', '.join(runs)}."
    )


def _blocks(explained: Explained, results: Results, known: dict[str, str]) -> list[Block]:
    blocks: list[Block] = []
    shares = []
    for name, found in explained.items():
        address = results.picture(f"plots/cam/{name}.png", f"cam@{name}")
        if address:
            caption = f"{name}: random test pictures with the map of the class it predicts."
            alt = f"{found['pictures']} test pictures under the class activation maps of {name}"
            blocks.append(Picture(caption, alt, address))
        if found.get("pointing"):
            share = Share.of(found["pointing"]["map"], found["pointing"]["n"])
            shares.append({"name": name, "value": share.value, "lower": share.lower, "upper": share.upper})
    if shares:
        caption = "How often the strongest point of the true class's map is in the object's box, with 95 % intervals."
        blocks.insert(0, Chart(caption, charts.intervals(shares, "pointing game (fraction of pictures)", known=known)))
    return [*blocks, _table(explained)] if explained else blocks


def _table(explained: Explained) -> Table:
    rows = [
        (
            name,
            found["feature_map"],
            *(_against(found.get(measure), "centred_box") for measure in ("pointing", "max_box_accuracy")),
            *(_paired(found[measure]) for measure in ("deletion", "insertion")),
        )
        for name, found in explained.items()
    ]
    caption = (
        "Localisation of the true class where boxes are known, at the threshold of boxes that is best on these very "
        "pictures; and what marked pixels do to the prediction, with the 95 % interval of map minus random."
    )
    header = ("run", "cells", "pointing, against the middle", "boxes, against a centred one", *_ORDERS)
    return Table(caption, header, rows)


def _against(found: dict[str, Any] | None, rival: str) -> str:
    return f"{percent(found['map'])} against {percent(found[rival])}" if found else ""


def _paired(found: dict[str, Any]) -> str:
    """Map against random, and the paired difference: 17.2 % against 39.1 %, -21.9 points (-26.1 to -17.8), n = 64."""
    return f"{_against(found, 'random')}, {_difference(found)}, n = {found['n']}"


def _difference(found: dict[str, Any]) -> str:
    """Map minus random over the pictures, with its interval if there are several."""
    difference = found["difference"]
    ends = difference["lower"], difference["upper"]
    return "no interval" if None in ends else points(difference["mean"], *ends)


_ORDERS = ("deletion, against random (low is good)", "insertion, against random (high is good)")
