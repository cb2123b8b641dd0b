"""Class activation maps: where in a picture a classifier finds the evidence for a class.

A net that ends in global average pooling and a linear layer has its map in its weights (Zhou et al., arXiv 1512.04150,
section 2); for other convolutional nets Grad-CAM (Selvaraju et al., arXiv 1610.02391) approximates it.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from dla.core.errors import UserError


def activation_maps(model: nn.Module, inputs: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    """Maps of the evidence for `classes` in `inputs` (B, C, H, W), at the resolution of the last feature map.

    Classes (B,) have maps (B, h, w), and classes (B, K) have maps (B, K, h, w).

    Raises
    ------
    UserError
        If the model has no feature map.
    """
    if hasattr(model, "features") and hasattr(model, "classify"):
        rows = torch.arange(len(inputs)).view(-1, *[1] * (classes.ndim - 1))
        return evidence(model, inputs)[rows, classes]
    if classes.ndim == 2:
        return torch.stack([grad_cam(model, inputs, column) for column in classes.T], 1)
    return grad_cam(model, inputs, classes)


@torch.no_grad()
def evidence(model: nn.Module, inputs: torch.Tensor) -> torch.Tensor:
    """Logits of every place of the last feature map taken by itself, (B, classes, h, w).

    Pooling and the last layer are linear, so that the mean over the places is the logits of the picture.
    """
    features = model.features(inputs)  # type: ignore[operator]
    count, channels, height, width = features.shape
    places = features.permute(0, 2, 3, 1).reshape(-1, channels, 1, 1)
    logits: torch.Tensor = model.classify(places)  # type: ignore[operator]
    return logits.view(count, height, width, -1).permute(0, 3, 1, 2)


def grad_cam(model: nn.Module, inputs: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    """Grad-CAM (B, h, w) at the last convolution."""
    convolutions = [module for module in model.modules() if isinstance(module, nn.Conv2d)]
    if not convolutions:
        raise UserError(f"{type(model).__name__} has no convolution, so there is no map of where it looks")
    from captum.attr import LayerGradCam

    maps: torch.Tensor = LayerGradCam(model, convolutions[-1]).attribute(inputs, classes, relu_attributions=True)
    return maps.detach()[:, 0]


def enlarge(maps: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Maps (B, h, w) at the resolution of the picture, (B, height, width)."""
    return F.interpolate(maps[:, None], (height, width), mode="bilinear", align_corners=False)[:, 0]


def rescale(maps: torch.Tensor) -> torch.Tensor:
    """Maps (B, h, w) each stretched to the range 0 to 1; one without any difference becomes 0."""
    low, high = maps.amin((1, 2), keepdim=True), maps.amax((1, 2), keepdim=True)
    return (maps - low) / (high - low).clamp_min(torch.finfo(maps.dtype).tiny)
