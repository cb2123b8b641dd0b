"""Which of four options answers a question: a perceptron that scores frozen features."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import nn

from dla.core.artifacts import read_tensors
from dla.models.registry import count_parameters
from dla.statistics.classifiers import predictions
from dla.text.batches import VectorBatches
from dla.text.losses import RankingLoss
from dla.text.perceptron import perceptron
from dla.text.scores import LETTERS, answer_metrics, chosen_options
from dla.text.settings import Ranking
from dla.training.epoch import mode
from dla.training.fit import COLUMNS
from dla.training.job import Job, Outcome
from dla.training.runtime import Plan, seed_everything, start
from dla.training.settings import Runtime, Tracking

EVALUATION_BATCH = 512


class Scorer(nn.Module):
    """A net of one output that scores every option: (B, 4, D) -> (B, 4)."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, options: torch.Tensor) -> torch.Tensor:
        scores: torch.Tensor = self.net(options.flatten(0, 1)).view(options.shape[:2])
        return scores


def option_vectors(tensors: dict[str, torch.Tensor], combine: str) -> Callable[[torch.Tensor], torch.Tensor]:
    """From rows (B,) to what the scorer sees of their options, (B, 4, D).

    Parameters
    ----------
    tensors : one split's features, as `embed` wrote them
    combine : mean of article, question and option; option: the option alone; interaction: the three side by side, and
        the products of the option with article and with question; joint: the vectors as they are
    """
    if combine == "joint":
        return tensors["features"].__getitem__
    if combine == "option":
        return tensors["options"].__getitem__

    def vectors(rows: torch.Tensor) -> torch.Tensor:
        options = tensors["options"][rows]
        article = tensors["articles"][tensors["article"][rows]][:, None].expand_as(options)
        question = tensors["questions"][rows][:, None].expand_as(options)
        if combine == "mean":
            return (article + question + options) / 3
        return torch.cat([article, question, options, options * article, options * question], -1)

    return vectors


@dataclass(frozen=True)
class TrainedRanker:
    """A scorer and what it makes of validation and test."""

    name: str
    outcome: Outcome | None  # where a loop trained it
    weights: dict[str, NDArray[Any]]
    source: str  # embedded or hub
    scores: dict[str, NDArray[Any]]  # (N, 4)
    answers: dict[str, NDArray[Any]]  # (N,)
    levels: dict[str, NDArray[Any]]  # (N,) numbers of the metadata's levels
    names: list[str]  # of the levels

    def metrics(self) -> dict[str, Any]:
        """Accuracy on validation and test, there overall and by level."""
        made = {split: answer_metrics(*self.split(split), self.names) for split in self.scores}
        kept = {"best_epoch": self.outcome.fitted.kept_epoch} if self.outcome else {}
        return {"data": self.source, **made, **kept}

    def curve(self) -> list[dict[str, Any]]:
        """Rows of `fit.COLUMNS`; of a rule one, for validation."""
        if self.outcome:
            return list(self.outcome.fitted.rows(self.name))
        row = dict.fromkeys(COLUMNS, "") | {"run": self.name, "epoch": 1, "split": "validation"}
        return [row | {"accuracy": self.metrics()["validation"]["accuracy"]}]

    def predictions(self) -> Iterator[dict[str, str | int]]:
        """Rows of `PREDICTIONS`: the letter of every test question's answer, and of the option it chooses."""
        return predictions(self.answers["test"], chosen_options(self.scores["test"]), LETTERS)

    def split(self, split: str) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Scores, answers and levels of one split."""
        return self.scores[split], self.answers[split], self.levels[split]


def rank(name: str, settings: Ranking, features: Path, runtime: Runtime, log: Tracking) -> TrainedRanker:
    """Train a scorer on the features, resume a killed run, and test once at the end.

    Raises
    ------
    UserError
        If the features are missing or broken, or the loss is no longer finite.
    """
    device = start(runtime)
    metadata = read_tensors(features, "none.")[1]
    train, validation, test = (_read(features, split, device) for split in ("train", "validation", "test"))
    seed_everything(settings.seed)
    batches = VectorBatches(
        option_vectors(train, settings.combine), train["answers"], settings.batch_size, settings.seed
    )
    mean, std = _statistics(batches)
    if not settings.standardize:
        mean, std = torch.zeros_like(mean), torch.ones_like(std)
    net = Scorer(perceptron(mean, std, settings.widths, 1, settings.dropout))
    flops = 2.0 * count_parameters(net) * 4 * settings.batch_size
    evaluated = {
        split: VectorBatches(option_vectors(tensors, settings.combine), tensors["answers"], EVALUATION_BATCH)
        for split, tensors in {"validation": validation, "test": test}.items()
    }
    outcome = Job(name, settings, [features], device, runtime, log).run(
        net,
        (batches, evaluated["validation"]),
        flops,
        objective=RankingLoss(settings.loss, settings.label_smoothing),
    )
    return TrainedRanker(
        name,
        outcome,
        {key: value.cpu().numpy() for key, value in net.state_dict().items()},
        metadata["source"],
        {split: _scores(net, found, outcome.plan) for split, found in evaluated.items()},
        {"validation": validation["answers"].cpu().numpy(), "test": test["answers"].cpu().numpy()},
        {"validation": validation["levels"].cpu().numpy(), "test": test["levels"].cpu().numpy()},
        metadata["levels"],
    )


def _read(features: Path, split: str, device: torch.device) -> dict[str, torch.Tensor]:
    tensors, _ = read_tensors(features, f"{split}.")
    return {name: torch.from_numpy(values).to(device) for name, values in tensors.items()}


STATISTICS_BATCHES = 50  # batches that mean and standard deviation are taken from


def _statistics(batches: VectorBatches) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and standard deviation (D,) of every feature over some training questions' options."""
    some = [
        inputs.flatten(0, 1).cpu() for (inputs, _), _ in zip(batches.epoch(0), range(STATISTICS_BATCHES), strict=False)
    ]
    together = torch.cat(some).double()
    return together.mean(0).float(), together.std(0).float()


@torch.no_grad()
def _scores(net: nn.Module, batches: VectorBatches, chosen: Plan) -> NDArray[Any]:
    with mode(net, training=False), chosen.autocast():
        return torch.cat([net(inputs).float().cpu() for inputs, _ in batches.epoch(0)]).numpy()
