"""Which of four options answers a question: what scores them, and what comes of it.

Each kind of scorer is a module of dla.text.scorers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from dla.core.artifacts import read_tensors
from dla.statistics.outcomes import predictions
from dla.text.evaluation.scores import LETTERS, answer_metrics, chosen_options
from dla.text.settings import SCORERS, ScorerSettings
from dla.training.settings import Runtime, Tracking

Tensors = dict[str, NDArray[Any]]  # features of one split, as `embed` wrote them
EVALUATED = ("validation", "test")


@dataclass(frozen=True)
class TrainedScorer:
    """What scores every option of a question; a rule has learned nothing."""

    scores: Callable[[Tensors], NDArray[Any]]  # (N, 4)
    weights: dict[str, NDArray[Any]] = field(default_factory=dict)
    curve: list[dict[str, Any]] = field(default_factory=list)  # rows of `curves.COLUMNS`
    chosen: dict[str, Any] = field(default_factory=dict)  # on validation, by the name that it has in the metrics


def fit_scorer(name: str, settings: ScorerSettings, features: Path, runtime: Runtime, log: Tracking) -> TrainedScorer:
    """Fit a scorer on the training questions' features; validation chooses what is to be chosen.

    Raises
    ------
    UserError
        If the features are missing or broken, or the training diverges.
    """
    trained: TrainedScorer = SCORERS.module(settings.name).fit(name, settings, features, runtime, log)
    return trained


@dataclass(frozen=True)
class Answers:
    """What a scorer makes of validation and test."""

    name: str
    scorer: TrainedScorer
    scores: dict[str, NDArray[Any]]  # (N, 4)
    questions: dict[str, Tensors]
    source: str  # embedded or hub
    levels: list[str]  # names of the questions' levels

    def metrics(self) -> dict[str, Any]:
        """Accuracy on validation and test, there overall and by level."""
        scored = {
            split: answer_metrics(self.scores[split], questions["answers"], questions["levels"], self.levels)
            for split, questions in self.questions.items()
        }
        return {"data": self.source, **scored, **self.scorer.chosen}

    def curve(self) -> list[dict[str, Any]]:
        """Rows of `curves.COLUMNS`; of a rule one, for validation."""
        row = {"run": self.name, "epoch": 1, "split": "validation", "loss": "", "learning_rate": ""}
        return self.scorer.curve or [{**row, "accuracy": self.metrics()["validation"]["accuracy"]}]

    def predictions(self) -> Iterator[dict[str, str | int]]:
        """Rows of `PREDICTIONS`: the letter of every test question's answer, and of the option it chooses."""
        return predictions(self.questions["test"]["answers"], chosen_options(self.scores["test"]), LETTERS)


def answer(name: str, scorer: TrainedScorer, features: Path) -> Answers:
    """Score the options of all questions of validation and test.

    Raises
    ------
    UserError
        If the features are missing or broken.
    """
    metadata = read_tensors(features, "none.")[1]
    questions = {split: read_tensors(features, f"{split}.")[0] for split in EVALUATED}
    scores = {split: scorer.scores(tensors) for split, tensors in questions.items()}
    return Answers(name, scorer, scores, questions, metadata["source"], metadata["levels"])
