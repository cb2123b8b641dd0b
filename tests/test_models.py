"""Every model of the registry, and the residual networks against torchvision's."""

from __future__ import annotations

from typing import Any, get_args

import pytest
import torch
import torchvision
from torch import nn

from dla.models.mlp import SkipBlock
from dla.models.base.registry import BUILDERS, build, count_parameters
from dla.models.base.settings import CNNModel, DeepCNNModel, MLPModel, Model, ResNetModel

SHAPE = (3, 32, 32)


def resnet(name: Any, stem: Any = "cifar", width: int = 8) -> ResNetModel:
    return ResNetModel(family="resnet", name=name, stem=stem, width=width)


MODELS: dict[str, Model] = {
    "mlp": MLPModel(family="mlp", name="mlp", widths=(16, 8), dropout=0.5),
    "skip_mlp": MLPModel(family="mlp", name="skip_mlp", widths=(16, 8, 8), dropout=0.5),
    "cnn": CNNModel(family="cnn", name="cnn", widths=(4, 8), dropout=0.5),
    "plain_cnn": DeepCNNModel(family="deep_cnn", name="plain_cnn", width=4, depth=3),
    "residual_cnn": DeepCNNModel(family="deep_cnn", name="residual_cnn", width=4, depth=2),
    **{name: resnet(name) for name in ("resnet34", "resnet50", "convnet34", "resnet20", "plain20")},
}
CONVOLUTIONAL = [name for name in MODELS if "mlp" not in name]


def test_the_registry_knows_exactly_the_models_that_parameters_may_name() -> None:
    named = {
        name
        for kind in get_args(get_args(Model)[0])
        for name in get_args(kind.__dataclass_fields__["name"].type) or _literals(kind)
    }
    for settings in MODELS.values():
        build(settings, SHAPE, 10)
    assert set(BUILDERS) == named == set(MODELS)


def _literals(kind: Any) -> tuple[str, ...]:
    from typing import get_type_hints

    return get_args(get_type_hints(kind)["name"])


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


@pytest.mark.parametrize(("name", "width"), [("resnet34", 64), ("resnet50", 64)])
def test_a_torchvision_state_dict_gives_the_same_logits(name: str, width: int) -> None:
    theirs = getattr(torchvision.models, name)(num_classes=10).eval()
    ours = build(resnet(name, "imagenet", width), (3, 64, 64), 10).eval()
    ours.load_state_dict(theirs.state_dict())
    images = torch.randn(2, 3, 64, 64)
    torch.testing.assert_close(ours(images), theirs(images), rtol=0, atol=0)


def test_convnet34_is_resnet34_less_its_skips_and_their_projections() -> None:
    residual = build(resnet("resnet34"), SHAPE, 10).state_dict()
    plain = build(resnet("convnet34"), SHAPE, 10).state_dict()
    assert {key for key in residual if key not in plain} == {key for key in residual if "downsample" in key}
    assert set(plain) < set(residual)


@pytest.mark.parametrize(("residual", "plain"), [("resnet34", "convnet34"), ("resnet20", "plain20")])
def test_a_pair_starts_from_the_same_weights(residual: str, plain: str) -> None:
    weights = []
    for name in (residual, plain):
        torch.manual_seed(3)
        weights.append(build(resnet(name), SHAPE, 10).state_dict())
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[1])


def test_without_skips_a_block_that_yields_nothing_lets_nothing_through() -> None:
    """With its convolutions at zero a residual block is the identity on positive input; a plain block gives zero."""
    images = torch.rand(2, *SHAPE)
    through = {}
    for name in ("resnet20", "plain20"):
        model: Any = build(resnet(name), SHAPE, 10).eval()
        block = model.layer1[0]
        for layer in block.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.zeros_(layer.weight)
        entering = torch.relu(model.bn1(model.conv1(images)))
        through[name] = (entering, block(entering))
    torch.testing.assert_close(through["resnet20"][1], through["resnet20"][0])
    assert through["plain20"][1].abs().max() == 0


def test_resnet20_has_the_parameters_of_the_paper() -> None:
    assert count_parameters(build(resnet("resnet20", width=16), SHAPE, 10)) == 269_722  # 0.27 M in table 6


def test_the_imagenet_stem_collapses_32_pixels_and_the_cifar_stem_does_not() -> None:
    for stem, side in (("imagenet", 1), ("cifar", 4)):
        model: Any = build(resnet("resnet34", stem), SHAPE, 10).eval()
        assert model.features(torch.randn(1, *SHAPE)).shape[2:] == (side, side)


def test_plain_and_residual_cnn_have_the_depth_they_name() -> None:
    for name, convolutions in (("plain_cnn", 1 + 5), ("residual_cnn", 1 + 2 * 5)):
        settings = DeepCNNModel(family="deep_cnn", name=name, width=4, depth=5)  # type: ignore[arg-type]
        model = build(settings, SHAPE, 10)
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
    settings = MLPModel(family="mlp", name="skip_mlp", widths=(128, 64, 64), dropout=0.5)
    model = build(settings, (1, 28, 28), 10)
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
    settings = CNNModel(**({"family": "cnn", "name": "cnn", "widths": (4, 8)} | changes))
    assert settings.places(size) == places
    if places:
        model: Any = build(settings, (3, size, size), 10).eval()
        assert model.features(torch.randn(1, 3, size, size)).shape[2:] == (places, places)
