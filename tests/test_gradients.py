"""Gradients as they are measured against gradients as a hook of torch sees them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from dla.models import deep_cnn, resnet
from dla.models.base.registry import build, layer_groups
from dla.training.epoch import CrossEntropy
from dla.training.settings import Runtime
from dla.vision.gradients import (
    Recorded,
    dense_rows,
    endless,
    gradient_metrics,
    map_rows,
    record,
    study_gradients,
)
from dla.vision.groups import GroupGradients
from dla.vision.settings import GradientStudy
from dla.vision.training.batches import ImageBatches, read_split

STUDY = GradientStudy(
    data="mnist",
    depths=(1, 2),
    batch_norm=(True, False),
    initialisation=("default", "he"),
    width=4,
    seeds=(1,),
    steps=5,
    window=3,
    batch_size=8,
    optimizer="adam",
    learning_rate=1e-3,
)


def plain(width: int, depth: int, initialisation: Literal["default", "he"]) -> deep_cnn.Settings:
    """A plain net without batch norm."""
    return deep_cnn.Settings(
        family="deep_cnn", width=width, depth=depth, skips=False, batch_norm=False, initialisation=initialisation
    )


def batches(digits: Path) -> ImageBatches:
    split, facts = read_split(digits, "train", torch.device("cpu"))
    return ImageBatches(split.first(40), facts, 8, seed=1)


def hooked(parameters: Sequence[torch.Tensor]) -> list[list[torch.Tensor]]:
    """Gradients of each parameter as hooks see them, one list per parameter, growing."""
    seen: list[list[torch.Tensor]] = [[] for _ in parameters]
    for parameter, gradients in zip(parameters, seen, strict=True):
        parameter.register_hook(lambda gradient, kept=gradients: kept.append(gradient.clone()))
    return seen


def test_group_statistics_are_those_of_the_gradients_that_hooks_see(digits: Path) -> None:
    model = build(resnet.Settings(family="resnet", layers=20, skips=True, stem="cifar", width=4), (1, 8, 8), 10)
    groups = layer_groups(model)
    seen = {name: hooked(parameters) for name, parameters in groups.items()}
    probe = GroupGradients(model)
    for batch in batches(digits).epoch(1):
        loss, _, _ = CrossEntropy()(model, batch)
        model.zero_grad()
        loss.backward()
        probe.step()
    found = probe.epoch()
    for name, gradients in seen.items():
        steps = [torch.cat([g[i].flatten() for g in gradients]).double() for i in range(5)]
        every = torch.cat(steps)
        assert found[f"{name}.mean"] == pytest.approx(float(every.mean()), rel=1e-4, abs=1e-8)
        assert found[f"{name}.variance"] == pytest.approx(float(every.var(correction=0)), rel=1e-4)
        assert found[f"{name}.norm"] == pytest.approx(np.mean([float(step.norm()) for step in steps]), rel=1e-4)


def test_an_epoch_forgets_the_one_before(digits: Path) -> None:
    model = build(resnet.Settings(family="resnet", layers=20, skips=True, stem="cifar", width=4), (1, 8, 8), 10)
    probe = GroupGradients(model)
    found = []
    for _ in range(2):
        loss, _, _ = CrossEntropy()(model, next(batches(digits).epoch(1)))
        model.zero_grad()
        loss.backward()
        probe.step()
        found.append(probe.epoch())
    assert found[0] == pytest.approx(found[1], rel=1e-5)


def test_layer_groups_of_a_resnet_are_stem_stages_and_head_and_hold_every_weight() -> None:
    model = build(resnet.Settings(family="resnet", layers=34, skips=True, stem="imagenet", width=4), (3, 32, 32), 10)
    groups = layer_groups(model)
    assert list(groups) == ["stem", "layer1", "layer2", "layer3", "layer4", "head"]
    assert sum(len(parameters) for parameters in groups.values()) == len(list(model.parameters()))


@pytest.mark.parametrize("skips", [False, True])
@pytest.mark.parametrize("batch_norm", [True, False])
def test_recorded_gradients_are_those_that_hooks_see(digits: Path, skips: bool, batch_norm: bool) -> None:
    torch.manual_seed(0)
    settings = deep_cnn.Settings(family="deep_cnn", width=4, depth=2, skips=skips, batch_norm=batch_norm)
    model = build(settings, (1, 8, 8), 10)
    layers = [module for module in model.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    seen = hooked([layer.weight for layer in layers])
    dense, norms = record(model, islice(endless(batches(digits)), 5), STUDY)
    assert dense.tolist() == pytest.approx([float(g.abs().mean()) for g in seen[-1]])
    expected = np.array([[float(g.norm()) for g in gradients] for gradients in seen]).T
    np.testing.assert_allclose(norms, expected, rtol=1e-5)


def test_the_study_covers_every_net_and_is_the_same_every_time(digits: Path) -> None:
    runtime = Runtime(device="cpu", precision="float32", compile="never", threads=1)
    first, again = (study_gradients(STUDY, digits, runtime) for _ in range(2))
    assert len(first) == 2 * 2 * 2 * 2
    for one, other in zip(first, again, strict=True):
        assert one.model == other.model
        np.testing.assert_array_equal(one.norms, other.norms)
    assert first[0].layers == 1 + 1 + 1  # stem, one layer, dense
    assert len(list(dense_rows(first))) == 16 * STUDY.steps
    assert len(list(map_rows(first))) == sum(r.layers for r in first) * STUDY.steps
    assert set(gradient_metrics(first, 3)) == {
        f"{name}, {norm} batch norm, {initialisation} initialisation"
        for name in ("plain_cnn", "residual_cnn")
        for norm in ("with", "without")
        for initialisation in ("default", "he")
    }


def test_a_gradient_that_shrinks_tenfold_with_every_layer_has_slope_minus_one() -> None:
    def net(depth: int) -> Recorded:
        settings = deep_cnn.Settings(family="deep_cnn", width=4, depth=depth, skips=False)
        norms = np.tile(10.0 ** np.arange(-depth, 2), (4, 1))  # first to last: 10**-depth to 10
        return Recorded(settings, 1, 10.0 ** -np.full(4, depth), norms)

    found = gradient_metrics([net(1), net(2), net(5)], window=2)["plain_cnn, with batch norm, he initialisation"]
    assert found["dense"] == pytest.approx({"1": 0.1, "2": 0.01, "5": 1e-5})
    assert found["first_to_last"] == pytest.approx({"1": 0.1, "2": 0.01, "5": 1e-5})
    assert found["slope"] == pytest.approx({"dense": -1, "first_to_last": -1})


def test_slopes_of_several_seeds_have_a_mean_and_an_interval() -> None:
    def net(seed: int, depth: int, exponent: float) -> Recorded:
        settings = deep_cnn.Settings(family="deep_cnn", width=4, depth=depth, skips=False)
        gradient = 10.0 ** (exponent * (depth + 2))  # of so many layers
        return Recorded(settings, seed, np.full(4, gradient), np.full((4, depth + 2), 1.0))

    slopes = {1: -1.0, 2: -2.0, 3: -6.0}
    recorded = [net(seed, depth, slope) for seed, slope in slopes.items() for depth in (1, 3)]
    (found,) = gradient_metrics(recorded, window=2).values()
    assert found["n"] == 3
    assert found["dense"] == pytest.approx({"1": 1e-6, "3": 1e-10})  # those of the second seed
    assert found["slope"] == pytest.approx({"dense": -3.0, "first_to_last": 0.0})
    low, high = stats.t.interval(0.95, 2, loc=-3.0, scale=stats.sem(list(slopes.values())))
    assert (found["slope_lower"]["dense"], found["slope_upper"]["dense"]) == pytest.approx((low, high))
    assert {row["gradient"] for row in dense_rows(recorded)} == {"0.001", "1e-05"}  # of the first seed alone


def test_what_is_not_finite_has_no_slope_and_is_no_number() -> None:
    """Without batch norm a residual net's signal doubles in every block: a deep enough one overflows."""
    nets = [
        Recorded(
            deep_cnn.Settings(family="deep_cnn", width=4, depth=depth, skips=True),
            1,
            np.full(2, value),
            np.full((2, 3), value),
        )
        for depth, value in ((1, 1.0), (2, np.inf))
    ]
    (found,) = gradient_metrics(nets, window=2).values()
    assert found["dense"] == {"1": 1.0, "2": None}
    assert found["slope"] == {"dense": None, "first_to_last": None}
    assert [row["gradient"] for row in dense_rows(nets)] == ["1", "1", "", ""]
    assert {row["norm"] for row in map_rows(nets)} == {"1", ""}


