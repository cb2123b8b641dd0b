"""What an encoder is trained for end to end: to classify texts, or to choose one of a question's options."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import pyarrow
from numpy.typing import NDArray
from scipy.special import softmax

from dla.core.artifacts import Metadata
from dla.text.encode import Tokens, tokenize
from dla.text.evaluation.scores import LETTERS, answer_metrics, chosen_options, classification
from dla.text.joint import joint_tokens
from dla.text.losses import RankingLoss
from dla.text.prepared import LEVELS, levels, numbers
from dla.text.settings import FineTuning
from dla.training.epoch import CrossEntropy, Objective


class Task(Protocol):
    """What is to be chosen for every row of a data set, how it is learned, and how good it is."""

    architecture: ClassVar[str]  # an automatic class of transformers

    @property
    def choices(self) -> Sequence[str]:
        """What there is to choose from."""

    def configuration(self) -> dict[str, Any]:
        """Settings of the model's configuration."""

    def sequences(self, tokenizer: Any, rows: pyarrow.Table, limit: int, settings: FineTuning) -> list[Tokens]:
        """Tokens of every row, or of all options of every row."""

    def targets(self, rows: pyarrow.Table) -> NDArray[Any]:
        """Numbers of the right choices, (N,) int64."""

    def objective(self, label_smoothing: float) -> Objective:
        """What the encoder is trained for."""

    def predictions(self, logits: NDArray[Any]) -> NDArray[Any]:
        """The choice (N,) with the highest of logits (N, choices)."""

    def metrics(self, logits: NDArray[Any], rows: pyarrow.Table) -> dict[str, Any]:
        """How good the choices are."""


def task_of(facts: Metadata) -> Task:
    """The task of a prepared data set."""
    return Classification(tuple(facts["classes"])) if "classes" in facts else MultipleChoice()


@dataclass(frozen=True)
class Classification:
    """One of the classes of every text."""

    choices: tuple[str, ...]

    architecture: ClassVar[str] = "AutoModelForSequenceClassification"

    def configuration(self) -> dict[str, Any]:
        names = dict(enumerate(self.choices))
        return {"id2label": names, "label2id": {name: number for number, name in names.items()}}

    def sequences(self, tokenizer: Any, rows: pyarrow.Table, limit: int, _: FineTuning) -> list[Tokens]:
        return tokenize(tokenizer, rows["text"].to_pylist(), limit)

    def targets(self, rows: pyarrow.Table) -> NDArray[Any]:
        return numbers(rows, "label")

    def objective(self, label_smoothing: float) -> Objective:
        return CrossEntropy(label_smoothing)

    def predictions(self, logits: NDArray[Any]) -> NDArray[Any]:
        classes: NDArray[Any] = logits.argmax(1)
        return classes

    def metrics(self, logits: NDArray[Any], rows: pyarrow.Table) -> dict[str, Any]:
        return classification(self.targets(rows), softmax(logits, axis=1), self.choices)


@dataclass(frozen=True)
class MultipleChoice:
    """One of the options of every question; none, where two have the highest score."""

    choices: tuple[str, ...] = tuple(LETTERS)

    architecture: ClassVar[str] = "AutoModelForMultipleChoice"

    def configuration(self) -> dict[str, Any]:
        return {}

    def sequences(self, tokenizer: Any, rows: pyarrow.Table, limit: int, settings: FineTuning) -> list[Tokens]:
        return joint_tokens(tokenizer, rows, limit, settings.excerpt)

    def targets(self, rows: pyarrow.Table) -> NDArray[Any]:
        return numbers(rows, "answer")

    def objective(self, label_smoothing: float) -> Objective:
        return RankingLoss("softmax", label_smoothing)

    def predictions(self, logits: NDArray[Any]) -> NDArray[Any]:
        return chosen_options(logits)

    def metrics(self, logits: NDArray[Any], rows: pyarrow.Table) -> dict[str, Any]:
        return answer_metrics(logits, self.targets(rows), levels(rows), LEVELS)
