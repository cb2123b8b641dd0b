"""Trained image classifiers, read back from their weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from dla.core.artifacts import read_tensors
from dla.models.registry import InputShape, build
from dla.settings.params import untrained
from dla.settings.parsing import parse
from dla.settings.vision import ImageRun

FOLDER = Path("models")


@dataclass(frozen=True)
class Classifier:
    """A trained model on the CPU, in evaluation mode, and what it was trained on."""

    model: nn.Module
    run: ImageRun
    classes: tuple[str, ...]
    source: str  # embedded or hub
    input_shape: InputShape
    mean: torch.Tensor  # (C, 1, 1), range 0 to 1
    std: torch.Tensor  # (C, 1, 1)

    def normalise(self, pixels: torch.Tensor) -> torch.Tensor:
        """Inputs of the model, (B, C, H, W) float32, from pixels, (B, C, H, W) uint8."""
        return (pixels / 255 - self.mean) / self.std


def read_classifier(name: str, folder: Path = FOLDER) -> Classifier:
    """The model that stage train@NAME left.

    Raises
    ------
    UserError
        If there is none, or the file is not whole.
    """
    path = folder / f"{name}.safetensors"
    if not path.exists():
        raise untrained(path, ["train"], sorted(file.stem for file in folder.glob("*.safetensors")))
    tensors, metadata = read_tensors(path)
    run = parse(ImageRun, metadata["run"], str(path))
    channels, height, width = metadata["input_shape"]
    model = build(run.model, (channels, height, width), len(metadata["classes"]))
    model.load_state_dict({name: torch.from_numpy(value) for name, value in tensors.items()})
    mean, std = (torch.tensor(metadata[key]).view(-1, 1, 1) for key in ("mean", "std"))
    classes = tuple(metadata["classes"])
    return Classifier(model.eval(), run, classes, metadata["source"], (channels, height, width), mean, std)