def first_to_last(initialisation: Any, digits: Path) -> float:
    """Ratio of the norms of the first and the last convolution's gradient in a deep plain net, at the first step."""
    torch.manual_seed(0)
    model = build(plain(8, 30, initialisation), (1, 8, 8), 10)
    _, norms = record(model, islice(endless(batches(digits)), 1), replace(STUDY, steps=1))
    return float(norms[0, 0] / norms[0, -2])


def test_what_vanishes_without_batch_norm_vanishes_by_pytorchs_initialisation(digits: Path) -> None:
    assert first_to_last("default", digits) < 1e-6
    assert 0.1 < first_to_last("he", digits) < 10


def test_the_default_initialisation_is_pytorchs_and_hes_keeps_the_variance_of_gradients() -> None:
    weights = {}
    names: tuple[Literal["default", "he"], ...] = ("default", "he")
    for initialisation in names:
        torch.manual_seed(0)
        settings = plain(32, 1, initialisation)
        weights[initialisation] = build(settings, (1, 8, 8), 10).state_dict()
    torch.manual_seed(0)
    assert torch.equal(weights["default"]["body.0.0.weight"], nn.Conv2d(32, 32, 3).weight)  # the first that is made
    assert float(weights["he"]["body.0.0.weight"].var()) == pytest.approx(2 / (9 * 32), rel=0.05)
    assert not weights["he"]["body.0.0.bias"].any()
    assert weights["default"].keys() == weights["he"].keys()
