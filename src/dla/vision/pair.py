"""Two trainings from one seed: the same split, drawn from that seed, the same batches, the same first weights.

Weights are the same where both nets have a layer. Another seed has another split, so that what differs between the two
over all seeds does not hang on a particular one (Bouthillier et al., arXiv 2103.03098).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dla.core.artifacts import write_metrics, write_table
from dla.training.settings import Runtime, Tracking
from dla.vision.groups import GroupGradients
from dla.vision.settings import SeededTraining
from dla.vision.training.classifier import TrainedClassifier, train_image_run

CURVES = ("architecture", "seed", "epoch", "split", "loss", "accuracy", "learning_rate")
GRADIENTS = ("architecture", "seed", "epoch", "group", "mean", "variance", "norm")


@dataclass(frozen=True)
class TrainedPair:
    """Both trainings of one seed, by the label of the contender."""

    seed: int
    trained: Mapping[str, TrainedClassifier]

    def curves(self) -> Iterator[dict[str, Any]]:
        """Rows of `CURVES`; the one row of the test split is of the epoch whose weights were kept."""
        for label, trained in self.trained.items():
            mark = {"architecture": label, "seed": self.seed}
            for row in trained.fitted.rows(label):
                yield mark | {name: row[name] for name in CURVES if name in row}
            kept = trained.fitted.kept
            test = {"epoch": kept.number, "split": "test", **asdict(trained.test)}
            yield mark | test | {"learning_rate": kept.learning_rate}

    def gradients(self) -> Iterator[dict[str, Any]]:
        """Rows of `GRADIENTS`, one per epoch and layer group."""
        for label, trained in self.trained.items():
            for epoch in trained.fitted.history:
                for group in dict.fromkeys(name.rpartition(".")[0] for name in epoch.measured):
                    measured = {name: epoch.measured[f"{group}.{name}"] for name in ("mean", "variance", "norm")}
                    yield {
                        "architecture": label,
                        "seed": self.seed,
                        "epoch": epoch.number,
                        "group": group,
                        **measured,
                    }

    def write(self, metrics: Path, curves: Path, gradients: Path) -> None:
        """Write all results."""
        write_table(curves, CURVES, self.curves())
        write_table(gradients, GRADIENTS, self.gradients())
        write_metrics(metrics, {label: trained.metrics() for label, trained in self.trained.items()})


def train_pair(
    seed: int, trainings: Mapping[str, SeededTraining], prepared: Path, runtime: Runtime, log: Tracking
) -> TrainedPair:
    """Train both runs and measure the gradients of their layer groups.

    A run that had finished when the process was killed is found whole in its checkpoint and not trained again.
    """
    trained = {
        label: train_image_run(f"pair-{seed}-{label}", run, prepared, runtime, log, GroupGradients)
        for label, run in trainings.items()
    }
    return TrainedPair(seed, trained)
