"""Do deeper plain networks fail?"""

from __future__ import annotations

from dla.models.base.settings import DeepCNNModel
from dla.params.whole import Params
from dla.report import charts
from dla.report.chapter import NOTHING, Block, Chapter, Chart, Table
from dla.report.laboratories import ACCURACY, LABORATORY, NONE
from dla.report.results import Results, Row
from dla.report.sources import Origin, about, title
from dla.report.statements import Share, compare, count
from dla.statistics.classifiers import compare_cases
from dla.vision.settings import ImageRun

Tested = dict[str, tuple[ImageRun, Row, Share]]  # runs by name: settings, metrics, accuracy on the test pictures


def chapter(params: Params, results: Results) -> Chapter:
    """Plain and residual nets by depth, and every other image classifier beside them."""
    tested = read(params, results)
    origins = [_origin(name, tested) for name in tested]
    return Chapter(
        key="depth",
        question="Do deeper plain networks fail?",
        finding=_finding(tested, results),
        about=about(params, origins),
        embedded=any(place == "embedded" for _, place in origins),
        blocks=_blocks(tested, results),
        commands=("dvc repro train",),
        missing=tuple(results.missing),
    )


def read(params: Params, results: Results) -> Tested:
    """The image runs that have been trained."""
    trained = results.each(params.train, "train")
    return {name: (params.image_run(name), metrics, Share.read(metrics["test"])) for name, metrics in trained.items()}


def _origin(name: str, tested: Tested) -> Origin:
    run, metrics, _ = tested[name]
    return run.data, metrics["data"]


def _finding(tested: Tested, results: Results) -> str:
    """The deepest plain net against the shallowest on the same data."""
    if not tested:
        return NOTHING
    depths = _plain_depths(tested)
    if len(set(depths.values())) < 2:
        return "Not shown: this takes plain nets of two depths on the same data."
    pair = max(depths, key=lambda name: depths[name]), min(depths, key=lambda name: depths[name])
    first, second = ((f"the plain net of {depths[name]} layers", tested[name][2]) for name in pair)
    cases = compare_cases(*(results.rows(f"data/tested/{name}.csv", f"train@{name}") for name in pair))
    return f"{compare(first, second, 'test pictures', cases)} One seed each; the next chapter has many."


def _plain_depths(tested: Tested) -> dict[str, int]:
    """Layers of the plain nets on the data that the first of them has."""
    plain = {name: run for name, (run, _, _) in tested.items() if run.model.name == "plain_cnn"}
    first = next((_origin(name, tested) for name in plain), None)
    return {
        name: run.model.depth
        for name, run in plain.items()
        if _origin(name, tested) == first and isinstance(run.model, DeepCNNModel)
    }


def _blocks(tested: Tested, results: Results) -> list[Block]:
    blocks: list[Block] = []
    origins = list(dict.fromkeys(_origin(name, tested) for name in tested))
    for origin in origins:
        names = [name for name, (run, _, _) in tested.items() if isinstance(run.model, DeepCNNModel)]
        names = [name for name in names if _origin(name, tested) == origin]
        rows = [row for name in names for row in results.rows(f"plots/train/{name}.csv", f"train@{name}")]
        if rows:
            caption = (
                f"Accuracy of plain and residual nets on {title(origin)} while they train. Dotted: training, whole: "
                "validation."
            )
            spec = charts.curves(rows, ("epoch", "epoch"), ("accuracy", "accuracy (fraction of pictures)"))
            blocks.append(Chart(caption, spec))
    for origin in origins:
        shares = {name: share for name, (_, _, share) in tested.items() if _origin(name, tested) == origin}
        if len(shares) > 1:
            caption = f"Test accuracy of every run on {title(origin)}, with 95 % intervals over the pictures."
            points = [{"name": n, "value": s.value, "lower": s.lower, "upper": s.upper} for n, s in shares.items()]
            blocks.append(Chart(caption, charts.intervals(points, "accuracy (fraction of pictures)")))
    return [*blocks, _table(tested)] if tested else blocks


def _table(tested: Tested) -> Table:
    rows = [
        (
            name,
            f"{run.model.name} on {title(_origin(name, tested))}",
            count(metrics["parameters"]),
            str(share),
            count(share.n),
            ACCURACY.get(f"train@{name}", NONE),
        )
        for name, (run, metrics, share) in tested.items()
    ]
    header = ("run", "model and data", "parameters", "test accuracy (95 % interval)", "pictures", LABORATORY)
    return Table("Every image classifier, tested once.", header, rows)
