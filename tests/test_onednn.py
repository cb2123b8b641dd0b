"""Linear layers that oneDNN computes compute what torch's do."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

from dla.onednn import OneDnnLinear, replace_linear


def net(kind: str) -> nn.Sequential:
    torch.manual_seed(1)
    if kind == "Conv1D":
        return nn.Sequential(Conv1D(40, 24), nn.GELU(), Conv1D(8, 40))
    return nn.Sequential(nn.Linear(24, 40, kind == "biased"), nn.GELU(), nn.Linear(40, 8, kind == "biased"))


@pytest.mark.parametrize("kind", ["biased", "unbiased", "Conv1D"])
@pytest.mark.parametrize("shape", [(5,), (3, 7), (2, 3, 4)])
def test_values_and_gradients_are_those_of_torch(shape: tuple[int, ...], kind: str) -> None:
    x = torch.randn(*shape, 24, generator=torch.Generator().manual_seed(2))
    found = []
    for replaced in (False, True):
        model, inputs = net(kind), x.clone().requires_grad_()
        if replaced:
            replace_linear(model)
            assert [type(layer) for layer in model] == [OneDnnLinear, nn.GELU, OneDnnLinear]
        outputs = model(inputs)
        outputs.square().sum().backward()
        found.append([outputs, inputs.grad, *(parameter.grad for parameter in model.parameters())])
    for ours, theirs in zip(*reversed(found), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_weights_keep_their_names_and_what_shares_them() -> None:
    model = net("biased")
    before = dict(model.named_parameters())
    replace_linear(model)
    after = dict(model.named_parameters())
    assert before.keys() == after.keys()
    assert all(after[name] is parameter for name, parameter in before.items())


def test_a_frozen_layer_has_no_gradient() -> None:
    model = net("biased")
    replace_linear(model)
    model[0].requires_grad_(False)
    model(torch.ones(2, 24)).sum().backward()
    assert model[0].weight.grad is None
    assert model[2].weight.grad is not None


def test_under_autocast_it_is_torch_that_computes() -> None:
    model, x = net("biased"), torch.ones(2, 24)
    with torch.autocast("cpu", torch.bfloat16):
        expected = model(x)
        replace_linear(model)
        found = model(x)
    assert found.dtype == torch.bfloat16
    assert torch.equal(found, expected)
