"""What every text classifier writes about itself, whatever it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from dla.core.artifacts import write_figure, write_metrics, write_table
from dla.text.confusion import CONFUSION, confusion_figure, confusion_rows
from dla.text.scores import classification


def write_results(
    name: str,
    classes: Sequence[str],
    source: str,
    found: Mapping[str, tuple[NDArray[Any], NDArray[Any]]],
    more: Mapping[str, Any] | None = None,
) -> None:
    """Write metrics and confusion matrix of the classifier `name`.

    Parameters
    ----------
    source : embedded or hub
    found : labels (N,) and probabilities (N, classes) for validation and test
    more : further metrics
    """
    scores = {split: classification(*pair, classes) for split, pair in found.items()}
    write_metrics(Path(f"metrics/classify/{name}.json"), {"data": source, **scores, **(more or {})})
    write_confusion(name, classes, source, *found["test"])


def write_confusion(
    name: str, classes: Sequence[str], source: str, labels: NDArray[Any], probabilities: NDArray[Any]
) -> None:
    """Write the confusion matrix of the classifier `name` on test as a table and as a figure."""
    write_table(Path(f"plots/confusion/{name}.csv"), CONFUSION, confusion_rows(labels, probabilities, classes))
    title = f"{name} on test" + (" (embedded data)" if source == "embedded" else "")
    write_figure(Path(f"plots/confusion/{name}.png"), confusion_figure(labels, probabilities, classes, title))
