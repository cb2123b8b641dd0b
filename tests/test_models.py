"""Every family of models, and the residual networks against torchvision's."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torchvision
from torch import nn

from dla.models import cnn
from dla.models.base.registry import build, count_parameters
from dla.models.base.settings import FAMILIES, ModelSettings
from dla.models.mlp import SkipBlock
from dla.models.resnet import SampledConv1x1, Settings
from dla.params.file import load_params

from .conftest import ROOT

SHAPE = (3, 32, 32)
SMALL: dict[str, dict[str, Any]] = {  # settings that make a small net: those of a family that is not here are its runs'
    "mlp": {"widths": (16, 8, 8), "dropout": 0.5},
    "cnn": {"widths": (4, 8), "dropout": 0.5},
    "airbench": {"widths": (4, 8, 8)},
    "deep_cnn": {"width": 4, "depth": 3, "skips": False},
    "resnet": {"layers": 34, "skips": True, "stem": "cifar", "width": 8},
}
VARIANTS: dict[str, list[dict[str, Any]]] = {
    "mlp": [{"skips": True}],
    "deep_cnn": [{"skips": True}, {"batch_norm": False}],
    "resnet": [{"skips": False}, {"layers": 20}, {"layers": 20, "skips": False}, {"layers": 50}],
}


def settings(family: str, **changes: Any) -> ModelSettings:
    """Settings of a small net of the family; of a family nobody has put here, those of a run in params.yaml."""
    if family in SMALL:
        model: ModelSettings = FAMILIES.module(family).Settings(family=family, **SMALL[family] | changes)
        return model
    runs = load_params(ROOT / "params.yaml").train.values()
    return next(run.model for run in runs if run.model.family == family)


def resnet(layers: int, skips: bool = True, **changes: Any) -> ModelSettings:
    return settings("resnet", layers=layers, skips=skips, **changes)


MODELS: dict[str, ModelSettings] = {
    ", ".join([family, *(f"{key} {value}" for key, value in changes.items())]): settings(family, **changes)
    for family in FAMILIES.names()
    for changes in [{}, *VARIANTS.get(family, [])]
}
CONVOLUTIONAL = [name for name, model in MODELS.items() if hasattr(build(model, SHAPE, 10), "features")]


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 28, 28)])
def test_logits_have_one_column_per_class_and_every_weight_learns(name: str, shape: tuple[int, int, int]) -> None:
    model = build(MODELS[name], shape, 7)
    logits = model(torch.randn(4, *shape))
    assert logits.shape == (4, 7)
    logits.logsumexp(1).sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


@pytest.mark.parametrize("name", CONVOLUTIONAL)
def test_a_convolutional_model_exposes_its_last_feature_map(name: str) -> None:
    model: Any = build(MODELS[name], SHAPE, 10).eval()
    images = torch.randn(2, *SHAPE)
    features = model.features(images)
    assert features.ndim == 4
    torch.testing.assert_close(model.classify(features), model(images), rtol=0, atol=0)


@pytest.mark.parametrize("layers", [18, 34, 50])
def test_a_torchvision_state_dict_gives_the_same_logits(layers: int) -> None:
    theirs = getattr(torchvision.models, f"resnet{layers}")(num_classes=10).eval()
    ours = build(resnet(layers, stem="imagenet", width=64), (3, 64, 64), 10).eval()
    ours.load_state_dict(theirs.state_dict())
    images = torch.randn(2, 3, 64, 64)
    torch.testing.assert_close(ours(images), theirs(images), rtol=0, atol=0)


def test_without_skips_a_resnet_is_the_same_less_its_skips_and_their_projections() -> None:
    residual = build(resnet(34), SHAPE, 10).state_dict()
    plain = build(resnet(34, skips=False), SHAPE, 10).state_dict()
    assert {key for key in residual if key not in plain} == {key for key in residual if "downsample" in key}
    assert set(plain) < set(residual)


@pytest.mark.parametrize("layers", [20, 34])
def test_a_pair_starts_from_the_same_weights(layers: int) -> None:
    weights = []
    for skips in (True, False):
        torch.manual_seed(3)
        weights.append(build(resnet(layers, skips), SHAPE, 10).state_dict())
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[1])


def test_without_skips_a_block_that_yields_nothing_lets_nothing_through() -> None:
    """With its convolutions at zero a residual block is the identity on positive input; a plain block gives zero."""
    images = torch.rand(2, *SHAPE)
    through = {}
    for skips in (True, False):
        model: Any = build(resnet(20, skips), SHAPE, 10).eval()
        block = model.layer1[0]
        for layer in block.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.zeros_(layer.weight)
        entering = torch.relu(model.bn1(model.conv1(images)))
        through[skips] = (entering, block(entering))
    torch.testing.assert_close(through[True][1], through[True][0])
    assert through[False][1].abs().max() == 0


@pytest.mark.parametrize(("layers", "millions"), [(20, 0.27), (32, 0.46), (44, 0.66), (56, 0.85)])
def test_resnets_for_cifar_have_the_parameters_of_the_paper(layers: int, millions: float) -> None:
    assert round(count_parameters(build(resnet(layers, width=16), SHAPE, 10)) / 1e6, 2) == millions  # table 6


def test_a_plain_net_of_bottleneck_blocks_is_refused() -> None:
    with pytest.raises(ValueError, match="skips = False is for 18 to 44 layers"):
        resnet(50, skips=False)


def test_the_imagenet_stem_collapses_32_pixels_and_the_cifar_stem_does_not() -> None:
    for stem, side in (("imagenet", 1), ("cifar", 4)):
        model: Any = build(resnet(34, stem=stem), SHAPE, 10).eval()
        assert model.features(torch.randn(1, *SHAPE)).shape[2:] == (side, side)


def test_plain_and_residual_cnn_have_the_depth_they_name() -> None:
    for skips, convolutions in ((False, 1 + 5), (True, 1 + 2 * 5)):
        model = build(settings("deep_cnn", depth=5, skips=skips), SHAPE, 10)
        assert sum(isinstance(layer, nn.Conv2d) for layer in model.modules()) == convolutions


# --- the laboratories' nets ---------------------------------------------------------------------------------------


def test_a_skip_block_adds_its_input_to_two_layers_with_a_relu_between() -> None:
    block = SkipBlock(6, 6, dropout=0.5).eval()
    first, second = (layer for layer in block.modules() if isinstance(layer, nn.Linear))
    x = torch.randn(5, 6)
    torch.testing.assert_close(block(x), x + second(torch.relu(first(x))))


def test_a_skip_block_bridges_widths_that_differ_and_drops_out_inside() -> None:
    block = SkipBlock(6, 4, dropout=0.5)
    x = torch.randn(5, 6)
    for layer in block.layers:
        if isinstance(layer, nn.Linear):
            nn.init.zeros_(layer.weight), nn.init.zeros_(layer.bias)
    assert torch.equal(block(x), block.bridge(x))  # in training mode: what is added is not dropped


def test_the_first_and_the_last_layer_of_a_skip_mlp_are_plain() -> None:
    model = build(settings("mlp", skips=True, widths=(128, 64, 64)), (1, 28, 28), 10)
    kinds = [type(layer) for layer in model.children()]
    assert kinds == [nn.Flatten, nn.Linear, nn.ReLU, SkipBlock, SkipBlock, nn.Linear]
    linear = [(layer.in_features, layer.out_features) for layer in model.modules() if isinstance(layer, nn.Linear)]
    assert linear == [(784, 128), (128, 64), (64, 64), (128, 64), (64, 64), (64, 64), (64, 10)]


@pytest.mark.parametrize(
    ("changes", "size", "places"),
    [
        ({}, 32, 8),
        ({"widths": (4,) * 5}, 32, 1),
        ({"widths": (4,) * 9}, 32, 1),
        ({"kernel": 5, "padding": 2}, 28, 7),
        ({"kernel": 5, "padding": 0}, 28, 4),
        ({"stride": 2}, 33, 3),
        ({"kernel": 2, "padding": 3, "stride": 3}, 31, 2),
        ({"kernel": 9, "padding": 0}, 16, 0),
    ],
)
def test_kernel_stride_and_padding_decide_how_many_places_are_left(
    changes: dict[str, Any], size: int, places: int
) -> None:
    net: Any = settings("cnn", **changes)
    if not places:
        with pytest.raises(ValueError, match=f"leave nothing of {size} pixels"):
            net.require_room(size)
    else:
        net.require_room(size)
        model: Any = build(net, (3, size, size), 10).eval()
        assert model.features(torch.randn(1, 3, size, size)).shape[2:] == (places, places)


def test_a_narrow_projection_is_a_strided_convolution() -> None:
    torch.manual_seed(1)
    ours, x = SampledConv1x1(4, 8, 2), torch.randn(3, 4, 7, 6)
    theirs = nn.Conv2d(4, 8, kernel_size=1, stride=2, bias=False)
    theirs.load_state_dict(ours.state_dict())
    torch.testing.assert_close(ours(x), theirs(x))


@pytest.mark.parametrize(("width", "kind"), [(4, SampledConv1x1), (8, nn.Conv2d)])
def test_only_projections_of_few_channels_are_sampled(width: int, kind: type[nn.Module]) -> None:
    settings = Settings(family="resnet", layers=18, skips=True, stem="imagenet", width=width)
    net: Any = build(settings, SHAPE, 10)
    assert type(net.layer2[0].downsample[0]) is kind


def test_the_net_of_the_speed_runs_whitens_what_it_has_looked_at() -> None:
    model: Any = build(settings("airbench"), SHAPE, 10)
    torch.manual_seed(0)
    images = torch.nn.functional.avg_pool2d(torch.randn(50, 3, 36, 36), 5, stride=1)  # neighbours are alike
    model.look_at(images)
    filters = nn.functional.conv2d(images, model.filters).permute(1, 0, 2, 3).flatten(1)  # (24, places)
    variances = filters[:12] @ filters[:12].T / filters.shape[1]
    torch.testing.assert_close(variances, torch.eye(12), atol=0.3, rtol=0)  # weak directions are held down
    assert float(variances.diagonal()[-4:].min()) > 0.95  # strong ones are not
    torch.testing.assert_close(filters[:12], -filters[12:], atol=1e-5, rtol=0)


def test_the_cnn_drops_whole_channels() -> None:
    torch.manual_seed(0)
    some, none = (cnn.Settings(family="cnn", widths=(32,), dropout=dropout) for dropout in (0.5, 0.0))
    nets = [build(settings, (3, 8, 8), 10).train() for settings in (some, none)]
    nets[1].load_state_dict(nets[0].state_dict())
    images = torch.randn(16, 3, 8, 8)
    dropped, whole = (net.features(images) for net in nets)  # type: ignore[operator]
    gone = (dropped == 0).all(dim=(2, 3))
    assert 150 < int(gone.sum()) < 362  # of 512
    torch.testing.assert_close(dropped[~gone], 2 * whole[~gone])
