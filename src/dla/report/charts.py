"""The charts of the page, as Vega-Lite specifications made by Altair.

Every chart is as wide as its place, tells the numbers of what the pointer is over, and has the colours of the text
around it: `currentColor` follows light, dark and print.
"""

from __future__ import annotations

from typing import Any

import altair as alt

from dla.report.colours import colours
from dla.report.results import Row

HEIGHT = 280  # pixels
WHOLE = {"epoch": "d", "layer": "d", "step": "~s"}  # columns that have no fractions, and how they are written
Spec = dict[str, Any]
Column = tuple[str, str]  # of the rows, and the title of its axis
Dash = tuple[str, str]


def curves(
    rows: list[Row], x: Column, y: Column, colour: str = "run", dash: Dash = ("split", "validation"), log: bool = False
) -> Spec:
    """A line per run; a click in the legend leaves one run.

    Parameters
    ----------
    x, y : the column and the title of its axis, with the unit
    colour : the column that tells lines apart
    dash : the column that tells whole lines from dotted ones, and which are whole
    """
    chosen = alt.selection_point(fields=[colour], bind="legend")
    column, whole = dash
    kinds = sorted({row[column] for row in rows}, key=lambda kind: kind == whole)
    dashes = alt.Scale(domain=kinds, range=[[1, 0] if kind == whole else [2, 3] for kind in kinds])
    line = alt.Chart(_data(rows)).mark_line(point={"size": 24})
    encoded = line.encode(
        x=_axis(alt.X, x),
        y=_axis(alt.Y, y, log=log),
        color=_colour(rows, colour),
        strokeDash=alt.StrokeDash(f"{column}:N", scale=dashes, legend=None),  # told by the caption: a phone is narrow
        opacity=alt.condition(chosen, alt.value(1.0), alt.value(0.1)),
        tooltip=_told([colour, column], [x[0], y[0]]),
    )
    return _finish(encoded.add_params(chosen))


def band(rows: list[Row], x: Column, y: Column, colour: str) -> Spec:
    """The mean over seeds as a line, a standard deviation to either side as a band."""
    base = alt.Chart(_data(rows)).encode(x=_axis(alt.X, x), color=_colour(rows, colour))
    deviation = base.mark_errorband(extent="stdev", opacity=0.25).encode(y=_axis(alt.Y, y))
    return _finish(_over_seeds(rows, deviation, x, y, colour))


def span(rows: list[Row], x: Column, y: Column, colour: str, references: dict[str, float]) -> Spec:
    """The mean over seeds as a line, from the lowest to the highest a band; `references` as dashed lines.

    For what has bounds, such as a return: a standard deviation to either side may lie beyond them.
    """
    base = alt.Chart(_data(rows)).encode(x=_axis(alt.X, x), color=_colour(rows, colour))
    lowest = alt.Y(f"min({y[0]}):Q", title=y[1], scale=alt.Scale(zero=False))
    between = base.mark_area(opacity=0.25).encode(y=lowest, y2=f"max({y[0]}):Q")
    named = alt.Chart(_data([{"name": name, y[0]: value} for name, value in references.items()]))
    rules = named.mark_rule(strokeDash=[4, 4], color="currentColor", opacity=0.5)
    lines = rules.encode(y=f"{y[0]}:Q", tooltip=_told(["name"], [y[0]]))
    return _finish(_over_seeds(rows, between, x, y, colour) + lines)


def _over_seeds(rows: list[Row], between: Any, x: Column, y: Column, colour: str) -> Any:
    """The mean over seeds as a line, over the band `between`; one seed has no spread."""
    mean = alt.Chart(_data(rows)).encode(x=_axis(alt.X, x), color=_colour(rows, colour))
    line = mean.mark_line(point={"size": 24}).encode(
        y=alt.Y(f"mean({y[0]}):Q", title=y[1], scale=alt.Scale(zero=False)),
        tooltip=[*_told([colour], [x[0], f"mean({y[0]})"]), alt.Tooltip("count():Q", title="seeds")],
    )
    return between + line if len({row["seed"] for row in rows}) > 1 else line


def profile(rows: list[Row], x: Column, y: Column, colour: str) -> Spec:
    """A line per `colour`, and a band from `lower` to `upper` where there are such."""
    base = alt.Chart(_data(rows)).encode(x=_axis(alt.X, x), color=_colour(rows, colour))
    line = base.mark_line(interpolate="step-after").encode(
        y=_axis(alt.Y, y), tooltip=_told([colour], [x[0], y[0], "lower", "upper"])
    )
    if all(row["lower"] is None for row in rows):
        return _finish(line)
    return _finish(
        base.mark_area(opacity=0.25, interpolate="step-after").encode(y=_axis(alt.Y, ("lower", y[1])), y2="upper:Q")
        + line
    )


