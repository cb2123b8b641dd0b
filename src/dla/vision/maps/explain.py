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
from dla.vision.maps.cam import activation_maps, enlarge, rescale
from dla.vision.maps.drawing import Explained, draw_grid, draw_one
from dla.vision.maps.localisation import faithfulness, localisation, pointing_hits
from dla.vision.maps.trained import Classifier
from dla.vision.settings import Explanation

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
    data: str  # the data set's name
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
            "pictures": len(self._choose(self.settings.pictures)),
            **self.found,
            **self._faithfulness(),
        }

    def _faithfulness(self) -> dict[str, Any]:
        chosen = torch.from_numpy(self._choose(self.settings.scored))
        generator = np.random.default_rng((self.settings.seed, 1))  # 0, left out, chooses the pictures
        random = torch.from_numpy(generator.random(self.maps[chosen].shape, dtype=np.float32))
        size = self.pictures.size
        return faithfulness(
            self.classifier.model,
            self.classifier.normalise(self.pictures.pixels[chosen]),
            enlarge(self.maps[chosen], size, size),
            enlarge(random, size, size),
            self.predicted[chosen],
        )

    def _choose(self, count: int) -> NDArray[Any]:
        """Numbers of `count` random pictures, or of all, in the order of the test split."""
        n = len(self.pictures.labels)
        return np.sort(np.random.default_rng(self.settings.seed).choice(n, min(count, n), replace=False))

    def drawn(self) -> Iterator[Explained]:
        """The seeded random choice of pictures, in the order of the test split."""
        chosen = self._choose(self.settings.pictures)
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
        write_figure(grid, draw_grid(pictures, f"{self.name} on {self.data} ({self.classifier.source} data)"))
        write_metrics(metrics, self.metrics())


def explain(name: str, classifier: Classifier, settings: Explanation, data: str, prepared: Path) -> Explanations:
    """Classify the whole test split, map the evidence for each predicted class, and localise the true ones.

    Parameters
    ----------
    name, data : of the run and of its data set, as the pictures say

    Raises
    ------
    UserError
        If the data are missing or broken, or the model has no feature map.
    """
    test, validation = (Pictures.read(prepared, split) for split in ("test", "validation"))
    probabilities, maps = _look(classifier, test)
    found: dict[str, Any] = {}
    if test.boxes is not None and validation.boxes is not None:  # on validation one of several runs may be chosen
        hits = pointing_hits(_maps(classifier, validation).numpy(), validation.boxes, validation.size)
        found["validation"] = {"pointing": {"n": len(hits), "map": float(hits.mean())}}
        found |= localisation(maps[:, 1], test.boxes, test.size)
    return Explanations(name, data, classifier, settings, test, probabilities, maps[:, 0], found)


def _look(classifier: Classifier, pictures: Pictures) -> tuple[torch.Tensor, torch.Tensor]:
    """Probabilities (N, classes), and the evidence (N, 2, h, w) for each predicted and each true class."""
    seen = []
    for pixels, labels in zip(pictures.pixels.split(BATCH), pictures.labels.split(BATCH), strict=True):
        inputs = classifier.normalise(pixels)
        with torch.no_grad():
            probabilities = classifier.model(inputs).softmax(1)
        classes = torch.stack([probabilities.argmax(1), labels], 1)
        seen.append((probabilities, activation_maps(classifier.model, inputs, classes)))
    probabilities, maps = (torch.cat(parts) for parts in zip(*seen, strict=True))
    return probabilities, maps


def _maps(classifier: Classifier, pictures: Pictures) -> torch.Tensor:
    """The evidence (N, h, w) for each true class."""
    parts = zip(pictures.pixels.split(BATCH), pictures.labels.split(BATCH), strict=True)
    return torch.cat(
        [activation_maps(classifier.model, classifier.normalise(pixels), labels) for pixels, labels in parts]
    )
