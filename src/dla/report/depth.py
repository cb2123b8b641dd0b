"""Do deeper plain networks fail?"""

from __future__ import annotations

from dla.report import charts
from dla.report.chapter import NOTHING, Block, Chapter, Chart, Table
from dla.report.colours import palette
from dla.report.laboratories import ACCURACY, LABORATORY, NONE
from dla.report.models import describe, has_skips
from dla.report.results import Results, Row, Settings
from dla.report.sources import Origin, about, title
from dla.report.statements import Share, compare, count
from dla.statistics.classifiers import compare_cases

Tested = dict[str, tuple[Settings, Row, Share]]  # runs by name: settings, metrics, accuracy on the test pictures


def chapter(params: Settings, results: Results) -> Chapter:
    """Plain and residual nets by depth, and every other image classifier beside them."""
    tested = read(params, results)
    origins = [_origin(name, tested) for name in tested]
    return Chapter(
        key="depth",
        question="Do deeper plain networks fail?",
        findings=_findings(tested, results),
        about=about(params, origins),
        embedded=any(place == "embedded" for _, place in origins),
        blocks=_blocks(tested, results, palette(params)),
        commands=("dvc repro train",),
        missing=tuple(results.missing),
    )


def read(params: Settings, results: Results) -> Tested:
    """The image runs that have been trained."""
    trained = results.each(params["train"], "train")
    return {name: (params["train"][name], metrics, Share.read(metrics["test"])) for name, metrics in trained.items()}


def _origin(name: str, tested: Tested) -> Origin:
    run, metrics, _ = tested[name]
    return run["data"], metrics["data"]


def _findings(tested: Tested, results: Results) -> list[str]:
    """Of plain nets, and of residual ones, the deepest against the shallowest on the same data."""
    if not tested:
        return NOTHING
    sentences = [_of_depths(kind, part, skips, tested, results) for kind, part, skips in KINDS]
    found = [*filter(None, sentences)]
    if not found:
        return ["Not shown: this takes plain or residual nets of two depths on the same data."]
    return [*found, "One seed each; the next chapter has many."]


KINDS = (("plain", "layers", False), ("residual", "blocks of two layers", True))


def _of_depths(kind: str, part: str, skips: bool, tested: Tested, results: Results) -> str:
    depths = _depths(skips, tested)
    if len(set(depths.values())) < 2:
        return ""
    pair = max(depths, key=lambda name: depths[name]), min(depths, key=lambda name: depths[name])
    first, second = ((f"the {kind} net of {depths[name]} {part}", tested[name][2]) for name in pair)
    cases = compare_cases(*(results.rows(f"data/tested/{name}.csv", f"train@{name}") for name in pair))
    return compare(first, second, "test pictures", cases)


def _depths(skips: bool, tested: Tested) -> dict[str, int]:
    """The depths of the nets with or without skips, on the data that the first of them has."""
    models = _of_constant_width(tested)
    chosen = {name: model["depth"] for name, model in models.items() if bool(has_skips(model)) == skips}
    first = next((_origin(name, tested) for name in chosen), None)
    return {name: depth for name, depth in chosen.items() if _origin(name, tested) == first}


def _of_constant_width(tested: Tested) -> dict[str, Settings]:
    """The models that differ in nothing but depth and skip connections."""
    return {name: run["model"] for name, (run, _, _) in tested.items() if run["model"]["family"] == "deep_cnn"}


def _blocks(tested: Tested, results: Results, known: dict[str, str]) -> list[Block]:
    blocks: list[Block] = []
    origins = list(dict.fromkeys(_origin(name, tested) for name in tested))
    for origin in origins:
        names = [name for name in _of_constant_width(tested) if _origin(name, tested) == origin]
        rows = [row for name in names for row in results.rows(f"plots/train/{name}.csv", f"train@{name}")]
        if rows:
            caption = (
                f"Accuracy of plain and residual nets on {title(origin)} while they train. Dotted: training, whole: "
                "validation."
            )
            spec = charts.curves(rows, ("epoch", "epoch"), ("accuracy", "accuracy (fraction of pictures)"), known=known)
            blocks.append(Chart(caption, spec))
    for origin in origins:
        shares = {name: share for name, (_, _, share) in tested.items() if _origin(name, tested) == origin}
        if len(shares) > 1:
            caption = f"Test accuracy of every run on {title(origin)}, with 95 % intervals as in the table."
            points = [{"name": n, "value": s.value, "lower": s.lower, "upper": s.upper} for n, s in shares.items()]
            blocks.append(Chart(caption, charts.intervals(points, "accuracy (fraction of pictures)", known=known)))
    return [*blocks, _table(tested)] if tested else blocks


def _table(tested: Tested) -> Table:
    rows = [
        (
            name,
            f"{describe(run['model'])}; on {title(_origin(name, tested))}",
            count(metrics["parameters"]),
            str(share),
            count(share.n),
            count(len(metrics.get("seeds", ())) or 1),
            ACCURACY.get(f"train@{name}", NONE),
        )
        for name, (run, metrics, share) in tested.items()
    ]
    header = ("run", "model and data", "parameters", "test accuracy (95 % interval)", "pictures", "seeds", LABORATORY)
    caption = "Every image classifier, tested once. Of one seed intervals are over the pictures, of several over seeds."
    return Table(caption, header, rows)