def groups(rows: list[Row], x: Column, y: Column, colour: str) -> Spec:
    """A point per row on a log scale, over the names in `x` in the order they come in, colours side by side."""
    order = list(dict.fromkeys(row[x[0]] for row in rows))
    points = alt.Chart(_data(rows)).mark_point(size=30, strokeWidth=1.5, opacity=0.8)
    encoded = points.encode(
        x=alt.X(f"{x[0]}:N", title=x[1], sort=order, axis=alt.Axis(labelAngle=0)),
        xOffset=alt.XOffset(f"{colour}:N", sort=list(dict.fromkeys(row[colour] for row in rows))),
        y=_axis(alt.Y, y, log=True),
        color=_colour(rows, colour),
        tooltip=_told([colour, x[0]], ["seed", y[0]]),
    )
    return _finish(encoded)


def intervals(rows: list[Row], title: str, reference: float | None = None) -> Spec:
    """A dot and, if it has one, its interval per row of `name`, `value`, `lower` and `upper`, the best at the top."""
    order = [row["name"] for row in sorted(rows, key=lambda row: -row["value"])]
    encoding: dict[str, Any] = {
        "y": alt.Y("name:N", title=None, sort=order, axis=alt.Axis(labelLimit=160)),
        "color": _colour(rows, "name", legend=False),
        "tooltip": _told(["name"], ["value", "lower", "upper"]),
    }
    wide = [row for row in rows if row["lower"] is not None]
    dots = alt.Chart(_data(rows)).mark_point(filled=True, size=90, opacity=1)
    chart = dots.encode(x=_axis(alt.X, ("value", title)), **encoding)
    if wide:
        bars = alt.Chart(_data(wide)).mark_rule(strokeWidth=3)
        chart = bars.encode(x=_axis(alt.X, ("lower", title)), x2="upper:Q", **encoding) + chart
    if reference is not None:
        chance = alt.Chart(_data([{"at": reference}])).mark_rule(strokeDash=[4, 4], color="currentColor", opacity=0.5)
        chart += chance.encode(x="at:Q")
    return _finish(chart, height=max(90, 30 * len(rows)))


def scatter(rows: list[Row]) -> Spec:
    """Points in the plane by `x`, `y` and `class`, each with its `text` under the pointer."""
    chosen = alt.selection_point(fields=["class"], bind="legend")
    shape: dict[str, Any] = {"axis": alt.Axis(labels=False, ticks=False, grid=False), "scale": alt.Scale(zero=False)}
    points = (
        alt.Chart(_data(rows))
        .mark_circle(size=34)
        .encode(
            x=alt.X("x:Q", title="first axis of t-SNE", **shape),
            y=alt.Y("y:Q", title="second axis of t-SNE", **shape),
            color=alt.Color("class:N", title=None, legend=alt.Legend(orient="bottom", direction="horizontal")),
            opacity=alt.condition(chosen, alt.value(0.8), alt.value(0.06)),
            tooltip=_told(["class", "text"], []),
        )
    )
    return _finish(points.add_params(chosen), height=420)


def _told(names: list[str], numbers: list[str]) -> list[alt.Tooltip]:
    """What is told of that which the pointer is over."""
    words = [alt.Tooltip(f"{name}:N") for name in names]
    return words + [alt.Tooltip(f"{number}:Q", format=".4~g") for number in numbers]


def _data(rows: list[Row]) -> alt.InlineData:
    return alt.InlineData(values=rows)


def _axis(channel: Any, column: Column, *, log: bool = False) -> Any:
    scale = alt.Scale(type="log") if log else alt.Scale(zero=False)
    how = {"axis": alt.Axis(tickMinStep=1, format=WHOLE[column[0]])} if column[0] in WHOLE else {}
    return channel(f"{column[0]}:Q", title=column[1], scale=scale, **how)


def _colour(rows: list[Row], column: str, *, legend: bool = True) -> alt.Color:
    domain, values = colours([row[column] for row in rows])
    below = alt.Legend(orient="bottom", direction="horizontal", symbolType="stroke", symbolStrokeWidth=3)
    shown = below if legend else None
    return alt.Color(f"{column}:N", title=None, scale=alt.Scale(domain=domain, range=values), legend=shown)


def _finish(chart: Any, height: int = HEIGHT) -> Spec:
    found: Spec = chart.properties(width="container", height=height).to_dict()
    return found
