"""From a picture of any mode and size to the pixels a model takes, and what they are on average."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Box = tuple[int, int, int, int]  # left, top, right, bottom in pixels; right and bottom excluded


def to_pixels(picture: Image.Image, channels: int, size: int) -> NDArray[Any]:
    """A picture as (C, H, W) uint8: its middle square, resized; what is transparent shows white."""
    picture = opaque(picture).convert("L" if channels == 1 else "RGB")
    if picture.size != (size, size):
        picture = picture.resize((size, size), Image.Resampling.BICUBIC, middle_square(picture))
    pixels = np.asarray(picture)
    return pixels[None] if channels == 1 else pixels.transpose(2, 0, 1)


def opaque(picture: Image.Image) -> Image.Image:
    """The picture over white, if any of it is transparent."""
    if not picture.has_transparency_data:
        return picture
    picture = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)


def middle_square(picture: Image.Image) -> Box:
    """The largest square in the middle of a picture."""
    side = min(picture.size)
    left, top = ((extent - side) // 2 for extent in picture.size)
    return left, top, left + side, top + side


def channel_statistics(images: NDArray[Any]) -> tuple[list[float], list[float]]:
    """Mean and standard deviation per channel of (N, C, H, W) uint8 pictures, in the range 0 to 1."""
    means, deviations = [], []
    for channel in range(images.shape[1]):
        # Counted in whole numbers: exact, the same on every processor, and no copy of the pictures in floating point.
        counts = [int(count) for count in np.bincount(images[:, channel].ravel(), minlength=256)]
        pixels = sum(counts)
        total = sum(count * value for value, count in enumerate(counts))
        squares = sum(count * value**2 for value, count in enumerate(counts))
        means.append(total / (255 * pixels))
        deviations.append(math.sqrt((squares * pixels - total**2) / (255 * pixels) ** 2))
    return means, deviations
