"""A multilayer perceptron that scores every option of a question; the highest score is the answer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import torch
from numpy.typing import NDArray
from pydantic.dataclasses import dataclass
from torch import nn

from dla.core.artifacts import read_tensors
from dla.core.parsing import STRICT
from dla.models.base.registry import count_parameters
from dla.text.losses import RankingLoss, RankingLossName
from dla.text.perceptron import PerceptronSettings, VectorBatches, build_perceptron, weights_of
from dla.text.rank import Tensors, TrainedScorer
from dla.text.settings import ScorerSettings
from dla.training.epoch import mode
from dla.training.job import Job
from dla.training.runtime import Plan, seed_everything, start
from dla.training.settings import Runtime, Tracking

EVALUATION_BATCH = 512


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Settings(ScorerSettings, PerceptronSettings):
    """A perceptron that scores every option of a question; the highest score is the answer."""

    # What it sees of separate features: their mean; the option's alone; all side by side with their products. Joint
    # features it sees as they are.
    combine: Literal["mean", "option", "interaction", "joint"]
    # Of right against wrong scores: margin, ratio (the laboratory's), softplus-ratio (ours), or cross-entropy.
    loss: RankingLossName

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.label_smoothing and self.loss != "softmax":
            raise ValueError(f"label_smoothing = {self.label_smoothing} is for loss: softmax alone")

    @property
    def formulation(self) -> Literal["separate", "joint"]:
        """Joint features for what is seen as it is."""
        return "joint" if self.combine == "joint" else "separate"

    @property
    def is_control(self) -> bool:
        """Whether it sees neither article nor question."""
        return self.combine == "option"


def fit(name: str, settings: Settings, features: Path, runtime: Runtime, log: Tracking) -> TrainedScorer:
    """Train a perceptron, or resume a killed run."""
    device = start(runtime)
    splits = {split: read_tensors(features, f"{split}.")[0] for split in ("train", "validation")}
    seed_everything(settings.seed)
    train = _batches(splits["train"], settings, device, settings.batch_size, settings.seed)
    validation = _batches(splits["validation"], settings, device, EVALUATION_BATCH)
    mean, std = _statistics(train)
    net = Scorer(build_perceptron(settings, mean, std, 1))
    flops = 2.0 * count_parameters(net) * 4 * settings.batch_size
    objective = RankingLoss(settings.loss, settings.label_smoothing)
    job = Job(name, settings, [features], device, runtime, log)
    outcome = job.run(net, (train, validation), flops, objective=objective)
    return TrainedScorer(
        lambda tensors: _scores(net, _batches(tensors, settings, device, EVALUATION_BATCH), outcome.plan),
        weights_of(net),
        list(outcome.fitted.rows(name)),
        {"best_epoch": outcome.fitted.kept_epoch},
    )


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


def _batches(
    tensors: Tensors, settings: Settings, device: torch.device, size: int, seed: int | None = None
) -> VectorBatches:
    on_device = {name: torch.from_numpy(values).to(device) for name, values in tensors.items()}
    return VectorBatches(option_vectors(on_device, settings.combine), on_device["answers"], size, seed)


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
