"""What every text classifier writes about itself, whatever it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from dla.core.artifacts import write_figure, write_metrics, write_table
from dla.statistics.classifiers import PREDICTIONS, predictions
from dla.text.confusion import confusion_figure
from dla.text.scores import classification


def write_results(
    name: str,
    classes: Sequence[str],
    source: str,
    found: Mapping[str, tuple[NDArray[Any], NDArray[Any]]],
    more: Mapping[str, Any] | None = None,
) -> None:
    """Write metrics, predictions and confusion matrix of the classifier `name`.

    Parameters
    ----------
    source : embedded or hub
    found : labels (N,) and probabilities (N, classes) for validation and test
    more : further metrics
    """
    scores = {split: classification(*pair, classes) for split, pair in found.items()}
    write_metrics(Path(f"metrics/classify/{name}.json"), {"data": source, **scores, **(more or {})})
    labels, probabilities = found["test"]
    write_confusion(name, classes, source, labels, probabilities.argmax(1))


def write_confusion(
    name: str, classes: Sequence[str], source: str, labels: NDArray[Any], predicted: NDArray[Any]
) -> None:
    """Write what the classifier `name` predicts for every test case, and the confusion matrix of it.

    DVC's confusion templates count the rows; `dla.statistics.classifiers` compares those of two classifiers.
    """
    write_table(Path(f"plots/confusion/{name}.csv"), PREDICTIONS, predictions(labels, predicted, classes))
    title = f"{name} on test" + (" (embedded data)" if source == "embedded" else "")
    write_figure(Path(f"plots/confusion/{name}.png"), confusion_figure(labels, predicted, classes, title))
