"""Do skip connections help, or whatever else two trainings differ in, and how sure are we?"""

from __future__ import annotations

from typing import Any

from dla.report import charts, gradients
from dla.report.chapter import NOTHING, Block, Chapter, Chart, Table
from dla.report.colours import palette
from dla.report.results import Results, Settings
from dla.report.sources import about
from dla.report.statements import p_value, percent

MEASURES = {  # of metrics/repeats.json: what they are called, and whether they are shares
    "test_accuracy": ("test accuracy", True),
    "best_validation_accuracy": ("best validation accuracy", True),
    "final_validation_accuracy": ("last validation accuracy", True),
    "epochs_to_loss": ("epochs until the training loss is {loss:g} or less", False),
    "loss_area": ("mean training loss over the epochs", False),
}


def chapter(params: Settings, results: Results) -> Chapter:
    """The pair over seeds, and gradients by depth."""
    repeats = results.metrics("metrics/repeats.json", "repeats")
    by_depth = results.metrics("metrics/gradients.json", "gradients")
    labels = tuple(contender["label"] for contender in params["pair"].values())
    studies = ((params["pair"]["first"]["data"], repeats), (params["gradients"]["data"], by_depth))
    origins = [(data, found["data"]) for data, found in studies if found is not None]
    blocks: list[Block] = []
    findings: list[str] = []
    if repeats is not None:
        confidence, known = params["repeats"]["confidence"], palette(params)
        findings.append(_finding(repeats, labels, confidence))
        table = _table(repeats, labels, params["repeats"])
        blocks += [*_curves(results, known), table, *_groups(results, known)]
    if by_depth is not None:
        findings += gradients.finding(by_depth)
        blocks += gradients.blocks(params, results, by_depth)
    return Chapter(
        key="skips",
        question=question(params["pair"]),
        findings=findings or NOTHING,
        about=about(params, origins),
        embedded=any(place == "embedded" for _, place in origins),
        blocks=blocks,
        commands=("dvc repro repeats", "dvc repro gradients"),
        missing=tuple(results.missing),
    )


# --- what is asked --------------------------------------------------------------------------------------------


def question(pair: Settings) -> str:
    """What the two contenders differ in, asked."""
    differences = _differences(pair)
    if differences == ["model.skips"]:
        return "Do skip connections help, and how sure are we?"
    first, second = (contender["label"] for contender in pair.values())
    settings = ", ".join(differences) or "nothing but their names"
    return f"Does {first} differ from {second} ({settings}), and how sure are we?"


def _differences(pair: Settings) -> list[str]:
    """The settings that differ, those of the models by their own names."""

    def flat(contender: Settings) -> dict[str, Any]:
        return {f"model.{name}": value for name, value in contender["model"].items()} | dict(contender)

    first, second = map(flat, pair.values())
    names = [name for name in {**first, **second} if name not in ("label", "model")]
    return [name for name in names if first.get(name) != second.get(name)]


# --- the pair over seeds --------------------------------------------------------------------------------------


def _finding(repeats: dict[str, Any], labels: tuple[str, ...], confidence: float) -> str:
    found, first, second = repeats["test_accuracy"], *labels
    n, accuracies = found[first]["n"], [_number(found[label]["mean"], share=True) for label in labels]
    return (
        f"Over {n} seeds {first} gets {accuracies[0]} of the test pictures right and {second} {accuracies[1]}, "
        f"{_difference(found['difference'], confidence, share=True)}. In mean training loss it is "
        f"{_difference(repeats['loss_area']['difference'], confidence, share=False)}."
    )


def _difference(found: dict[str, Any], confidence: float, *, share: bool) -> str:
    """A paired difference with its interval and p-value, and whether it is shown."""
    mean, interval = _number(found["mean"], share=share, sign="+"), _interval(found, share=share)
    between = f"{percent(confidence, 0)} interval {interval}" if interval else "without spread there is no interval"
    test = f"permutation test {p_value(found['adjusted_p_value'])} after Holm"
    return f"a paired difference of {mean} ({between}, {test}): {_verdict(found, confidence)}"


