"""Do skip connections help, and how sure are we?"""

from __future__ import annotations

from collections import defaultdict
from statistics import median
from typing import Any

from dla.report import charts
from dla.report.chapter import NOTHING, Block, Chapter, Chart, Table
from dla.report.results import Results, Row
from dla.report.sources import about
from dla.report.statements import p_value, percent
from dla.settings.whole import Params

MEASURES = {  # of metrics/repeats.json: what they are called, and whether they are shares
    "test_accuracy": ("test accuracy", True),
    "best_validation_accuracy": ("best validation accuracy", True),
    "final_validation_accuracy": ("last validation accuracy", True),
    "epochs_to_loss": ("epochs until the training loss is reached", False),
    "loss_area": ("mean training loss over the epochs", False),
}


def chapter(params: Params, results: Results) -> Chapter:
    """The pair over seeds, and gradients by depth."""
    repeats = results.metrics("metrics/repeats.json", "repeats")
    gradients = results.metrics("metrics/gradients.json", "gradients")
    labels = tuple(contender.label for contender in params.pair)
    studies = ((params.pair.first.data, repeats), (params.gradients.data, gradients))
    origins = [(data, found["data"]) for data, found in studies if found is not None]
    blocks: list[Block] = []
    if repeats is not None:
        blocks += [*_curves(results), _table(repeats, labels, params.repeats.confidence)]
    if gradients is not None:
        blocks += _gradients(params, results)
    return Chapter(
        key="skips",
        question="Do skip connections help, and how sure are we?",
        finding=NOTHING if repeats is None else _finding(repeats, labels, params.repeats.confidence),
        about=about(params, origins),
        embedded=any(place == "embedded" for _, place in origins),
        blocks=blocks,
        commands=("dvc repro repeats", "dvc repro gradients"),
        missing=tuple(results.missing),
    )


def _finding(repeats: dict[str, Any], labels: tuple[str, ...], confidence: float) -> str:
    found, first, second = repeats["test_accuracy"], *labels
    n, accuracies = found[first]["n"], [_number(found[label]["mean"], share=True) for label in labels]
    return (
        f"Over {n} seeds {first} gets {accuracies[0]} of the test pictures right and {second} {accuracies[1]}, "
        f"{_difference(found['difference'], confidence, share=True)}. In mean training loss it is "
        f"{_difference(repeats['loss_area']['difference'], confidence, share=False)}."
    )


def _difference(found: dict[str, Any], confidence: float, *, share: bool) -> str:
    """A paired difference with its interval and p-value, and whether it is one."""
    ends = [found["low"], found["high"]]
    if None in ends:
        return f"{_number(found['mean'], share=share, sign='+')}: without spread there is no interval"
    low, high = (_number(end, share=share, sign="+").removesuffix(" points") for end in ends)
    shown = "shown" if min(ends) > 0 or max(ends) < 0 else "not shown"
    mean, p = _number(found["mean"], share=share, sign="+"), p_value(found["permutation_p"])
    interval = f"{percent(confidence, 0)} interval {low} to {high}"
    return f"a paired difference of {mean} ({interval}, permutation test {p}): {shown}"


def _curves(results: Results) -> list[Block]:
    rows = [row for row in results.rows("plots/repeats/curves.csv", "repeats") if row["split"] == "train"]
    if not rows:
        return []
    spec = charts.band(rows, ("epoch", "epoch"), ("loss", "training loss (nats per picture)"), "architecture")
    return [Chart("Training loss over the seeds: mean, and a standard deviation to either side.", spec)]


def _table(repeats: dict[str, Any], labels: tuple[str, ...], confidence: float) -> Table:
    first, second = labels
    rows = []
    for key, (name, share) in MEASURES.items():
        found = repeats[key]
        difference = found["difference"]
        numbers = [_number(value, share=share) for value in (found[first]["mean"], found[second]["mean"])]
        spread = (
            ""
            if difference["low"] is None
            else " to ".join(_number(difference[end], share=share, sign="+") for end in ("low", "high"))
        )
        mean = _number(difference["mean"], share=share, sign="+")
        rows.append((name, *numbers, mean, spread, p_value(difference["permutation_p"])))
    header = ("measure", first, second, "difference", f"{percent(confidence, 0)} interval", "permutation test")
    return Table("Means over the seeds; differences are paired, seed by seed.", header, rows)


def _number(value: float, *, share: bool, sign: str = "") -> str:
    unit = "points" if sign else "%"  # a difference of percentages is in points
    return f"{100 * value:{sign}z.1f} {unit}" if share else f"{value:{sign}z.2f}"


def _gradients(params: Params, results: Results) -> list[Block]:
    """How large gradients are, layer by layer, in the deepest nets."""
    deepest = max(params.gradients.depths)
    rows = [row for row in results.rows("plots/gradients/layers.csv", "gradients") if row["depth"] == deepest]
    points = last_steps(rows, params.gradient_study.window)
    if not points:
        return []
    caption = (
        f"Norm of the gradient in every layer of nets of depth {deepest}, median of the last steps; the first layer is "
        "the one nearest to the picture. Nets without batch normalisation are dotted."
    )
    axes = ("layer", "layer"), ("norm", "norm of the gradient")
    return [
        Chart(caption, charts.curves(points, *axes, colour="model", dash=("batch_norm", "with batch norm"), log=True))
    ]


def last_steps(rows: list[Row], window: int) -> list[Row]:
    """One row per net and layer: the median norm of the last steps, where there is any gradient at all."""
    last = max((row["step"] for row in rows), default=0)
    norms: dict[tuple[str, str, float], list[float]] = defaultdict(list)
    for row in rows:
        if row["step"] > last - window:
            norms[row["model"], row["batch_norm"], row["layer"]].append(row["norm"])
    medians = {key: median(values) for key, values in norms.items()}
    names = ("model", "batch_norm", "layer", "norm")
    return [dict(zip(names, (*key, value), strict=True)) for key, value in medians.items() if value > 0]
