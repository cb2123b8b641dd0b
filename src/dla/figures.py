"""The look that all figures share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from matplotlib import style
from matplotlib.figure import Figure

STYLE = Path(__file__).with_name("style.mplstyle")


@contextmanager
def new_figure(width: float, height: float) -> Iterator[Figure]:
    """A figure of so many inches, in the project's look for the length of the block that fills it."""
    with style.context(STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        yield figure
        figure.canvas.draw()
