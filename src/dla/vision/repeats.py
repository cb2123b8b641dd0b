"""Does it hold over seeds? What is measured of every training of a pair, and the two compared seed by seed.

Every measure is taken of each training; a difference is first minus second, of the two trainings from one seed.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from dla.core.artifacts import read_metrics, read_table
from dla.statistics.paired import Paired, compare, describe
from dla.vision.settings import Repeats

Row = dict[str, Any]


def read_pairs(folder: Path, seeds: tuple[int, ...]) -> list[Row]:
    """The rows of FOLDER/SEED.csv of every seed, in the order of the seeds."""
    return [row for seed in seeds for row in read_table(folder / f"{seed}.csv")]


def read_origin(folder: Path, seeds: tuple[int, ...]) -> str:
    """Where the pictures of all pairs come from, by what FOLDER/SEED.json say: embedded, hub, folder, or several."""
    found = [trained["data"] for seed in seeds for trained in read_metrics(folder / f"{seed}.json").values()]
    return ", ".join(dict.fromkeys(found))


def measures(rows: list[Row], labels: tuple[str, str], settings: Repeats) -> dict[str, Paired]:
    """What is compared, from the curves of all trainings.

    `epochs_to_loss` and `loss_area` are of the training loss, as skip connections are about optimisation (He et al.,
    arXiv 1512.03385, section 4.1). The first is NaN where the loss was not reached; the second is the area under the
    loss over the epochs, by the trapezoidal rule, per epoch.
    """
    taken = {
        label: [
            _measure_one([r for r in rows if (str(r["architecture"]), r["seed"]) == (label, seed)], settings.loss)
            for seed in settings.seeds
        ]
        for label in labels
    }
    first, second = (
        {name: np.array([one[name] for one in taken[label]], float) for name in LARGER_IS_BETTER} for label in labels
    )
    return {name: Paired(first[name], second[name], larger) for name, larger in LARGER_IS_BETTER.items()}


LARGER_IS_BETTER = {
    "best_validation_accuracy": True,
    "final_validation_accuracy": True,
    "test_accuracy": True,
    "epochs_to_loss": False,
    "loss_area": False,
}


def _measure_one(rows: list[Row], loss: float) -> dict[str, float]:
    """The measures of one training from its rows."""
    validation = sorted((r for r in rows if r["split"] == "validation"), key=lambda r: r["epoch"])
    training = sorted((r for r in rows if r["split"] == "train"), key=lambda r: r["epoch"])
    losses = [r["loss"] for r in training]
    accuracies = [r["accuracy"] for r in validation]
    reached = [r["epoch"] for r in training if r["loss"] <= loss]
    (test,) = (r["accuracy"] for r in rows if r["split"] == "test")
    return {
        "best_validation_accuracy": max(accuracies),
        "final_validation_accuracy": accuracies[-1],
        "test_accuracy": test,
        "epochs_to_loss": reached[0] if reached else np.nan,
        "loss_area": float(np.trapezoid(losses)) / (len(losses) - 1) if len(losses) > 1 else losses[0],
    }


def summarise(measured: Mapping[str, Paired], labels: tuple[str, str], settings: Repeats) -> dict[str, Any]:
    """Every measure: each training's mean and spread, and the comparison of the two."""
    differences = compare(measured, settings.confidence)
    return {
        name: {
            labels[0]: describe(measure.first, settings.confidence),
            labels[1]: describe(measure.second, settings.confidence),
            "difference": differences[name],
        }
        for name, measure in measured.items()
    }


FINALS = ("architecture", "seed", "split", "accuracy")


def final_rows(rows: list[Row]) -> list[Row]:
    """Rows of `FINALS`: each training's last validation accuracy and its test accuracy."""
    last = max(r["epoch"] for r in rows)
    chosen = [r for r in rows if r["split"] == "test" or (r["split"] == "validation" and r["epoch"] == last)]
    return [{name: row[name] for name in FINALS} for row in chosen]
