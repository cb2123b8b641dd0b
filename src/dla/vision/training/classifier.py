"""One image classifier from prepared data to weights, metrics and curves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from numpy.typing import NDArray
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from dla.models.base.registry import InputShape, build, count_parameters
from dla.training.curves import COLUMNS
from dla.training.epoch import CrossEntropy, Scores, evaluate, mode
from dla.training.fit import EpochProbe, Fitted
from dla.training.job import Job, Outcome
from dla.training.runtime import seed_everything, start
from dla.training.settings import Runtime, Tracking
from dla.vision.settings import SeededTraining
from dla.vision.training.batches import Augmentation, Facts, ImageBatches, read_split
from dla.vision.training.splits import read_training

LOOKED_AT = 5000  # pictures that a model may look at before it is trained


@runtime_checkable
class Looking(Protocol):
    """A model whose first weights depend on pictures."""

    def look_at(self, images: torch.Tensor) -> None:
        """Set them from normalised pictures (N, C, H, W)."""


class Mirrored(nn.Module):
    """A classifier whose logits, once it is trained, are the means over a picture and its mirror image."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: torch.Tensor) -> torch.Tensor:  # (B, C, H, W) -> (B, classes)
        logits: torch.Tensor = self.model(images)
        return logits if self.training else (logits + self.model(images.flip(-1))) / 2


CURVES = ("run", "seed", *COLUMNS[1:])


@dataclass(frozen=True)
class TrainedClassifier:
    """An image classifier trained from one seed, and what is known about it."""

    name: str
    model: nn.Module
    run: SeededTraining
    facts: Facts
    input_shape: InputShape
    outcome: Outcome
    test: Scores
    labels: NDArray[Any]  # (N,) of the test pictures
    predicted: NDArray[Any]  # (N,) classes

    @property
    def fitted(self) -> Fitted:
        """The curves, and the epoch whose weights were kept."""
        return self.outcome.fitted

    def metrics(self) -> dict[str, Any]:
        """What `dvc metrics show` shows; nothing that changes from one run of this to the next."""
        return {
            "data": self.facts.source,
            "validation": asdict(self.fitted.kept.validation),
            "test": {**asdict(self.test), "n": len(self.labels)},
            "parameters": count_parameters(self.model),
            "best_epoch": self.fitted.kept_epoch,
        }

    def rows(self, name: str) -> Iterator[dict[str, Any]]:
        """Rows of `CURVES`, of the run called `name`."""
        return ({"seed": self.run.seed, **row} for row in self.fitted.rows(name))

    def metadata(self) -> dict[str, Any]:
        """What one needs to build the model again and to feed it pictures."""
        return {"run": asdict(self.run), "input_shape": self.input_shape, **asdict(self.facts)}


def train_image_run(
    name: str,
    run: SeededTraining,
    prepared: Path,
    runtime: Runtime,
    log: Tracking,
    probe: Callable[[nn.Module], EpochProbe] | None = None,
) -> TrainedClassifier:
    """Train from one seed on the prepared data set, on from where a killed process stopped, and test once at the end.

    Parameters
    ----------
    name : shown with every line, and of the folder of logs
    probe : makes what looks at the model's gradients

    Raises
    ------
    UserError
        If the data are missing or broken, the device is not there, or the loss is no longer finite.
    """
    device = start(runtime)
    training, validation, facts = read_training(prepared, run.split_seed, device)
    _, channels, height, width = training.images.shape
    input_shape = (channels, height, width)
    seed_everything(run.seed)
    model = build(run.model, input_shape, len(facts.classes))
    if isinstance(model, Looking):
        looked_at = training.first(run.examples).first(LOOKED_AT)
        model.look_at(next(ImageBatches(looked_at, facts, LOOKED_AT).epoch(0))[0])
    batches = ImageBatches(
        training.first(run.examples),
        facts,
        run.batch_size,
        run.seed,
        Augmentation(run.crop_padding, run.flip, run.cutout),
    )
    flops = forward_flops(model, input_shape) * run.batch_size
    model.to(memory_format=torch.channels_last)
    data = batches, ImageBatches(validation, facts, EVALUATION_BATCH)
    seen = Mirrored(model) if run.mirrored_views else model
    outcome = Job(name, run, [prepared], device, runtime, log).run(
        seen, data, flops, probe=probe(model) if probe else None
    )
    test, _ = read_split(prepared, "test", device)
    testing = ImageBatches(test, facts, EVALUATION_BATCH)
    scores, predicted = evaluate(seen, seen, testing, CrossEntropy(), outcome.plan), predict(seen, testing, outcome)
    return TrainedClassifier(
        name, model, run, facts, input_shape, outcome, scores, test.labels.cpu().numpy(), predicted
    )


EVALUATION_BATCH = 256  # pictures; no gradients are kept, so memory is no concern


@torch.no_grad()
def predict(model: nn.Module, batches: ImageBatches, outcome: Outcome) -> NDArray[Any]:
    """The most probable class (N,) of every picture, computed as the model was trained."""
    with mode(model, training=False), outcome.plan.autocast():
        return torch.cat([model(inputs).argmax(-1) for inputs, _ in batches.epoch(0)]).cpu().numpy()


@torch.no_grad()
def forward_flops(model: nn.Module, input_shape: InputShape) -> int:
    """Floating-point operations of one picture's way through the model."""
    counter = FlopCounterMode(display=False)
    with mode(model, training=False), counter:
        model(torch.zeros(1, *input_shape))
    return counter.get_total_flops()
