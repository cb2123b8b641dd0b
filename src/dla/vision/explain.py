"""Class activation maps of a trained image classifier: drawn, and scored on the test pictures."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dla.core.artifacts import atomic, read_tensors, write_figure, write_metrics
from dla.settings.vision import Explanation
from dla.vision.cam import activation_maps, enlarge, rescale
from dla.vision.drawing import Explained, draw_grid, draw_one
from dla.vision.localisation import (
    centred_box_accuracy,
    deletion_and_insertion,
    max_box_accuracy,
    pointing_accuracy,
)
from dla.vision.weights import Classifier

BATCH = 128


@dataclass(frozen=True)
class Explanations:
    """The test pictures of a data set as one classifier sees them."""

    name: str
    classifier: Classifier
    settings: Explanation
    pixels: torch.Tensor  # (N, C, H, W) uint8
    labels: NDArray[Any]  # (N,)
    ids: NDArray[Any]  # (N,)
    boxes: NDArray[Any] | None  # (N, 4) left, top, right, bottom in pixels, where they are known
    maps: torch.Tensor  # (N, h, w) evidence for the predicted class, at the resolution of the feature map
    probabilities: torch.Tensor  # (N, classes)

    @property
    def predicted(self) -> torch.Tensor:
        """(N,) the most probable class."""
        return self.probabilities.argmax(1)

    @property
    def size(self) -> int:
        """Height and width of a picture in pixels."""
        return self.pixels.shape[-1]

    def metrics(self) -> dict[str, Any]:
        """Localisation where boxes are known, and deletion and insertion against random maps of the same coarseness."""
        found: dict[str, Any] = {
            "data": self.classifier.source,
            "feature_map": f"{self.maps.shape[1]}x{self.maps.shape[2]}",
        }
        if self.boxes is not None:
            centre = np.ones((len(self.boxes), 1, 1))
            large = enlarge(rescale(self.maps), self.size, self.size).numpy()
            found["pointing"] = {
                "n": len(self.boxes),
                "map": pointing_accuracy(self.maps.numpy(), self.boxes, self.size),
                "centred_box": pointing_accuracy(centre, self.boxes, self.size),
            }
            found["max_box_accuracy"] = {
                "n": len(self.boxes),
                "map": max_box_accuracy(large, self.boxes),
                "centred_box": centred_box_accuracy(self.boxes, self.size),
            }
        return found | self._faithfulness()

    def _faithfulness(self) -> dict[str, Any]:
        generator = np.random.default_rng(self.settings.seed)
        count = min(self.settings.scored, len(self.labels))
        chosen = torch.from_numpy(np.sort(generator.choice(len(self.labels), count, replace=False)))
        inputs = self.classifier.normalise(self.pixels[chosen])
        guesses = torch.from_numpy(generator.random(self.maps[chosen].shape, dtype=np.float32))
        areas = {
            kind: deletion_and_insertion(
                self.classifier.model, inputs, enlarge(maps, self.size, self.size), self.predicted[chosen]
            )
            for kind, maps in (("map", self.maps[chosen]), ("random", guesses))
        }
        return {
            name: {"n": count, **{kind: area[position] for kind, area in areas.items()}}
            for position, name in enumerate(("deletion", "insertion"))
        }

    def drawn(self) -> Iterator[Explained]:
        """The seeded random choice of pictures, in the order of the test split."""
        generator = np.random.default_rng(self.settings.seed)
        count = min(self.settings.pictures, len(self.labels))
        large = enlarge(rescale(self.maps), self.size, self.size).numpy()
        for i in np.sort(generator.choice(len(self.labels), count, replace=False)).tolist():
            predicted = int(self.predicted[i])
            yield Explained(
                identity=int(self.ids[i]),
                pixels=self.pixels[i].numpy(),
                map=large[i],
                predicted=self.classifier.classes[predicted],
                probability=float(self.probabilities[i, predicted]),
                true=self.classifier.classes[int(self.labels[i])],
            )

    def write(self, folder: Path, grid: Path, metrics: Path) -> None:
        """One overlay per picture, `{ID}-{predicted_class}.png`, in `folder`; all of them as `grid`; the scores."""
        pictures = list(self.drawn())
        with atomic(folder) as temporary:
            temporary.mkdir()
            for explained in pictures:
                name = f"{explained.identity}-{re.sub(r'[^A-Za-z0-9]+', '_', explained.predicted)}.png"
                write_figure(temporary / name, draw_one(explained))
        write_figure(grid, draw_grid(pictures, f"{self.name} on {self.settings.data} ({self.classifier.source} data)"))
        write_metrics(metrics, self.metrics())


def explain(name: str, classifier: Classifier, settings: Explanation, prepared: Path) -> Explanations:
    """Classify the whole test split and map the evidence for each predicted class.

    Raises
    ------
    UserError
        If the data are missing or broken, or the model has no feature map.
    """
    tensors, _ = read_tensors(prepared, "test.")
    pixels = torch.from_numpy(tensors["images"])
    probabilities, maps = [], []
    for part in pixels.split(BATCH):
        inputs = classifier.normalise(part)
        with torch.no_grad():
            probabilities.append(classifier.model(inputs).softmax(1))
        maps.append(activation_maps(classifier.model, inputs, probabilities[-1].argmax(1)))
    return Explanations(
        name=name,
        classifier=classifier,
        settings=settings,
        pixels=pixels,
        labels=tensors["labels"],
        ids=tensors["ids"],
        boxes=tensors.get("boxes"),
        maps=torch.cat(maps),
        probabilities=torch.cat(probabilities),
    )
