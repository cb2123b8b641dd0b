"""How good a map of evidence is: does it find the object, and do the marked pixels matter to the prediction?"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import integrate, ndimage
from torch import nn
from torch.nn import functional as F

from dla.statistics.outcomes import student, wilson
from dla.vision.maps.cam import enlarge, rescale

THRESHOLDS = np.linspace(0.05, 0.95, 19)
STEPS = 16  # fractions of a picture that deletion and insertion go through


# --- where the object is known ------------------------------------------------------------------------------------


def localisation(maps: torch.Tensor, boxes: NDArray[Any], size: int) -> dict[str, Any]:
    """Pointing game and MaxBoxAcc of maps (N, h, w) of the class that is there, and of what looks at no picture.

    Both ask where an object is whose class is given, whatever the classifier predicts: so do their papers, and a wrong
    prediction is not the map's mistake.
    """
    hits = pointing_hits(maps.numpy(), boxes, size)
    middle = pointing_hits(np.ones((len(boxes), 1, 1)), boxes, size)
    lower, upper = wilson(int(hits.sum()), len(hits))
    return {
        "pointing": {
            "n": len(boxes),
            "map": float(hits.mean()),
            "lower": lower,
            "upper": upper,
            "centred_box": float(middle.mean()),
            "map_only": int((hits & ~middle).sum()),
            "centred_box_only": int((middle & ~hits).sum()),
        },
        "max_box_accuracy": {
            "n": len(boxes),
            "map": max_box_accuracy(enlarge(rescale(maps), size, size).numpy(), boxes),
            "centred_box": centred_box_accuracy(boxes, size),
        },
    }


def pointing_hits(maps: NDArray[Any], boxes: NDArray[Any], size: int) -> NDArray[Any]:
    """The pointing game (Zhang et al., arXiv 1608.00507): whether the strongest place (N,) lies inside the box.

    Their share is the mean over classes of each class's; here every picture counts once.

    Parameters
    ----------
    maps : (N, h, w) at the resolution of the feature map; its place is the middle of the strongest cell
    boxes : (N, 4) left, top, right, bottom in pixels of the picture
    size : height and width of the picture in pixels
    """
    count, height, width = maps.shape
    rows, columns = np.divmod(maps.reshape(count, -1).argmax(1), width)
    x, y = (columns + 0.5) * size / width, (rows + 0.5) * size / height
    left, top, right, bottom = boxes.T
    inside: NDArray[Any] = (left <= x) & (x < right) & (top <= y) & (y < bottom)
    return inside


def max_box_accuracy(maps: NDArray[Any], boxes: NDArray[Any]) -> float:
    """MaxBoxAcc (Choe et al., arXiv 2001.07437): best over thresholds of how often the map's box meets the object's.

    As there, the best threshold is that of the very pictures that are scored, which flatters every map a little. The
    box of a map (N, H, W), in the range 0 to 1, is that of the largest connected part above the threshold; it meets the
    object's if they share half of their union (IoU 0.5).
    """
    hits = [np.mean([_iou(_box(m >= t), box) >= 0.5 for m, box in zip(maps, boxes, strict=True)]) for t in THRESHOLDS]
    return float(max(hits))


def centred_box_accuracy(boxes: NDArray[Any], size: int) -> float:
    """What `max_box_accuracy` is for centred squares of any one size: a guess that looks at no picture."""
    middle = size / 2
    squares = [
        (middle - side / 2, middle - side / 2, middle + side / 2, middle + side / 2) for side in range(1, size + 1)
    ]
    return float(max(np.mean([_iou(square, box) >= 0.5 for box in boxes]) for square in squares))


def _box(marked: NDArray[Any]) -> tuple[float, float, float, float]:
    """Left, top, right, bottom of the largest connected part of a mask (H, W); empty without any."""
    parts, count = ndimage.label(marked)
    if count == 0:
        return 0.0, 0.0, 0.0, 0.0
    largest = np.bincount(parts.ravel())[1:].argmax()
    rows, columns = ndimage.find_objects(parts)[largest]
    return columns.start, rows.start, columns.stop, rows.stop


def _iou(first: Any, second: Any) -> float:
    """Intersection over union of two boxes."""
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    shared = max(width, 0) * max(height, 0)
    union = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (first, second)) - shared
    return float(shared / union)


# --- on any data --------------------------------------------------------------------------------------------------


def faithfulness(
    model: nn.Module, inputs: torch.Tensor, maps: torch.Tensor, random: torch.Tensor, classes: torch.Tensor
) -> dict[str, Any]:
    """Deletion and insertion of `maps` (B, H, W) and of `random` ones, and their difference picture by picture."""
    areas = [deletion_and_insertion(model, inputs, kind, classes) for kind in (maps, random)]
    return {
        name: {
            "n": len(inputs),
            "map": float(map_area.mean()),
            "random": float(random_area.mean()),
            "difference": _mean_with_interval(map_area - random_area),
        }
        for name, map_area, random_area in zip(("deletion", "insertion"), *areas, strict=True)
    }


def _mean_with_interval(values: NDArray[Any]) -> dict[str, float | None]:
    """Mean and Student's 95 % interval of values (N,), which one value has not."""
    mean, n = float(values.mean()), len(values)
    lower, upper = student(mean, float(values.std(ddof=1)), n) if n > 1 else (None, None)
    return {"mean": mean, "lower": lower, "upper": upper}


@torch.no_grad()
def deletion_and_insertion(
    model: nn.Module, inputs: torch.Tensor, maps: torch.Tensor, classes: torch.Tensor
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Areas (B,) under the probability of `classes` (B,) as the strongest pixels go, and as they come.

    Petsiuk et al. (arXiv 1806.07421, section 4.1): deletion replaces pixels by the mean colour, strongest first, and is
    low where the map is right; insertion begins with a blurred picture and is high. `inputs` (B, C, H, W) are
    normalised, `maps` are (B, H, W).
    """
    order = maps.flatten(1).argsort(stable=True, dim=1, descending=True)
    rank = torch.empty_like(order).scatter_(1, order, torch.arange(order.shape[1]).expand_as(order))
    rank = rank.view(len(maps), 1, *maps.shape[1:])  # 0: the strongest pixel
    blurred = blur(inputs)
    deletion, insertion = [], []
    for fraction in np.linspace(0, 1, STEPS + 1):
        chosen = rank < round(float(fraction) * order.shape[1])
        deletion.append(_probability(model, inputs.masked_fill(chosen, 0.0), classes))
        insertion.append(_probability(model, torch.where(chosen, inputs, blurred), classes))
    curves = (torch.stack(curve).double().numpy() for curve in (deletion, insertion))
    gone, come = (integrate.trapezoid(curve, dx=1 / STEPS, axis=0) for curve in curves)
    return gone, come


def blur(inputs: torch.Tensor) -> torch.Tensor:
    """Pictures (B, C, H, W) in which nothing can be made out: averaged three times over a quarter of their width."""
    side = inputs.shape[-1] // 4 | 1
    for _ in range(3):
        inputs = F.avg_pool2d(inputs, side, stride=1, padding=side // 2, count_include_pad=False)
    return inputs


def _probability(model: nn.Module, inputs: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    probabilities: torch.Tensor = model(inputs).softmax(1)
    return probabilities[torch.arange(len(inputs)), classes]
