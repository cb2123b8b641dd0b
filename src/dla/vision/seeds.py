"""One run of `train` from all of its seeds, and its results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from dla.core.artifacts import write_metrics, write_table, write_tensors
from dla.statistics.outcomes import PREDICTIONS, cut, predictions, student
from dla.training.settings import Runtime, Tracking
from dla.vision.settings import ImageRun
from dla.vision.training.classifier import CURVES, TrainedClassifier, train_image_run


@dataclass(frozen=True)
class TrainedRun:
    """The classifiers of a run, one for every seed."""

    name: str
    trained: Sequence[TrainedClassifier]

    def metrics(self) -> dict[str, Any]:
        """Of one seed its own; of several the means, Student's interval of the mean test accuracy, and each seed's."""
        each = [classifier.metrics() for classifier in self.trained]
        if len(each) == 1:
            return each[0]
        means = {
            part: {of: fmean(metrics[part][of] for metrics in each) for of in ("loss", "accuracy")}
            for part in ("validation", "test")
        }
        accuracies = [metrics["test"]["accuracy"] for metrics in each]
        std = stdev(accuracies)
        lower, upper = cut(student(means["test"]["accuracy"], std, len(each)), 0.0, 1.0)
        own = ("validation", "test", "best_epoch")
        return {
            "data": each[0]["data"],
            "validation": means["validation"],
            "test": {**means["test"], "std": std, "lower": lower, "upper": upper, "n": each[0]["test"]["n"]},
            "parameters": each[0]["parameters"],
            "seeds": {
                str(classifier.run.seed): {name: metrics[name] for name in own}
                for classifier, metrics in zip(self.trained, each, strict=True)
            },
        }

    def rows(self) -> list[dict[str, Any]]:
        """The curves of every seed, rows of `CURVES`."""
        return [row for classifier in self.trained for row in classifier.rows(self.name)]

    def write(self, weights: Path, metrics: Path, curves: Path, tested: Path) -> None:
        """Write all results; the weights and what was said of every test picture are those of the first seed."""
        first = self.trained[0]
        tensors = {name: value.cpu().numpy() for name, value in first.model.state_dict().items()}
        write_tensors(weights, tensors, first.metadata())
        write_metrics(metrics, self.metrics())
        write_table(curves, CURVES, self.rows())
        write_table(tested, PREDICTIONS, predictions(first.labels, first.predicted, first.facts.classes))


def train_seeds(name: str, run: ImageRun, prepared: Path, runtime: Runtime, log: Tracking) -> TrainedRun:
    """Train from every seed, one after the other, each as `train_image_run` does.

    A seed that had finished when the process was killed is found whole in its checkpoint and not trained again.
    """
    shown = {seed: name if len(run.seeds) == 1 else f"{name}-{seed}" for seed in run.seeds}
    trained = [train_image_run(shown[training.seed], training, prepared, runtime, log) for training in run.trainings()]
    return TrainedRun(name, trained)
