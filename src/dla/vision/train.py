"""One image classifier from prepared data to weights, metrics and curves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from dla.core.artifacts import write_metrics, write_table, write_tensors
from dla.models.registry import InputShape, build, count_parameters
from dla.settings.training import Runtime, Tracking
from dla.settings.vision import ImageRun
from dla.training.fit import COLUMNS, CrossEntropy, Fitted, Scores, evaluate, mode
from dla.training.job import Job, Outcome
from dla.training.optim import Probe
from dla.training.runtime import seed_everything, start
from dla.vision.batches import Augmentation, Facts, ImageBatches, read_split
from dla.vision.splits import read_training


@dataclass(frozen=True)
class Trained:
    """A trained image classifier and what is known about it."""

    name: str
    model: nn.Module
    run: ImageRun
    facts: Facts
    input_shape: InputShape
    outcome: Outcome
    test: Scores
    tested: int  # pictures

    @property
    def fitted(self) -> Fitted:
        """The curves, and the epoch whose weights were kept."""
        return self.outcome.fitted

    def metrics(self) -> dict[str, Any]:
        """What `dvc metrics show` shows; nothing that changes from one run of this to the next."""
        return {
            "data": self.facts.source,
            "validation": asdict(self.fitted.kept.validation),
            "test": {**asdict(self.test), "n": self.tested},
            "parameters": count_parameters(self.model),
            "best_epoch": self.fitted.kept_epoch,
        }

    def metadata(self) -> dict[str, Any]:
        """What one needs to build the model again and to feed it pictures."""
        return {"run": asdict(self.run), "input_shape": self.input_shape, **asdict(self.facts)}

    def write(self, weights: Path, metrics: Path, curves: Path) -> None:
        """Write all results, then forget the checkpoint."""
        tensors = {name: value.cpu().numpy() for name, value in self.model.state_dict().items()}
        write_tensors(weights, tensors, self.metadata())
        write_metrics(metrics, self.metrics())
        write_table(curves, COLUMNS, self.fitted.rows(self.name))
        self.outcome.checkpoint.discard()


def train_image_run(
    name: str,
    run: ImageRun,
    prepared: Path,
    runtime: Runtime,
    log: Tracking,
    probe: Callable[[nn.Module], Probe] | None = None,
) -> Trained:
    """Train `run` on the prepared data set, pick up where a killed process stopped, and test once at the end.

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
    batches = ImageBatches(
        training.first(run.examples),
        facts,
        run.batch_size,
        run.seed,
        Augmentation(run.crop_padding, run.flip),
    )
    flops = forward_flops(model, input_shape) * run.batch_size
    model.to(memory_format=torch.channels_last)
    data = batches, ImageBatches(validation, facts, EVALUATION_BATCH)
    outcome = Job(name, run, [prepared], device, runtime, log).run(
        model, data, flops, probe=probe(model) if probe else None
    )
    test, _ = read_split(prepared, "test", device)
    scores = evaluate(model, model, ImageBatches(test, facts, EVALUATION_BATCH), CrossEntropy(), outcome.plan)
    return Trained(name, model, run, facts, input_shape, outcome, scores, len(test.labels))


EVALUATION_BATCH = 256  # pictures; no gradients are kept, so memory is no concern


@torch.no_grad()
def forward_flops(model: nn.Module, input_shape: InputShape) -> int:
    """Floating-point operations of one picture's way through the model."""
    counter = FlopCounterMode(display=False)
    with mode(model, training=False), counter:
        model(torch.zeros(1, *input_shape))
    return counter.get_total_flops()
