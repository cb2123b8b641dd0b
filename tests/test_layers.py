"""Layers of our own against what they stand for."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from dla.models.base.layers import Dropout, Float32Linear, ZeroPadding


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("probability", [0.1, 0.5])
def test_dropout_drops_the_given_share_and_scales_the_rest(
    layout: torch.memory_format, dtype: torch.dtype, probability: float
) -> None:
    torch.manual_seed(0)
    x = torch.ones(64, 16, 32, 32, dtype=dtype).contiguous(memory_format=layout)
    dropped = Dropout(probability)(x)
    assert dropped.is_contiguous(memory_format=layout)
    share = float((dropped == 0).double().mean())
    deviation = (probability * (1 - probability) / x.numel()) ** 0.5
    assert abs(share - probability) < 4 * deviation
    assert dropped.unique().tolist() == pytest.approx([0, 1 / (1 - probability)], rel=1e-2)


def test_dropped_entries_are_independent_of_their_neighbours() -> None:
    """Four entries share one draw, of which each has bits of its own."""
    torch.manual_seed(0)
    kept = (Dropout(0.5)(torch.ones(400_000)) > 0).double().view(-1, 4)
    assert torch.corrcoef(kept.T).fill_diagonal_(0).abs().max() < 0.02
    assert (kept.mean(0) - 0.5).abs().max() < 0.01


def test_dropout_lets_gradients_through_where_it_lets_values_through() -> None:
    x = torch.randn(10, 8, requires_grad=True)
    dropped = Dropout(0.3)(x)
    dropped.sum().backward()
    assert x.grad is not None
    torch.testing.assert_close(x.grad, (dropped / x).detach())


@pytest.mark.parametrize("shape", [(3,), (1, 5, 7), (2, 8)])
def test_dropout_follows_the_seed_and_is_off_in_evaluation(shape: tuple[int, ...]) -> None:
    x, layer = torch.randn(shape), Dropout(0.5)
    results = []
    for _ in range(2):
        torch.manual_seed(1)
        results.append(layer(x))
    assert torch.equal(*results)
    assert torch.equal(layer.eval()(x), x)


def test_zero_padding_keeps_every_second_pixel_and_adds_empty_channels() -> None:
    x = torch.arange(32.0).view(1, 2, 4, 4)
    padded = ZeroPadding(channels=3, stride=2)(x)
    assert padded.shape == (1, 5, 2, 2)
    assert torch.equal(padded[:, :2], x[:, :, ::2, ::2])
    assert padded[:, 2:].abs().max() == 0


def test_a_layer_in_float32_keeps_its_weights_and_their_names_and_knows_no_autocast() -> None:
    torch.manual_seed(0)
    layer, x = nn.Linear(8, 3), torch.randn(4, 8)
    drawn = torch.get_rng_state()
    exact = Float32Linear(layer)
    assert torch.equal(torch.get_rng_state(), drawn)  # or every weight after it would be another
    assert [*exact.state_dict()] == [*layer.state_dict()]
    with torch.autocast("cpu", torch.bfloat16):
        rounded, found = layer(x), exact(x)
    assert rounded.dtype == torch.bfloat16
    assert torch.equal(found, layer(x))
    assert exact.weight is layer.weight
