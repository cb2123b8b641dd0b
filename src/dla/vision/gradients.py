"""How large the gradient of every layer is, step by step, in plain and residual nets of several depths."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from itertools import islice, product
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import torch
from scipy import stats
from torch import nn

from dla.models.base.registry import build
from dla.models.deep_cnn import Settings
from dla.statistics.outcomes import student
from dla.training.checkpoint import Checkpoint
from dla.training.epoch import CrossEntropy, train_epoch
from dla.training.optim import Steps, build_optimizer
from dla.training.runtime import Plan, seed_everything, start
from dla.training.settings import Runtime, Training
from dla.vision.settings import GradientStudy
from dla.vision.training.batches import Augmentation, Batch, ImageBatches, read_split


@dataclass(frozen=True)
class Recorded:
    """The gradients of one net while it trained from one seed."""

    model: Settings
    seed: int
    dense: np.ndarray[Any, Any]  # (steps,) mean absolute gradient of the dense layer's weights
    norms: np.ndarray[Any, Any]  # (steps, layers) Euclidean norm of each layer's weight gradient, first to last

    @property
    def name(self) -> str:
        """The kind of net."""
        return "residual_cnn" if self.model.skips else "plain_cnn"

    @property
    def family(self) -> str:
        """What the net shares with those of other depths."""
        norm = "with" if self.model.batch_norm else "without"
        return f"{self.name}, {norm} batch norm, {self.model.initialisation} initialisation"

    @property
    def layers(self) -> int:
        """Convolutions and the dense layer."""
        return len(self.norms[0])

    def first_to_last(self) -> np.ndarray[Any, Any]:
        """(steps,) gradient norm of the first convolution over that of the last: below 1 where gradients vanish."""
        with np.errstate(invalid="ignore"):  # both may be too large for a float32: the ratio is NaN then
            ratio: np.ndarray[Any, Any] = self.norms[:, 0] / np.maximum(self.norms[:, -2], SMALLEST)
        return ratio


SMALLEST = float(np.finfo(np.float32).tiny)  # what a gradient that vanished altogether counts as
LABELS = ("model", "batch_norm", "initialisation", "depth")
COLUMNS = (*LABELS, "step", "gradient")
MAP_COLUMNS = (*LABELS, "step", "layer", "norm")
MAP_STEPS = 16  # columns of the heat map: more make the committed table larger than the rest of plots/ together


def study_gradients(study: GradientStudy, prepared: Path, runtime: Runtime) -> list[Recorded]:
    """Train plain and residual nets of every depth on the same batches and record every layer's gradient, seed by seed.

    In float32: the question is how small gradients become, and bfloat16 keeps three digits of them. Of a killed run
    the nets that it had trained are kept.
    """
    device = start(runtime)
    split, facts = read_split(prepared, "train", device)
    _, channels, height, width = split.images.shape
    checkpoint = Checkpoint({"gradients": asdict(study), "device": device.type}, [prepared])
    kept = (checkpoint.load() or {"nets": []})["nets"]  # dense gradients and norms of those that are trained
    recorded = []
    for number, (seed, settings) in enumerate(product(study.seeds, nets(study))):
        if number == len(kept):
            batches = ImageBatches(split, facts, study.batch_size, seed, Augmentation())
            seed_everything(seed)
            model = build(settings, (channels, height, width), len(facts.classes))
            model = model.to(device).to(memory_format=torch.channels_last)
            kept.append(record(model, endless(batches), study))
            checkpoint.save({"nets": kept})
        dense, norms = kept[number]
        recorded.append(Recorded(settings, seed, dense, norms))
        where = f"{recorded[-1].family}, depth {settings.depth}, seed {seed}"
        print(f"{where}: {dense[-1]:.2e} at the last step", flush=True)
    return recorded


def nets(study: GradientStudy) -> Iterator[Settings]:
    """Every net of the study, those that differ in depth alone together."""
    shared = Settings(family="deep_cnn", width=study.width, depth=1, skips=False)
    for start_from, norm, skips, depth in product(study.initialisation, study.batch_norm, (False, True), study.depths):
        yield replace(shared, depth=depth, skips=skips, batch_norm=norm, initialisation=start_from)


def endless(batches: ImageBatches) -> Iterator[Batch]:
    """The batches of one epoch after the other."""
    number = 1
    while True:
        yield from batches.epoch(number)
        number += 1


def record(
    model: nn.Module, batches: Iterator[Batch], study: GradientStudy
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Train for `study.steps` steps; mean absolute gradient of the last layer (steps,), every norm (steps, layers)."""
    training = Training(
        epochs=1, batch_size=study.batch_size, optimizer=study.optimizer, learning_rate=study.learning_rate
    )
    gradients = LayerGradients(model)
    steps = Steps(training, build_optimizer(model, training), 0, study.steps, gradients)
    plan = Plan(gradients.weights[0].device, torch.float32, compiled=False, reason="gradients are recorded")
    train_epoch(model, model, islice(batches, study.steps), CrossEntropy(), plan, steps)
    return torch.stack(gradients.dense).cpu().numpy(), torch.stack(gradients.norms).cpu().numpy()


