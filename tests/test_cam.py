"""Class activation maps against Captum, and the scores on maps whose value is known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.stats
import torch
from captum.attr import LayerGradCam
from torch import nn

from dla.core.artifacts import write_tensors
from dla.core.errors import UserError
from dla.models.base.registry import build
from dla.vision.maps.cam import activation_maps, enlarge, evidence, rescale
from dla.vision.maps.explain import explain
from dla.vision.maps.localisation import (
    centred_box_accuracy,
    deletion_and_insertion,
    faithfulness,
    localisation,
    max_box_accuracy,
    pointing_hits,
)
from dla.vision.maps.trained import Classifier
from dla.vision.settings import Explanation

from .test_models import CONVOLUTIONAL, MODELS, SHAPE


def warm(name: str) -> nn.Module:
    """A model whose batch norms have seen something."""
    torch.manual_seed(1)
    model = build(MODELS[name], SHAPE, 5)
    for _ in range(3):
        model(torch.randn(8, *SHAPE))
    return model.eval()


def last_feature_layer(model: nn.Module) -> nn.Module:
    return [child for name, child in model.named_children() if name not in ("head", "fc", "avgpool")][-1]


@pytest.mark.parametrize("name", CONVOLUTIONAL)
def test_the_map_is_captums_grad_cam_up_to_offset_and_scale(name: str) -> None:
    model = warm(name)
    inputs, classes = torch.randn(3, *SHAPE), torch.tensor([0, 4, 2])
    ours = activation_maps(model, inputs, classes)
    theirs = LayerGradCam(model, last_feature_layer(model)).attribute(inputs, classes).detach()[:, 0]
    places = ours[0].numel()
    bias = next(b for n, b in model.named_parameters() if n in ("head.bias", "fc.bias")).detach()[classes]
    torch.testing.assert_close(ours, theirs * places + bias[:, None, None], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", CONVOLUTIONAL)
def test_the_mean_of_the_evidence_is_the_logits(name: str) -> None:
    model = warm(name)
    inputs = torch.randn(3, *SHAPE)
    torch.testing.assert_close(evidence(model, inputs).mean((2, 3)), model(inputs), rtol=1e-4, atol=1e-4)


def test_a_net_without_global_pooling_gets_grad_cam() -> None:
    torch.manual_seed(0)
    convolution = nn.Conv2d(3, 4, 3, padding=1)
    model = nn.Sequential(convolution, nn.ReLU(), nn.MaxPool2d(4), nn.Flatten(), nn.Linear(4 * 64, 5)).eval()
    inputs, classes = torch.randn(2, *SHAPE), torch.tensor([1, 3])
    maps = activation_maps(model, inputs, classes)
    features = convolution(inputs)
    features.retain_grad()
    model[1:](features)[torch.arange(2), classes].sum().backward()  # Selvaraju et al., equations 1 and 2
    assert features.grad is not None
    weights = features.grad.mean((2, 3), keepdim=True)
    torch.testing.assert_close(maps, torch.relu((weights * features).sum(1)).detach())


@pytest.mark.parametrize("features", [True, False])
def test_maps_of_several_classes_are_those_of_each(features: bool) -> None:
    torch.manual_seed(0)
    without = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 32 * 32, 5)).eval()
    model = warm("cnn") if features else without
    inputs, classes = torch.randn(3, *SHAPE), torch.tensor([[0, 4], [1, 1], [3, 2]])
    both = activation_maps(model, inputs, classes)
    each = [activation_maps(model, inputs, classes[:, k]) for k in range(2)]
    torch.testing.assert_close(both, torch.stack(each, 1))


def test_a_perceptron_has_no_map_and_says_so() -> None:
    with pytest.raises(UserError, match="no convolution"):
        activation_maps(warm("mlp"), torch.randn(1, *SHAPE), torch.tensor([0]))


def test_maps_are_stretched_to_the_range_from_zero_to_one_and_flat_ones_are_zero() -> None:
    maps = rescale(torch.stack([torch.tensor([[1.0, 3.0], [2.0, 5.0]]), torch.full((2, 2), 7.0)]))
    torch.testing.assert_close(maps[0], torch.tensor([[0.0, 0.5], [0.25, 1.0]]))
    assert maps[1].abs().max() == 0
    assert enlarge(maps, 8, 8).shape == (2, 8, 8)


# --- localisation -------------------------------------------------------------------------------------------------

BOXES = np.array([[0, 0, 4, 4], [4, 0, 8, 8], [2, 2, 6, 6]], float)


def test_the_pointing_game_counts_strongest_places_inside_the_box() -> None:
    maps = np.zeros((3, 2, 2))
    maps[0, 0, 0] = maps[1, 1, 1] = 1  # middles at (2, 2) and (6, 6): both inside
    maps[2, 1, 1] = 1  # (6, 6): just outside, as right and bottom are excluded
    assert pointing_hits(maps, BOXES, 8).tolist() == [True, True, False]


def test_a_map_of_one_place_points_at_the_middle() -> None:
    assert pointing_hits(np.ones((3, 1, 1)), BOXES, 8).tolist() == [False, True, True]  # at (4, 4)


def test_a_map_that_is_the_box_has_full_box_accuracy_and_stray_specks_do_not_count() -> None:
    maps = np.zeros((3, 8, 8))
    for one, (left, top, right, bottom) in zip(maps, BOXES.astype(int), strict=True):
        one[top:bottom, left:right] = 0.9
    maps[0, 7, 7] = 1.0
    assert max_box_accuracy(maps, BOXES) == 1
    assert max_box_accuracy(np.zeros((3, 8, 8)), BOXES) == 0


def test_the_centred_box_is_the_best_of_all_sizes() -> None:
    assert centred_box_accuracy(BOXES, 8) == pytest.approx(1 / 3)  # the second alone or the third alone
    assert centred_box_accuracy(BOXES[2:], 8) == 1


class Corner(nn.Module):
    """Sure of class 1 if nearly all of the upper left quarter is bright."""

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        bright = (inputs[:, :, :4, :4].mean((1, 2, 3)) - 0.9) * 40
        return torch.stack([torch.zeros_like(bright), bright], 1)


def test_deletion_is_low_and_insertion_high_for_the_map_that_marks_what_matters() -> None:
    inputs = torch.zeros(2, 1, 8, 8)
    inputs[:, :, :4, :4] = 1
    right = torch.zeros(2, 8, 8)
    right[:, :4, :4] = 1
    classes = torch.tensor([1, 1])
    model: Any = Corner()
    good, bad = (deletion_and_insertion(model, inputs, maps, classes) for maps in (right, 1 - right))
    assert (good[0] < bad[0] - 0.5).all()
    assert (good[1] > bad[1] + 0.5).all()
    assert good[0].shape == good[1].shape == (2,)


def test_deletion_and_insertion_have_students_interval_of_the_paired_difference() -> None:
    torch.manual_seed(0)
    inputs = torch.rand(6, 1, 8, 8) * 0.4
    inputs[:, :, :4, :4] += 0.6
    maps, random = torch.rand(6, 8, 8), torch.rand(6, 8, 8)
    maps[:, :4, :4] += 1
    classes = torch.ones(6, dtype=torch.int64)
    model: Any = Corner()
    found = faithfulness(model, inputs, maps, random, classes)
    areas = [deletion_and_insertion(model, inputs, kind, classes) for kind in (maps, random)]
    for i, name in enumerate(("deletion", "insertion")):
        theirs = scipy.stats.ttest_rel(areas[0][i], areas[1][i]).confidence_interval(0.95)
        difference = found[name]["difference"]
        assert (difference["lower"], difference["upper"]) == pytest.approx((theirs.low, theirs.high))
        assert difference["mean"] == pytest.approx(found[name]["map"] - found[name]["random"])
        assert found[name]["n"] == 6
    alone = faithfulness(model, inputs[:1], maps[:1], random[:1], classes[:1])
    assert alone["deletion"]["difference"]["lower"] is None  # one picture has no spread


def test_pointing_has_wilsons_interval_and_the_cases_that_the_middle_shares() -> None:
    maps = torch.zeros(3, 2, 2)
    maps[0, 0, 0] = maps[1, 1, 1] = maps[2, 1, 1] = 1
    found = localisation(maps, BOXES, 8)["pointing"]
    assert (found["map"], found["centred_box"], found["n"]) == (2 / 3, 2 / 3, 3)
    assert (found["map_only"], found["centred_box_only"]) == (1, 1)
    theirs = scipy.stats.binomtest(2, 3).proportion_ci(0.95, method="wilson")
    assert (found["lower"], found["upper"]) == pytest.approx((theirs.low, theirs.high))


class Halves(nn.Module):
    """Evidence for class 0 in the left half and, stronger, for class 1 in the right half, whatever is there."""

    def features(self, images: torch.Tensor) -> torch.Tensor:
        halves = torch.tensor([[[1.0, 0.0], [1.0, 0.0]], [[0.0, 2.0], [0.0, 2.0]]])
        return halves.expand(len(images), 2, 2, 2)

    def classify(self, features: torch.Tensor) -> torch.Tensor:
        return features.mean((2, 3))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.classify(self.features(images))


def test_the_true_class_is_localised_and_the_predicted_one_is_drawn(tmp_path: Path) -> None:
    boxes = np.array([[0, 0, 4, 8]] * 5, np.float32)  # on the left, where the evidence for class 0 is
    one: dict[str, Any] = {
        "images": np.zeros((5, 1, 8, 8), np.uint8),
        "labels": np.zeros(5, np.int64),
        "ids": np.arange(5),
    }
    tensors = {f"{split}.{name}": value for split in ("validation", "test") for name, value in one.items()}
    prepared = tmp_path / "halves.safetensors"
    write_tensors(prepared, tensors | {"validation.boxes": boxes, "test.boxes": boxes}, {})
    run: Any = None  # nothing here asks how the model was trained
    model: Any = Halves()
    classifier = Classifier(model, run, ("left", "right"), "embedded", (1, 8, 8), torch.zeros(1, 1, 1), torch.ones(1))
    settings = Explanation(pictures=2, scored=3, seed=1)
    explanations = explain("halves", classifier, settings, "halves", prepared)
    found = explanations.metrics()
    assert found["pointing"]["map"] == found["validation"]["pointing"]["map"] == 1  # although class 1 is predicted
    assert found["max_box_accuracy"]["map"] == 1
    assert [drawn.predicted for drawn in explanations.drawn()] == ["right", "right"]
    assert all(drawn.map[:, 4:].min() > drawn.map[:, :4].max() for drawn in explanations.drawn())
    assert found["deletion"]["n"] == 3
    assert found["pictures"] == 2
