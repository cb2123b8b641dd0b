"""What every text classifier writes about itself, whatever it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from dla.core.artifacts import Metadata, write_figure, write_metrics, write_table
from dla.statistics.outcomes import PREDICTIONS, predictions
from dla.text.evaluation.confusion import confusion_figure
from dla.text.evaluation.scores import classification


def write_results(
    name: str, facts: Metadata, predicted: Mapping[str, tuple[NDArray[Any], NDArray[Any]]], chosen: Mapping[str, Any]
) -> None:
    """Write metrics, predictions and confusion matrix of the classifier `name`.

    Parameters
    ----------
    facts : of the data set
    predicted : labels (N,) and probabilities (N, classes) by split
    chosen : on validation, by the name that it has in the metrics
    """
    classes, source = facts["classes"], facts["source"]
    scores = {split: classification(*predicted[split], classes) for split in ("validation", "test")}
    write_metrics(Path(f"metrics/classify/{name}.json"), {"data": source, **scores, **chosen})
    labels, probabilities = predicted["test"]
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
