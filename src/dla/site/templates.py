"""The templates of `dvc plots show`: the report's charts with DVC's placeholders in the place of data.

    python -m dla.site.templates .dvc/plots

DVC draws a plot per file by the template that dvc.yaml names. Templates are committed, as without them DVC cannot show
a plot, be it in a clone that is not installed or by an editor; a test compares them with what this makes.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import altair as alt

from dla.core.artifacts import write_text
from dla.report import charts
from dla.report.charts import Chart, Spec, axis, by_colour, tell
from dla.report.colours import BLUE, GREEN, RED

X, Y = ("<DVC_METRIC_X>", "<DVC_METRIC_X_LABEL>"), ("<DVC_METRIC_Y>", "<DVC_METRIC_Y_LABEL>")
DATA = alt.InlineData(values="<DVC_METRIC_DATA>")
NARROW, WIDE, HEIGHT = 220, 400, 260  # pixels
TWO = alt.Scale(range=[BLUE[1], RED[1]])  # contenders, of which the first is the one with skips

METHODS = alt.Scale(range=[BLUE[1], GREEN[1]])  # frozen features and counted words


def make_templates() -> dict[str, Spec]:
    """Every template by the name that dvc.yaml has for it."""
    two = by_colour("architecture", TWO, sort=None)
    split, panel = "split:N", "panel:N"
    group = alt.Column("group:N", title=None, sort=["stem", *(f"layer{i}" for i in range(1, 5)), "head"])
    net = "datum.model + ', ' + datum.batch_norm + (datum.batch_norm == 'without' ? ' batch norm' : '')"
    one, columns = charts.chosen("run"), numbers("epoch", "step", "loss", "accuracy")
    curve, loss = _curve(X, Y), _curve(X, ("loss", "loss (nats)"))
    agent = alt.Y("agent:N", title=Y[1])
    by_agent = by_colour("agent", legend=False)
    values = numbers("value", "score", "share", "lower", "upper")
    return {
        "curves": template(by_revision(curve.add_params(one)), columns),
        "training": template(by_revision(curve.add_params(one), "row") | by_revision(loss, "row"), columns),
        "band": template(
            by_revision(charts.deviation(X, Y, two), "row", column=split, width=300), {}, "datum.split != 'test'"
        ),
        "labels": template(
            by_revision(charts.deviation(X, Y, by_colour("method", METHODS, sort=None), "draws", log=True)), {}
        ),
        "groups": template(
            by_revision(charts.deviation(X, Y, two), "row", column=group, width=150).resolve_scale(y="independent"),
            {},
        ),
        "strip": template(by_revision(_strip(), "row", column=split, width=NARROW), {}),
        "seeds": template(
            by_revision(charts.between(X, Y, by_colour("policy"))), numbers("return"), "isValid(datum.return)"
        ),
        "profile": template(
            by_revision(charts.steps(("score", X[1]), ("share", Y[1]), by_colour("algorithm"))), values
        ),
        "intervals": template(
            by_revision(
                charts.dots(("value", X[1]), agent, by_agent, ["environment", "agent", "seeds"]),
                row=alt.Row("environment:N", title=None, header=alt.Header(labelAngle=0, labelAlign="left")),
                height=alt.Step(24),
            ).resolve_scale(y="independent"),
            values,
        ),
        "scatter_classes": template(
            by_revision(charts.plane(("x", X[1]), ("y", Y[1])).add_params(_zoom()), width=440, height=440), {}
        ),
        "gradients": template(
            by_revision(_depths(), column=panel, row="row:N", width=NARROW),
            {
                **numbers("gradient", "depth"),
                "panel": net,
                "row": "datum.rev + ', ' + datum.initialisation + ' initialisation'",
            },
            "isValid(datum.gradient)",
        ),
        "heatmap": template(
            by_revision(_heat(), column=panel, row="row:N", width=NARROW, height=150).resolve_scale(y="independent"),
            {
                **numbers("norm", "step", "layer"),
                "panel": net,
                "row": "datum.rev + ', ' + datum.initialisation + ', depth ' + datum.depth",
                "shown": "max(datum.norm, 1e-9)",
            },
            "isValid(datum.norm)",
        ),
    }


def template(chart: Chart, calculated: Mapping[str, str], keep: str = "") -> Spec:
    """A chart of what DVC plots, under its title.

    Parameters
    ----------
    calculated : columns that are made of others, in this order
    keep : which rows are drawn, all if left out
    """
    chart = chart.properties(
        title=alt.TitleParams("<DVC_METRIC_TITLE>", anchor="start", fontSize=15),
    )
    for name, expression in calculated.items():
        chart = chart.transform_calculate(**{name: expression})
    with alt.data_transformers.enable(
        consolidate_datasets=False
    ):  # DVC's placeholder stays where its page looks for data
        found: Spec = (chart.transform_filter(keep) if keep else chart).to_dict()
    found["config"] = {"view": {"stroke": None}, "axis": {"gridOpacity": 0.4}}
    return found


def numbers(*columns: str) -> dict[str, str]:
    """Columns as numbers: DVC reads every cell as text, and an empty one is no 0."""
    return {name: f"datum['{name}'] === '' ? null : toNumber(datum['{name}'])" for name in columns}


def by_revision(chart: Chart, place: str = "column", width: Any = WIDE, height: Any = HEIGHT, **others: Any) -> Chart:
    """A panel per revision, one beside the other or in a `row` each; `others` say what else has panels."""
    panels = {place: "rev:N", **others}
    header = alt.Header(labelFontSize=12)
    channels = {"column": alt.Column, "row": alt.Row}
    drawn = {
        name: channels[name](panel, title=None, sort=None, header=header) if isinstance(panel, str) else panel
        for name, panel in panels.items()
    }
    return chart.properties(width=width, height=height).facet(**drawn, data=DATA)


def _zoom() -> alt.Parameter:
    return alt.selection_interval(name="zoom", bind="scales")


def _curve(x: charts.Column, y: charts.Column) -> Chart:
    """Curves of runs, which the page of plots gives their colours: dotted while training, whole on validation."""
    dashes = alt.Scale(domain=["train", "validation"], range=[[2, 3], [1, 0]])
    legend = alt.Legend(**charts.BELOW, symbolType="stroke", symbolSize=400)
    return charts.curve(x, y, by_colour("run"), alt.StrokeDash("split:N", title=None, scale=dashes, legend=legend))


def _strip() -> Chart:
    """A point per seed, joined by seed, and a tick at the mean."""
    x = alt.X(field=X[0], type="nominal", title=X[1], sort=None, axis=alt.Axis(labelAngle=0, labelFontSize=12))
    base = alt.Chart().encode(x=x)
    colour = by_colour("architecture", TWO, sort=None, legend=False)
    lines = base.mark_line(color="#999", opacity=0.6).encode(y=axis(alt.Y, Y), detail="seed:N")
    points = base.mark_circle(size=60, opacity=0.9)
    told = tell(["architecture", "seed", "split"], [Y[0]])
    ticks = base.mark_tick(thickness=3, size=46).encode(y=axis(alt.Y, Y, aggregate="mean"), color=colour)
    return lines + points.encode(y=axis(alt.Y, Y), color=colour, tooltip=told) + ticks


def _depths() -> Chart:
    """A line per depth on a log scale."""
    depth = alt.Color("depth:O", scale=alt.Scale(scheme="viridis"), legend=alt.Legend(orient="bottom"))
    return (
        alt.Chart()
        .mark_line(clip=True)
        .encode(
            x=axis(alt.X, X),
            y=axis(alt.Y, Y, log=True, axis=alt.Axis(format=".0e")),
            color=depth,
            tooltip=tell(["panel", "depth"], [X[0], Y[0]]),
        )
    )


def _heat() -> Chart:
    """Layers from first (bottom) to last (top) over the steps, coloured by the gradient's norm."""
    legend = alt.Legend(orient="right", format=".0e")
    shown = alt.Color("shown:Q", title="norm", scale=alt.Scale(type="log", scheme="viridis"), legend=legend)
    return (
        alt.Chart()
        .mark_rect()
        .encode(
            x=alt.X("step:O", title=X[1], axis=alt.Axis(labelOverlap=True, labelAngle=0)),
            y=alt.Y("layer:O", title=Y[1], sort="descending", axis=alt.Axis(labelOverlap=True)),
            color=shown,
            tooltip=tell(["panel", "depth", "step", "layer"], ["norm"]),
        )
    )


def write_templates(folder: Path) -> None:
    """Write every template into `folder`, each in one line."""
    for name, specification in make_templates().items():
        write_text(folder / f"{name}.json", json.dumps(specification, separators=(",", ":"), sort_keys=True) + "\n")


if __name__ == "__main__":
    write_templates(Path(sys.argv[1]))
