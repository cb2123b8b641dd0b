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
from dla.vision.localisation import faithfulness, localisation, pointing_hits
from dla.vision.weights import Classifier

BATCH = 128


@dataclass(frozen=True)
class Pictures:
    """One split of a prepared image data set as it is stored."""

    pixels: torch.Tensor  # (N, C, H, W) uint8
    labels: torch.Tensor  # (N,)
    ids: NDArray[Any]  # (N,)
    boxes: NDArray[Any] | None  # (N, 4) left, top, right, bottom in pixels, where they are known

    @classmethod
    def read(cls, prepared: Path, split: str) -> Pictures:
        """Split `validation` or `test` of a prepared data set."""
        tensors, _ = read_tensors(prepared, f"{split}.")
        pixels, labels = (torch.from_numpy(tensors[name]) for name in ("images", "labels"))
        return cls(pixels, labels, tensors["ids"], tensors.get("boxes"))

    @property
    def size(self) -> int:
        """Height and width of a picture in pixels."""
        return self.pixels.shape[-1]


@dataclass(frozen=True)
class Explanations:
    """The test pictures of a data set as one classifier sees them."""

    name: str
    classifier: Classifier
    settings: Explanation
    pictures: Pictures
    probabilities: torch.Tensor  # (N, classes)
    maps: torch.Tensor  # (N, h, w) evidence for the predicted class, at the resolution of the feature map
    found: dict[str, Any]  # localisation, where boxes are known

    @property
    def predicted(self) -> torch.Tensor:
        """(N,) the most probable class."""
        return self.probabilities.argmax(1)

    def metrics(self) -> dict[str, Any]:
        """Localisation where boxes are known, and deletion and insertion against random maps of the same coarseness."""
        return {
            "data": self.classifier.source,
            "feature_map": f"{self.maps.shape[1]}x{self.maps.shape[2]}",
            **self.found,
            **self._faithfulness(),
        }

    def _faithfulness(self) -> dict[str, Any]:
        generator = np.random.default_rng(self.settings.seed)
        chosen = torch.from_numpy(self._choose(self.settings.scored, generator))
        random = torch.from_numpy(generator.random(self.maps[chosen].shape, dtype=np.float32))
        size = self.pictures.size
        return faithfulness(
            self.classifier.model,
            self.classifier.normalise(self.pictures.pixels[chosen]),
            enlarge(self.maps[chosen], size, size),
            enlarge(random, size, size),
            self.predicted[chosen],
        )

    def _choose(self, count: int, generator: np.random.Generator) -> NDArray[Any]:
        """Numbers of `count` random pictures, or of all, in the order of the test split."""
        n = len(self.pictures.labels)
        return np.sort(generator.choice(n, min(count, n), replace=False))

    def drawn(self) -> Iterator[Explained]:
        """The seeded random choice of pictures, in the order of the test split."""
        chosen = self._choose(self.settings.pictures, np.random.default_rng(self.settings.seed))
        large = enlarge(rescale(self.maps[chosen]), self.pictures.size, self.pictures.size).numpy()
        for strengths, i in zip(large, chosen.tolist(), strict=True):
            predicted = int(self.predicted[i])
            yield Explained(
                identity=int(self.pictures.ids[i]),
                pixels=self.pictures.pixels[i].numpy(),
                map=strengths,
                predicted=self.classifier.classes[predicted],
                probability=float(self.probabilities[i, predicted]),
                true=self.classifier.classes[int(self.pictures.labels[i])],
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
    """Classify the whole test split, map the evidence for each predicted class, and localise the true ones.

    Raises
    ------
    UserError
        If the data are missing or broken, or the model has no feature map.
    """
    test = Pictures.read(prepared, "test")
    probabilities = _probabilities(classifier, test.pixels)
    maps = _maps(classifier, test.pixels, probabilities.argmax(1))
    return Explanations(name, classifier, settings, test, probabilities, maps, _locate(classifier, test, prepared))


def _locate(classifier: Classifier, test: Pictures, prepared: Path) -> dict[str, Any]:
    """Localisation on test, and on validation the pointing game, by which one of several runs may be chosen."""
    validation = Pictures.read(prepared, "validation")
    if test.boxes is None or validation.boxes is None:
        return {}
    maps = _maps(classifier, validation.pixels, validation.labels)
    hits = pointing_hits(maps.numpy(), validation.boxes, validation.size)
    found = localisation(_maps(classifier, test.pixels, test.labels), test.boxes, test.size)
    return {"validation": {"pointing": {"n": len(hits), "map": float(hits.mean())}}, **found}


@torch.no_grad()
def _probabilities(classifier: Classifier, pixels: torch.Tensor) -> torch.Tensor:
    """(N, classes) of pictures (N, C, H, W)."""
    return torch.cat([classifier.model(classifier.normalise(part)).softmax(1) for part in pixels.split(BATCH)])


def _maps(classifier: Classifier, pixels: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    """Evidence (N, h, w) for `classes` (N,) in pictures (N, C, H, W)."""
    parts = zip(pixels.split(BATCH), classes.split(BATCH), strict=True)
    return torch.cat([activation_maps(classifier.model, classifier.normalise(part), which) for part, which in parts])