def _verdict(found: dict[str, Any], confidence: float) -> str:
    """Whether a difference is shown, and if so few pairs could show none, that."""
    smallest = found["smallest_adjusted_p_value"]
    if found["shown"]:
        return "shown"
    if smallest is None or smallest <= 1 - confidence:
        return "not shown"
    pairs = f"of {found['n']} pairs the smallest possible p-value is {smallest:.3f} after Holm"
    return f"not shown, and could not be: {pairs}; {found['pairs_needed']} pairs are enough"


def _interval(found: dict[str, Any], *, share: bool) -> str:
    """The two ends; nothing if there is no interval."""
    ends = [found["low"], found["high"]]
    return "" if None in ends else " to ".join(_number(e, share=share, sign="+").removesuffix(" points") for e in ends)


def _curves(results: Results, known: dict[str, str]) -> list[Block]:
    rows = [row for row in results.rows("plots/repeats/curves.csv", "repeats") if row["split"] == "train"]
    if not rows:
        return []
    spec = charts.band(rows, ("epoch", "epoch"), ("loss", "training loss (nats per picture)"), "architecture", known)
    return [Chart("Training loss over the seeds: mean, and a standard deviation to either side.", spec)]


def _table(repeats: dict[str, Any], labels: tuple[str, ...], settings: Settings) -> Table:
    seeds, confidence = repeats["test_accuracy"]["difference"]["n"], settings["confidence"]
    rows = []
    for key, (name, share) in MEASURES.items():
        found = repeats[key]["difference"]
        rows.append(
            (
                name.format(loss=settings["loss"]),
                *(_mean(repeats[key][label], seeds, share=share) for label in labels),
                _number(found["mean"], share=share, sign="+"),
                _interval(found, share=share),
                p_value(found["p_value"]),
                p_value(found["adjusted_p_value"]),
                _verdict(found, confidence),
            )
        )
    tests = ("permutation test", "after Holm", f"at {percent(1 - confidence, 0)}")
    header = ("measure", *labels, "difference", f"{percent(confidence, 0)} interval", *tests)
    caption = (
        "Means over the seeds; differences are paired, seed by seed. A difference is shown if its p-value after Holm's "
        f"correction for several measures is at most {percent(1 - confidence, 0)}; intervals are not corrected."
    )
    return Table(caption, header, rows)


def _mean(found: dict[str, Any], seeds: int, *, share: bool) -> str:
    """The mean of a contender, and from how many seeds if not from all of them."""
    some = f"{found['n']} of {seeds} reached it"
    if found["n"] == seeds:
        return _number(found["mean"], share=share)
    return f"{_number(found['mean'], share=share)} ({some})" if found["n"] else some


def _number(value: float | None, *, share: bool, sign: str = "") -> str:
    if value is None:
        return ""
    unit = "points" if sign else "%"  # a difference of percentages is in points
    return f"{100 * value:{sign}z.1f} {unit}" if share else f"{value:{sign}z.2f}"


def _groups(results: Results, known: dict[str, str]) -> list[Block]:
    """Variance and mean of the gradient in every group of layers, which the laboratory logged."""
    rows = results.rows("plots/repeats/gradients.csv", "repeats")
    last = [row for row in rows if row["epoch"] == max(row["epoch"] for row in rows)]
    sized = [row | {"size": abs(row["mean"])} for row in last if row["mean"]]
    spread = [row for row in last if row["variance"] and row["variance"] > 0]  # rounding may leave less than nothing
    place = ("group", "group of layers, from the picture to the classes")
    over = "of a gradient's entries in every group of layers, over all steps of the last epoch; a point per seed."
    blocks: list[Block] = []
    if spread:
        spec = charts.groups(spread, place, ("variance", "variance of the gradient"), "architecture", known)
        blocks.append(Chart(f"Variance {over}", spec))
    if sized:
        spec = charts.groups(sized, place, ("size", "mean of the gradient, without sign"), "architecture", known)
        blocks.append(Chart(f"Mean, without its sign, {over} That of the head is rounding: it adds up to zero.", spec))
    return blocks
