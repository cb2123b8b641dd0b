"""Every chart there is, drawn with Altair: on the report's page, and as a template of `dvc plots show`.

A chart is as wide as its place and tells the numbers of what the pointer is over. `currentColor` follows light, dark
and print. Functions that return a chart do not know its data: dla.site.templates puts DVC's placeholders into the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import altair as alt

from dla.report.colours import colours
from dla.report.results import Row

HEIGHT = 280  # pixels
# Columns that have no fractions, and how they are written; the last is DVC's placeholder for epochs and steps.
WHOLE = {"epoch": "d", "layer": "d", "step": "~s", "<DVC_METRIC_X>": "~s"}
Spec = dict[str, Any]
Column = tuple[str, str]  # of the rows, and the title of its axis
Dash = tuple[str, str]
Chart = Any  # of Altair; what its methods return has no type
NO_COLOURS: Mapping[str, str] = {}
BELOW: dict[str, Any] = {"orient": "bottom", "direction": "horizontal"}


# --- on the page ----------------------------------------------------------------------------------------------


def curves(
    rows: list[Row],
    x: Column,
    y: Column,
    colour: str = "run",
    dash: Dash = ("split", "validation"),
    log: bool = False,
    known: Mapping[str, str] = NO_COLOURS,
) -> Spec:
    """A line per run; a click in the legend leaves one run.

    Parameters
    ----------
    x, y : the column and the title of its axis, with the unit
    colour : the column that tells lines apart
    dash : the column that tells whole lines from dotted ones, and which are whole
    known : colours of runs
    """
    column, whole = dash
    kinds = sorted({row[column] for row in rows}, key=lambda kind: kind == whole)
    dashes = alt.Scale(domain=kinds, range=[[1, 0] if kind == whole else [2, 3] for kind in kinds])
    dashed = alt.StrokeDash(f"{column}:N", scale=dashes, legend=None)  # told by the caption: a phone is narrow
    lines = curve(x, y, _colour(rows, colour, known), dashed, log=log)
    return _finish(rows, lines.add_params(chosen(colour)))


def band(rows: list[Row], x: Column, y: Column, colour: str, known: Mapping[str, str] = NO_COLOURS) -> Spec:
    """The mean over seeds as a line, a standard deviation to either side as a band."""
    encoded = _colour(rows, colour, known)
    return _finish(rows, deviation(x, y, encoded) if _has_spread(rows) else mean(x, y, encoded))


def growth(rows: list[Row], x: Column, y: Column, colour: str, known: Mapping[str, str]) -> Spec:
    """The mean over draws as a line, a standard deviation to either side as a band, over sizes on a log scale."""
    return _finish(rows, deviation(x, y, _colour(rows, colour, known), "draws", log=True))


def span(rows: list[Row], x: Column, y: Column, colour: str, references: dict[str, float]) -> Spec:
    """The mean over seeds as a line, from the lowest to the highest a band; `references` as dashed lines.

    For what has bounds, such as a return: a standard deviation to either side may lie beyond them.
    """
    encoded = _colour(rows, colour)
    lines = between(x, y, encoded) if _has_spread(rows) else mean(x, y, encoded)
    named = alt.Chart(_data([{"name": name, y[0]: value} for name, value in references.items()]))
    rules = named.mark_rule(strokeDash=[4, 4], color="currentColor", opacity=0.5)
    return _finish(rows, lines + rules.encode(y=f"{y[0]}:Q", tooltip=tell(["name"], [y[0]])))


def _has_spread(rows: list[Row]) -> bool:
    return len({row["seed"] for row in rows}) > 1


def profile(rows: list[Row], x: Column, y: Column, colour: str) -> Spec:
    """A line per `colour`, and a band from `lower` to `upper` where there are such."""
    wide = any(row["lower"] is not None for row in rows)
    return _finish(rows, steps(x, y, _colour(rows, colour), wide=wide))


def groups(rows: list[Row], x: Column, y: Column, colour: str, known: Mapping[str, str] = NO_COLOURS) -> Spec:
    """A point per row on a log scale, over the names in `x` in the order they come in, colours side by side."""
    order = list(dict.fromkeys(row[x[0]] for row in rows))
    points = alt.Chart().mark_point(size=30, strokeWidth=1.5, opacity=0.8)
    encoded = points.encode(
        x=alt.X(f"{x[0]}:N", title=x[1], sort=order, axis=alt.Axis(labelAngle=0)),
        xOffset=alt.XOffset(f"{colour}:N", sort=list(dict.fromkeys(row[colour] for row in rows))),
        y=axis(alt.Y, y, log=True),
        color=_colour(rows, colour, known),
        tooltip=tell([colour, x[0]], ["seed", y[0]]),
    )
    return _finish(rows, encoded)


def intervals(
    rows: list[Row], title: str, reference: float | None = None, known: Mapping[str, str] = NO_COLOURS
) -> Spec:
    """A dot and, if it has one, its interval per row of `name`, `value`, `lower` and `upper`, the best at the top."""
    order = [row["name"] for row in sorted(rows, key=lambda row: -row["value"])]
    y = alt.Y("name:N", title=None, sort=order, axis=alt.Axis(labelLimit=160))
    chart = dots(("value", title), y, _colour(rows, "name", known, legend=False), ["name"])
    if reference is not None:
        chance = alt.Chart(_data([{"at": reference}])).mark_rule(strokeDash=[4, 4], color="currentColor", opacity=0.5)
        chart += chance.encode(x="at:Q")
    return _finish(rows, chart, height=max(90, 30 * len(rows)))


def scatter(rows: list[Row]) -> Spec:
    """Points in the plane by `x`, `y` and `class`, each with its `text` under the pointer."""
    return _finish(rows, plane(("x", "first axis of t-SNE"), ("y", "second axis of t-SNE")), height=420)


def _data(rows: list[Row]) -> alt.InlineData:
    return alt.InlineData(values=rows)


def _colour(rows: list[Row], column: str, known: Mapping[str, str] = NO_COLOURS, *, legend: bool = True) -> alt.Color:
    domain, values = colours([row[column] for row in rows], known)
    return by_colour(column, alt.Scale(domain=domain, range=values), legend=legend)


def _finish(rows: list[Row], chart: Chart, height: int = HEIGHT) -> Spec:
    found: Spec = chart.properties(data=_data(rows), width="container", height=height).to_dict()
    return found


# --- whatever the data ----------------------------------------------------------------------------------------


def curve(x: Column, y: Column, colour: alt.Color, dash: alt.StrokeDash, *, log: bool = False) -> Chart:
    """A line with its points per colour, dash and seed; what is not `chosen` fades."""
    column = colour.shorthand.partition(":")[0]
    return (
        alt.Chart()
        .mark_line(point={"size": 24})
        .encode(
            x=axis(alt.X, x),
            y=axis(alt.Y, y, log=log),
            color=colour,
            strokeDash=dash,
            detail="seed:N",
            opacity=alt.condition(chosen(column), alt.value(1.0), alt.value(0.1)),
            tooltip=tell([column, dash.shorthand.partition(":")[0]], [x[0], y[0]]),
        )
    )


def chosen(column: str) -> alt.Parameter:
    """What a click in the legend of colours leaves."""
    return alt.selection_point(name="chosen", fields=[column], bind="legend")


def mean(x: Column, y: Column, colour: alt.Color, each: str = "seeds", *, log: bool = False) -> Chart:
    """The mean over seeds as a line, or over what `each` names; `log` is of the x axis."""
    return (
        alt.Chart()
        .mark_line(point={"size": 24})
        .encode(
            x=axis(alt.X, x, log=log),
            y=axis(alt.Y, y, aggregate="mean"),
            color=colour,
            tooltip=[
                *tell([colour.shorthand.partition(":")[0]], [x[0]]),
                alt.Tooltip(field=y[0], type="quantitative", aggregate="mean", format=".4~g"),
                alt.Tooltip("count():Q", title=each),
            ],
        )
    )


def deviation(x: Column, y: Column, colour: alt.Color, each: str = "seeds", *, log: bool = False) -> Chart:
    """The mean over seeds as a line, a standard deviation to either side as a band; the rest as `mean` takes it."""
    around = alt.Chart().mark_errorband(extent="stdev", opacity=0.25)
    return around.encode(x=axis(alt.X, x, log=log), y=axis(alt.Y, y), color=colour) + mean(x, y, colour, each, log=log)


def between(x: Column, y: Column, colour: alt.Color) -> Chart:
    """The mean over seeds as a line, from the lowest to the highest a band."""
    area = alt.Chart().mark_area(opacity=0.25)
    ends = {"y": axis(alt.Y, y, aggregate="min"), "y2": alt.Y2(field=y[0], aggregate="max")}
    return area.encode(x=axis(alt.X, x), color=colour, **ends) + mean(x, y, colour)


def steps(x: Column, y: Column, colour: alt.Color, *, wide: bool = True) -> Chart:
    """A line in steps, and where it is `wide` a band from `lower` to `upper`."""
    base = alt.Chart().encode(x=axis(alt.X, x), color=colour)
    told = tell([colour.shorthand.partition(":")[0]], [x[0], y[0], "lower", "upper"])
    line = base.mark_line(interpolate="step-after").encode(y=axis(alt.Y, y), tooltip=told)
    area = base.mark_area(opacity=0.25, interpolate="step-after")
    return area.encode(y=axis(alt.Y, ("lower", y[1])), y2="upper:Q") + line if wide else line


def dots(x: Column, y: alt.Y, colour: alt.Color, names: list[str]) -> Chart:
    """A dot per row, and its interval from `lower` to `upper` if it has one."""
    shared: dict[str, Any] = {"y": y, "color": colour, "tooltip": tell(names, [x[0], "lower", "upper"])}
    bars = alt.Chart().transform_filter("isValid(datum.lower)").mark_rule(strokeWidth=3)
    points = alt.Chart().mark_point(filled=True, size=90, opacity=1)
    return bars.encode(x=axis(alt.X, ("lower", x[1])), x2="upper:Q", **shared) + points.encode(
        x=axis(alt.X, x), **shared
    )


def plane(x: Column, y: Column) -> Chart:
    """Points in the plane coloured by `class`; a click in the legend leaves one class."""
    one = chosen("class")
    shape: dict[str, Any] = {"axis": alt.Axis(labels=False, ticks=False, grid=False), "scale": alt.Scale(zero=False)}
    points = (
        alt.Chart()
        .mark_circle(size=34)
        .encode(
            x=alt.X(field=x[0], type="quantitative", title=x[1], **shape),
            y=alt.Y(field=y[0], type="quantitative", title=y[1], **shape),
            color=alt.Color("class:N", title=None, legend=alt.Legend(**BELOW)),
            opacity=alt.condition(one, alt.value(0.8), alt.value(0.06)),
            tooltip=tell(["class", "text"], []),
        )
    )
    return points.add_params(one)


def axis(channel: Any, column: Column, *, log: bool = False, **more: Any) -> Any:
    """A channel of numbers, on an axis without 0 where that is far away."""
    scale = alt.Scale(type="log") if log else alt.Scale(zero=False)
    if column[0] in WHOLE:
        whole = "datum.value % 1 ? '' : datum.label"  # of a short axis Vega marks halves too
        more["axis"] = alt.Axis(tickMinStep=1, format=WHOLE[column[0]], labelExpr=whole)
    elif log:
        powers = "datum.label && (datum.value < 1e-3 || datum.value >= 1e6) ? format(datum.value, '.0e') : datum.label"
        more["axis"] = alt.Axis(labelSeparation=8, labelExpr=powers)  # pixels: 200 and 300 are near each other
    return channel(field=column[0], type="quantitative", title=column[1], scale=scale, **more)


def by_colour(column: str, scale: Any = alt.Undefined, *, legend: bool = True, **more: Any) -> alt.Color:
    """Colours by the names in `column`, told below the chart."""
    below = alt.Legend(**BELOW, symbolType="stroke", symbolStrokeWidth=3, symbolOpacity=1) if legend else None
    return alt.Color(f"{column}:N", title=None, scale=scale, legend=below, **more)


def tell(names: list[str], numbers: list[str]) -> list[alt.Tooltip]:
    """What is told of that which the pointer is over."""
    words = [alt.Tooltip(f"{name}:N") for name in names]
    return words + [alt.Tooltip(field=number, type="quantitative", format=".4~g") for number in numbers]
