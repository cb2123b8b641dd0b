"""The confusion matrix of a classifier as a figure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.metrics import ConfusionMatrixDisplay

from dla.figures import new_figure


def confusion_figure(labels: NDArray[Any], predicted: NDArray[Any], classes: Sequence[str], title: str) -> Figure:
    """The confusion matrix of numbers of classes (N,), each row adding up to 1."""
    with new_figure(5, 4.5) as figure:
        axes = figure.subplots()
        ConfusionMatrixDisplay.from_predictions(
            labels,
            predicted,
            labels=range(len(classes)),
            display_labels=classes,
            normalize="true",
            values_format=".2f",
            cmap="Blues",
            xticks_rotation=30,
            ax=axes,
            im_kw={"vmin": 0, "vmax": 1},
        )
        axes.set(title=title, xlabel="predicted", ylabel="actual")
    return figure
