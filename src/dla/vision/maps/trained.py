"""Trained image classifiers, read back from their weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from dla.core.artifacts import read_tensors
from dla.core.contents import REMEDY, load_weights
from dla.core.errors import UserError
from dla.core.parameters import untrained
from dla.core.parsing import parse_kept
from dla.core.values import Count
from dla.models.base.registry import InputShape, build
from dla.vision.settings import SeededTraining

FOLDER = Path("models")


@dataclass(frozen=True)
class Classifier:
    """A trained model on the CPU, in evaluation mode, and what it was trained on."""

    model: nn.Module
    run: SeededTraining
    classes: tuple[str, ...]
    source: str  # embedded or hub
    input_shape: InputShape
    mean: torch.Tensor  # (C, 1, 1), range 0 to 1
    std: torch.Tensor  # (C, 1, 1)

    def normalise(self, pixels: torch.Tensor) -> torch.Tensor:
        """Inputs of the model, (B, C, H, W) float32, from pixels, (B, C, H, W) uint8."""
        return (pixels / 255 - self.mean) / self.std


@dataclass(frozen=True)
class Metadata:
    """What stage train writes beside the weights."""

    run: SeededTraining
    classes: tuple[str, ...]
    source: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    input_shape: tuple[Count, Count, Count]  # channels, height, width


def load_classifier(name: str, folder: Path = FOLDER) -> Classifier:
    """The model that stage train@NAME left.

    Raises
    ------
    UserError
        If there is none, or the file is not what the stage writes.
    """
    path = folder / f"{name}.safetensors"
    if not path.exists():
        raise untrained(path, ["train"], sorted(file.stem for file in folder.glob("*.safetensors")))
    tensors, metadata = read_tensors(path)
    facts = parse_kept(Metadata, metadata, path)
    if not facts.classes or not facts.input_shape[0] == len(facts.mean) == len(facts.std):
        raise UserError(f"{path}: says of its pictures what does not fit together; {REMEDY}")
    model = build(facts.run.model, facts.input_shape, len(facts.classes))
    load_weights(model, {name: torch.from_numpy(value) for name, value in tensors.items()}, path)
    mean, std = (torch.tensor(values).view(-1, 1, 1) for values in (facts.mean, facts.std))
    return Classifier(model.eval(), facts.run, facts.classes, facts.source, facts.input_shape, mean, std)