class LayerGradients:
    """The gradients of every layer's weights at every step, as `Recorded` has them; nothing waits for the device."""

    def __init__(self, model: nn.Module) -> None:
        self.weights = [m.weight for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
        self.dense: list[torch.Tensor] = []
        self.norms: list[torch.Tensor] = []

    def step(self) -> None:
        """Look at the gradients that a batch left in the model."""
        gradients = [weight.grad for weight in self.weights if weight.grad is not None]
        self.dense.append(gradients[-1].abs().mean())
        self.norms.append(torch.stack([gradient.norm() for gradient in gradients]))


def gradient_metrics(recorded: list[Recorded], window: int) -> dict[str, Any]:
    """Medians over the last `window` steps, and for each family their slope against the number of layers.

    A slope is in factors of ten per layer: -0.1 means that ten layers more make the gradient ten times smaller. What
    is too large for a float32 is None. Of several seeds a median is that of the seeds' medians and a slope the mean of
    the seeds' slopes, with Student's interval from `slope_lower` to `slope_upper`.
    """
    metrics: dict[str, Any] = {}
    for family in dict.fromkeys(r.family for r in recorded):
        members = [r for r in recorded if r.family == family]
        depths = {r.model.depth: r.layers for r in members}
        measured = {"dense": [r.dense for r in members], "first_to_last": [r.first_to_last() for r in members]}
        medians = {  # (seeds, depths)
            name: np.array([float(np.median(values[-window:])) for values in of_nets]).reshape(-1, len(depths))
            for name, of_nets in measured.items()
        }
        metrics[family] = {
            name: {str(depth): _finite(np.median(column)) for depth, column in zip(depths, values.T, strict=True)}
            for name, values in medians.items()
        }
        metrics[family] |= _slopes({name: _slope(list(depths.values()), values) for name, values in medians.items()})
    return metrics


def _slope(layers: list[int], medians: np.ndarray[Any, Any]) -> list[float]:
    """Of every seed's medians (seeds, depths) the slope, NaN where one of them is not finite."""
    exponents = np.log10(np.maximum(medians, SMALLEST))  # which leaves NaN as it is
    return [float(stats.linregress(layers, row).slope) if np.isfinite(row).all() else np.nan for row in exponents]


def _slopes(of_seeds: Mapping[str, list[float]]) -> dict[str, Any]:
    means = {name: fmean(slopes) for name, slopes in of_seeds.items()}
    n = len(of_seeds["dense"])
    found: dict[str, Any] = {"slope": {name: _finite(mean) for name, mean in means.items()}}
    if n > 1:
        ends = {name: student(mean, float(np.std(of_seeds[name], ddof=1)), n) for name, mean in means.items()}
        for side, end in enumerate(("slope_lower", "slope_upper")):
            found[end] = {name: _finite(interval[side]) for name, interval in ends.items()}
        found["n"] = n
    return found


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def dense_rows(recorded: list[Recorded]) -> Iterator[dict[str, Any]]:
    """Rows of `COLUMNS`: the laboratory's figure, from the first seed."""
    for r in _of_first_seed(recorded):
        for step, gradient in enumerate(r.dense.tolist(), start=1):
            yield {**_labels(r), "step": step, "gradient": _written(gradient, 5)}


def map_rows(recorded: list[Recorded]) -> Iterator[dict[str, Any]]:
    """Rows of `MAP_COLUMNS`: every layer's norm at up to `MAP_STEPS` steps from first to last, from the first seed."""
    for r in _of_first_seed(recorded):
        steps = np.unique(np.linspace(0, len(r.norms) - 1, MAP_STEPS).round().astype(int))
        for step in steps.tolist():
            for layer, norm in enumerate(r.norms[step].tolist(), start=1):
                yield {**_labels(r), "step": step + 1, "layer": layer, "norm": _written(norm, 3)}


def _of_first_seed(recorded: list[Recorded]) -> list[Recorded]:
    return [r for r in recorded if r.seed == recorded[0].seed]


def _written(value: float, digits: int) -> str:
    """A number for a table; nothing if it is not finite."""
    return f"{value:.{digits}g}" if np.isfinite(value) else ""


def _labels(r: Recorded) -> dict[str, Any]:
    return {
        "model": r.name.removesuffix("_cnn"),
        "batch_norm": "with batch norm" if r.model.batch_norm else "without",
        "initialisation": r.model.initialisation,
        "depth": r.model.depth,
    }
