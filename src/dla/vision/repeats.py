"""Does it hold over seeds? Two trainings compared pair by pair, with SciPy's statistics.

Every measure is taken of each training; a difference is first minus second, of the two trainings from one seed.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import integrate, stats

from dla.core.artifacts import read_table
from dla.settings.vision import Repeats

Row = dict[str, Any]
Values = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Measure:
    """One number of every training: `first` and `second` (seeds,), in the order of the seeds."""

    first: Values
    second: Values
    larger_is_better: bool


def read_pairs(folder: Path, seeds: tuple[int, ...]) -> list[Row]:
    """The rows of FOLDER/SEED.csv of every seed, in the order of the seeds."""
    return [row for seed in seeds for row in read_table(folder / f"{seed}.csv")]


def measures(rows: list[Row], labels: tuple[str, str], settings: Repeats) -> dict[str, Measure]:
    """What is compared, from the curves of all trainings.

    `epochs_to_loss` and `loss_area` are of the training loss, as skip connections are about optimisation (He et al.,
    arXiv 1512.03385, section 4.1). The first counts an epoch more than there were where the loss was not reached; the
    second is the area under the loss over the epochs, by the trapezoidal rule, per epoch.
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
    return {name: Measure(first[name], second[name], larger) for name, larger in LARGER_IS_BETTER.items()}


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
        "epochs_to_loss": reached[0] if reached else len(training) + 1,
        "loss_area": float(integrate.trapezoid(losses)) / (len(losses) - 1) if len(losses) > 1 else losses[0],
    }


def summarise(measured: Mapping[str, Measure], labels: tuple[str, str], settings: Repeats) -> dict[str, Any]:
    """Every measure: each training's mean and spread, and the comparison of the two."""
    return {
        name: {
            labels[0]: describe(measure.first, settings.confidence),
            labels[1]: describe(measure.second, settings.confidence),
            "difference": compare(measure, settings),
        }
        for name, measure in measured.items()
    }


def describe(values: Values, confidence: float) -> dict[str, float]:
    """Number, mean, standard deviation and Student's interval of the mean of `values` (n,)."""
    mean, spread = float(values.mean()), float(values.std(ddof=1))
    low = high = mean
    if spread > 0:
        interval = stats.ttest_1samp(values, popmean=0.0).confidence_interval(confidence)
        low, high = float(interval.low), float(interval.high)
    return {"n": len(values), "mean": mean, "std": spread, "low": low, "high": high}


def compare(measure: Measure, settings: Repeats) -> dict[str, Any]:
    """First minus second, pair by pair; what cannot be computed, as where all pairs are alike, is None.

    `low` and `high` are the bootstrap's interval of the mean difference (bias-corrected and accelerated), `effect_size`
    is Cohen's d of the paired differences, and `first_is_better` the probability that the first training of a random
    seed beats the second of another (Vargha and Delaney's A: ties count half).
    """
    first, second = measure.first, measure.second
    difference = first - second
    spread = difference.std(ddof=1)
    # SciPy warns where every difference is the same; the answer is None there, which says it.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        interval = stats.bootstrap(
            (difference,),
            np.mean,
            n_resamples=settings.resamples,
            confidence_level=settings.confidence,
            rng=np.random.default_rng(settings.seed),
        ).confidence_interval
        tests = {
            "t_test_p": stats.ttest_rel(first, second).pvalue,
            "wilcoxon_p": stats.wilcoxon(first, second).pvalue,
            "permutation_p": permutation_p(first, second, settings),
        }
    better, worse = (first, second) if measure.larger_is_better else (second, first)
    wins = stats.mannwhitneyu(better, worse).statistic / (len(better) * len(worse))
    return {
        "mean": float(difference.mean()),
        "low": _finite(interval.low),
        "high": _finite(interval.high),
        **{name: _finite(p) for name, p in tests.items()},
        "effect_size": float(difference.mean() / spread) if spread > 0 else None,
        "first_is_better": float(wins),
    }


def permutation_p(first: Values, second: Values, settings: Repeats) -> float:
    """Two-sided p-value of the mean difference among all exchanges of the two within pairs: exact for few pairs."""
    result = stats.permutation_test(
        (first, second),
        lambda x, y, axis: np.mean(x - y, axis=axis),
        permutation_type="samples",
        n_resamples=settings.resamples,
        vectorized=True,
        rng=np.random.default_rng(settings.seed),
    )
    return float(result.pvalue)


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


FINALS = ("architecture", "seed", "split", "accuracy")


def final_rows(rows: list[Row]) -> list[Row]:
    """Rows of `FINALS`: each training's last validation accuracy and its test accuracy."""
    last = max(r["epoch"] for r in rows)
    chosen = [r for r in rows if r["split"] == "test" or (r["split"] == "validation" and r["epoch"] == last)]
    return [{name: row[name] for name in FINALS} for row in chosen]
