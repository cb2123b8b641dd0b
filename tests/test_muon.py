"""Muon: orthogonal updates, and Adam for what is no hidden matrix."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import pytest
import torch
from torch import nn

from dla.training.muon import orthogonalize
from dla.training.optim import build_optimizer
from dla.training.settings import Training


def settings(**changes: Any) -> Training:
    shared: dict[str, Any] = {"epochs": 1, "batch_size": 8, "optimizer": "muon", "learning_rate": 0.1}
    return Training(**shared | {"momentum": 0.6, "adam_share": 0.5} | changes)


def net() -> nn.Sequential:
    torch.manual_seed(0)
    layers = {"filters": nn.Conv2d(3, 8, 3), "flat": nn.Flatten(), "hidden": nn.Linear(32, 6), "head": nn.Linear(6, 4)}
    return nn.Sequential(OrderedDict(layers))


def gradient_of(model: nn.Module, name: str) -> torch.Tensor:
    gradient = model.get_parameter(name).grad
    assert gradient is not None
    return gradient.clone()


def backward(model: nn.Module, seed: int) -> None:
    torch.manual_seed(seed)
    nn.functional.cross_entropy(model(torch.randn(5, 3, 4, 4)), torch.arange(5) % 4).backward()


@pytest.mark.parametrize("shape", [(8, 27), (40, 12), (9, 9)])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_singular_values_come_near_one_and_directions_stay(shape: tuple[int, int], scale: float) -> None:
    torch.manual_seed(0)
    left, _ = torch.linalg.qr(torch.randn(shape[0], min(shape)))
    right, _ = torch.linalg.qr(torch.randn(shape[1], min(shape)))
    matrix = scale * left @ torch.diag(torch.linspace(0.2, 1.0, min(shape))) @ right.T
    found = orthogonalize(matrix, steps=5)
    inner = left.T @ found @ right
    torch.testing.assert_close(inner, torch.diag(inner.diagonal()), atol=1e-4, rtol=0)
    assert 0.65 < float(inner.diagonal().min()) <= float(inner.diagonal().max()) < 1.25


def test_a_filter_is_set_to_its_norm_and_moves_by_the_orthogonal_update() -> None:
    model = net()
    backward(model, 1)
    filters = model.get_parameter("filters.weight")
    before, gradient = filters.detach().clone(), gradient_of(model, "filters.weight")
    build_optimizer(model, settings()).step()
    expected = before * 8**0.5 / before.norm() - 0.1 * orthogonalize(1.6 * gradient.flatten(1)).view_as(before)
    torch.testing.assert_close(filters, expected)


def test_a_hidden_matrix_moves_by_the_orthogonal_update_of_its_momentum() -> None:
    model = net()
    optimizer = build_optimizer(model, settings(weight_decay=0.5))
    hidden, average = model.get_parameter("hidden.weight"), torch.zeros(6, 32)
    for seed in (1, 2, 3):
        backward(model, seed)
        before, gradient = hidden.detach().clone(), gradient_of(model, "hidden.weight")
        average = 0.6 * average + gradient
        optimizer.step()
        optimizer.zero_grad()
        update = 0.2 * 32**0.5 * orthogonalize(gradient + 0.6 * average)  # of roots of mean squares about 0.2
        torch.testing.assert_close(hidden, before * (1 - 0.1 * 0.5) - 0.1 * update)


def test_vectors_and_the_head_move_as_torchs_adam_moves_them() -> None:
    ours, theirs = net(), net()
    rest = ["filters.bias", "hidden.bias", "head.weight", "head.bias"]
    parameters = [theirs.get_parameter(name) for name in rest]
    optimizers = build_optimizer(ours, settings()), torch.optim.Adam(parameters, lr=0.05, betas=(0.6, 0.999))
    for seed in (1, 2, 3):
        backward(ours, seed)
        for name in rest:
            theirs.get_parameter(name).grad = gradient_of(ours, name)
        for optimizer in optimizers:
            optimizer.step()
        ours.zero_grad()
    for name in rest:
        torch.testing.assert_close(ours.get_parameter(name), theirs.get_parameter(name), rtol=1e-5, atol=1e-6)


def test_embeddings_move_as_adams_too_and_a_head_that_is_one_leaves_the_last_matrix_to_muon() -> None:
    torch.manual_seed(0)
    embedding, hidden, head = nn.Embedding(7, 5), nn.Linear(5, 5), nn.Linear(5, 7, bias=False)
    head.weight = embedding.weight
    model = nn.Sequential(embedding, hidden, head)
    model(torch.arange(7)).square().mean().backward()
    before = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    gradients = {name: gradient_of(model, name) for name in before}
    build_optimizer(model, settings(adam_share=1.0)).step()
    moved = {name: weight.detach() - before[name] for name, weight in model.named_parameters()}
    torch.testing.assert_close(moved["0.weight"], -0.1 * gradients["0.weight"].sign(), rtol=1e-3, atol=1e-4)
    update = 0.2 * 5**0.5 * orthogonalize(1.6 * gradients["1.weight"])
    torch.testing.assert_close(moved["1.weight"], -0.1 * update, rtol=1e-4, atol=1e-6)


def test_settings_of_muon_are_for_muon() -> None:
    with pytest.raises(ValueError, match=r"adam_share = 0.5 is for optimizer: muon alone"):
        settings(optimizer="sgd")
