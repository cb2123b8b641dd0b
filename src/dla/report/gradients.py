"""How gradients depend on depth: the second half of the chapter about skip connections."""

from __future__ import annotations

from collections import defaultdict
from statistics import median
from typing import Any

from dla.report import charts
from dla.report.chapter import Block, Chart, Table
from dla.report.colours import BLUE, RED
from dla.report.results import Results, Row, Settings

INITIALISATIONS = {"default": "PyTorch's default initialisation", "he": "He's initialisation"}
COLOURS = {"plain": RED[1], "residual": BLUE[1]}  # nets without and with skip connections
VANISHED = 0.01  # of the last convolution's gradient: where the first one has less, it is called vanished


def finding(measured: dict[str, Any]) -> list[str]:
    """A sentence on what makes the gradient of the deepest plain net vanish, if both initialisations were tried."""
    families = [measured.get(f"plain_cnn, without batch norm, {name} initialisation") for name in INITIALISATIONS]
    ratios = [_deepest(family) for family in families if family is not None]
    if len(ratios) < len(INITIALISATIONS):
        return []
    sizes = " and ".join(
        f"{_shown(ratio)} with {name}" for (_, ratio), name in zip(ratios, INITIALISATIONS.values(), strict=True)
    )
    by_default, by_he = (ratio is not None and ratio < VANISHED for _, ratio in ratios)
    if by_default != by_he:
        follows = ": whether it vanishes is up to the first weights, not to depth alone"
    else:
        follows = ": it vanishes with either" if by_he else ": it vanishes with neither"
    return [
        f"In the plain net of depth {ratios[0][0]} without batch norm, the gradient of the first convolution is, in "
        f"parts of the last one's, {sizes}{follows}."
    ]


def _deepest(family: dict[str, Any]) -> tuple[str, float | None]:
    depth = max(family["first_to_last"], key=int)
    return depth, family["first_to_last"][depth]


def blocks(params: Settings, results: Results, measured: dict[str, Any]) -> list[Block]:
    """How large gradients are layer by layer in the deepest nets, a chart per initialisation, and by depth in all."""
    deepest = max(params["gradients"]["depths"])
    rows = [row for row in results.rows("plots/gradients/layers.csv", "gradients") if row["depth"] == deepest]
    points = last_steps(rows, params["gradients"]["window"])
    drawn: list[Block] = []
    for initialisation in dict.fromkeys(point["initialisation"] for point in points):
        caption = (
            f"Norm of the gradient in every layer of nets of depth {deepest} with {INITIALISATIONS[initialisation]}, "
            "median of the last steps; the first layer is the one nearest to the picture. Nets without batch "
            "normalisation are dotted."
        )
        chosen = [point for point in points if point["initialisation"] == initialisation]
        axes = ("layer", "layer"), ("norm", "norm of the gradient")
        dash = ("batch_norm", "with batch norm")
        spec = charts.curves(chosen, *axes, colour="model", dash=dash, log=True, known=COLOURS)
        drawn.append(Chart(caption, spec))
    return [*drawn, _table(measured)]


def _table(measured: dict[str, Any]) -> Table:
    families = {name: found for name, found in measured.items() if isinstance(found, dict)}
    depths = list(dict.fromkeys(depth for found in families.values() for depth in found["first_to_last"]))
    rows = [
        (_said(name), *(_shown(found["first_to_last"].get(depth)) for depth in depths), _factor(found))
        for name, found in families.items()
    ]
    seeds = max((found.get("n", 1) for found in families.values()), default=1)
    over = "One seed" if seeds == 1 else f"Over {seeds} seeds, with the 95 % interval of the factor"
    caption = (
        "Gradient norm of the first convolution over that of the last one, median of the last steps, by depth, and the "
        f"factor by which ten layers more change it. {over}; a depth counts layers of plain nets and blocks of "
        "residual ones."
    )
    return Table(caption, ("nets", *(f"depth {depth}" for depth in depths), "ten layers more"), rows)


def _factor(found: dict[str, Any]) -> str:
    """By what ten layers more multiply the gradient, and the interval of that over seeds."""
    slope, *ends = (found[name]["first_to_last"] for name in ("slope", "slope_lower", "slope_upper") if name in found)
    if slope is None:
        return ""
    interval = " to ".join(f"{10 ** (10 * end):.2g}" for end in ends)
    return f"{10 ** (10 * slope):.2g}{f' ({interval})' if interval else ''}"


def _said(family: str) -> str:
    """The metrics' name of nets that differ in depth alone, in words."""
    for name, words in INITIALISATIONS.items():
        family = family.replace(f"{name} initialisation", words)
    return family.replace("_cnn", " net")


def _shown(ratio: float | None) -> str:
    if ratio is None:
        return "beyond float32"
    return f"{ratio:,.0f}" if ratio >= 100 else f"{ratio:.2g}"


def last_steps(rows: list[Row], window: int) -> list[Row]:
    """One row per net and layer: the median norm of the last steps, where there is any gradient at all."""
    last = max((row["step"] for row in rows), default=0)
    names = ("model", "batch_norm", "initialisation", "layer")
    norms: dict[tuple[Any, ...], list[float]] = defaultdict(list)
    for row in rows:
        if row["step"] > last - window and row["norm"] is not None:
            norms[tuple(row[name] for name in names)].append(row["norm"])
    medians = {key: median(values) for key, values in norms.items()}
    return [dict(zip((*names, "norm"), (*key, value), strict=True)) for key, value in medians.items() if value > 0]
