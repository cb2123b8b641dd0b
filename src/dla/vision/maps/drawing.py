"""Pictures with their class activation maps."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from dla.data.pixels import middle_square, opaque
from dla.figures import new_figure

STRENGTH = 0.6  # opacity of a map's strongest place


@dataclass(frozen=True)
class Explained:
    """One picture and what a classifier made of it."""

    identity: int  # of the picture in its split
    pixels: NDArray[Any]  # (C, H, W) uint8
    map: NDArray[Any]  # (H, W), range 0 to 1
    predicted: str
    probability: float
    true: str

    @property
    def caption(self) -> str:
        """Prediction, its probability, and the truth."""
        return f"{self.predicted}  {self.probability:.0%}\ntrue: {self.true}"

    def picture(self) -> Image.Image:
        """The picture in colour."""
        return Image.fromarray(np.broadcast_to(self.pixels.transpose(1, 2, 0), (*self.map.shape, 3)).copy())


def blend(picture: Image.Image, strengths: NDArray[Any]) -> Image.Image:
    """A map (h, w), range 0 to 1, over the middle square of a picture of any size: strong is bright and opaque."""
    photo = opaque(picture).convert("RGB")
    left, top, right, bottom = middle_square(photo)
    square = Image.fromarray(np.uint8(strengths * 255)).resize((right - left, bottom - top), Image.Resampling.BILINEAR)
    strong = np.asarray(square) / 255
    heat = Image.fromarray(np.uint8(mpl.colormaps["inferno"](strong)[..., :3] * 255))
    photo.paste(heat, (left, top), Image.fromarray(np.uint8(strong * STRENGTH * 255)))
    return photo


def draw_one(explained: Explained) -> Figure:
    """Picture, map and both in one, with prediction and truth."""
    with new_figure(7.2, 3.1) as figure:
        axes = figure.subplots(1, 3)
        _show(axes[0], explained.picture(), "picture")
        _show(axes[1], explained.map, "evidence")
        _show(axes[2], blend(explained.picture(), explained.map), "both")
        figure.suptitle(explained.caption.replace("\n", "    "), color=_colour(explained))
    return figure


def draw_grid(pictures: list[Explained], title: str) -> Figure:
    """Pictures with their maps over them, in a square of rows and columns; wrong predictions in red."""
    side = math.ceil(math.sqrt(len(pictures)))
    with new_figure(2.1 * side, 2.5 * side + 0.5) as figure:
        axes = figure.subplots(side, side, squeeze=False).ravel()
        for axis in axes:
            axis.set_axis_off()
        for axis, explained in zip(axes, pictures, strict=False):
            _show(axis, blend(explained.picture(), explained.map), explained.caption, _colour(explained))
        figure.suptitle(title)
    return figure


def _show(axis: Axes, picture: Any, title: str, colour: str = "black") -> None:
    axis.imshow(picture)
    axis.set_title(title, color=colour)
    axis.set_axis_off()


def _colour(explained: Explained) -> str:
    return "black" if explained.predicted == explained.true else "#b2182b"
