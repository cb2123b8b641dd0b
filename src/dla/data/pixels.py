"""From a picture of any mode and size to the pixels a model takes."""

from __future__ import annotations

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
