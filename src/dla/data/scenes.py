"""Handwritten digits, and the same digits over photographs: real pictures that scikit-learn carries."""

from __future__ import annotations

from typing import Any

import datasets
import numpy as np
from PIL import Image

DIGITS = [str(digit) for digit in range(10)]
TEST_FRACTION = 0.2
SPLIT_SEED = 0
Pixels = np.ndarray[Any, np.dtype[np.uint8]]


# --- digits ---------------------------------------------------------------------------------------------------


def _digits() -> dict[str, tuple[Pixels, np.ndarray[Any, Any]]]:
    """The 1,797 handwritten digits of scikit-learn (UCI Optical Recognition), (N, 8, 8), split once for all uses."""
    from sklearn.datasets import load_digits  # here, as texts are made without these
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    pictures = np.round(digits.images * (255 / 16)).astype(np.uint8)
    train, test, train_labels, test_labels = train_test_split(
        pictures, digits.target, test_size=TEST_FRACTION, stratify=digits.target, random_state=SPLIT_SEED
    )
    return {"train": (train, train_labels), "test": (test, test_labels)}


def digits() -> dict[str, datasets.Dataset]:
    """Handwritten digits as 8x8 greyscale pictures, for MNIST."""
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=DIGITS)})
    return {
        split: datasets.Dataset.from_dict(
            {"image": [Image.fromarray(p) for p in pictures], "label": labels.tolist()}, features=features
        )
        for split, (pictures, labels) in _digits().items()
    }


# --- scenes: a digit somewhere over a photograph ------------------------------------------------------------------

SMALLEST, LARGEST = 0.45, 0.75  # height of the enlarged digit, as a fraction of the picture
SHADE = 0.5  # brightness left to the photographs
CONTRAST = 120  # by how much a digit is brighter than what it covers, of 255


def scenes_32() -> dict[str, datasets.Dataset]:
    """32x32 RGB scenes, for CIFAR-10."""
    return _scenes(32, "img", {"train": 5000, "test": 600})


def scenes_64() -> dict[str, datasets.Dataset]:
    """64x64 RGB scenes, for Imagenette."""
    return _scenes(64, "image", {"train": 2000, "test": 400})


def _scenes(size: int, column: str, counts: dict[str, int]) -> dict[str, datasets.Dataset]:
    """Bright digits over patches of two shaded photographs, with the digit's box, so that localisation can be scored.

    Train and test share neither a handwritten digit nor a part of a photograph.
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
        for i in range(counts[split]):
            chosen = i % len(labels)
            picture, box = _scene(pictures[chosen], backgrounds, size, generator)
            rows[column].append(Image.fromarray(picture))
            rows["label"].append(int(labels[chosen]))
            rows["box"].append(box)
        made[split] = datasets.Dataset.from_dict(rows, features=features)
    return made


def _part(photograph: Pixels, split: str) -> Pixels:
    """The left 70 % of a photograph for training, the rest for testing; shaded, so that the digit stands out."""
    border = int(photograph.shape[1] * 0.7)
    part = photograph[:, :border] if split == "train" else photograph[:, border:]
    return (part * SHADE).astype(np.uint8)


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


def _ink(digit: Pixels, height: int, generator: np.random.Generator) -> np.ndarray[Any, np.dtype[np.float64]]:
    """The digit enlarged, tilted by up to 15 degrees and cut to its ink, as opacity between 0 and 1."""
    scale = height / 8
    large = Image.fromarray(digit).resize((round(8 * scale), round(8 * scale)), Image.Resampling.BICUBIC)
    tilted = large.rotate(generator.uniform(-15, 15), Image.Resampling.BICUBIC)
    opacity = np.asarray(tilted, dtype=np.float64) / 255
    rows, columns = (np.flatnonzero(opacity.max(axis) > 0.25) for axis in (1, 0))
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
