"""Muon: momentum whose updates are orthogonal (Jordan et al. 2024, kellerjordan.github.io/posts/muon)."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from dla.training.settings import Training


class Muon(Optimizer):
    """Updates of filters and hidden matrices are made orthogonal; Adam moves vectors, embeddings and the head.

    torch.optim.Muon takes matrices alone, and its steps seven times as long on a CPU (sixteen matrices of a GPT 128
    wide). Filters are kept at one norm, the root of their number, as in airbench94_muon
    (github.com/KellerJordan/cifar10-airbench): behind them should stand batch norm, which undoes that. Updates of
    matrices are as large as Adam's, and they may decay (Liu et al., arXiv 2502.16982, section 2.2).
    """

    def __init__(self, model: nn.Module, settings: Training) -> None:
        parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        outside = _embeddings_and_head(model)
        hidden = [parameter for parameter in parameters if parameter.ndim > 1 and id(parameter) not in outside]
        rest = [parameter for parameter in parameters if parameter.ndim <= 1 or id(parameter) in outside]
        rate, share = settings.learning_rate, settings.adam_share  # `Steps` sets rates anew, times the group's share
        groups: list[dict[str, Any]] = [{"params": rest, "lr": rate * share, "share": share}]
        groups += [{"params": hidden, "lr": rate, "share": 1.0}] if hidden else []
        defaults = {
            "momentum": settings.momentum,
            "beta2": settings.beta2,
            "weight_decay": settings.weight_decay,
        }
        super().__init__(groups, defaults)

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Move all weights."""
        rest, *hidden = self.param_groups
        for parameter in rest["params"]:
            self._adam(parameter, rest)
        for group in hidden:
            for parameter in group["params"]:
                self._orthogonal(parameter, group)

    def _orthogonal(self, parameter: torch.Tensor, group: dict[str, Any]) -> None:
        if parameter.grad is None:
            return
        state, momentum = self.state[parameter], group["momentum"]
        if not state:
            state["average"] = torch.zeros_like(parameter)
        average = state["average"].mul_(momentum).add_(parameter.grad)
        update = orthogonalize(parameter.grad.add(average, alpha=momentum).flatten(1))
        if parameter.ndim > 2:
            parameter.mul_(len(parameter) ** 0.5 / parameter.norm())
            parameter.add_(update.view_as(parameter), alpha=-group["lr"])
        else:
            parameter.mul_(1 - group["lr"] * group["weight_decay"])
            parameter.add_(update, alpha=-group["lr"] * 0.2 * max(parameter.shape) ** 0.5)

    def _adam(self, parameter: torch.Tensor, group: dict[str, Any]) -> None:
        if parameter.grad is None:
            return
        state, beta1, beta2 = self.state[parameter], group["momentum"], group["beta2"]
        if not state:
            state |= {"step": 0, "mean": torch.zeros_like(parameter), "square": torch.zeros_like(parameter)}
        state["step"] += 1
        mean = state["mean"].lerp_(parameter.grad, 1 - beta1)
        square = state["square"].lerp_(parameter.grad.square(), 1 - beta2)
        scale = (square / (1 - beta2 ** state["step"])).sqrt_().add_(1e-8)
        parameter.addcdiv_(mean, scale, value=-group["lr"] / (1 - beta1 ** state["step"]))


def _embeddings_and_head(model: nn.Module) -> set[int]:
    """Identities of the weights of embeddings and of the last matrix, which may be an embedding once more."""
    found = [module.weight for module in model.modules() if isinstance(module, nn.Embedding)]
    found += [weight for _, weight in model.named_parameters(remove_duplicate=False) if weight.ndim > 1][-1:]
    return {id(weight) for weight in found}


def orthogonalize(matrix: torch.Tensor, steps: int = 3) -> torch.Tensor:
    """Near U V^T of a matrix U S V^T, whatever its scale, by the Newton-Schulz iteration of Jordan's post.

    Five steps leave singular values between about 0.7 and 1.2; three, as in airbench94_muon, leave small ones smaller.
    """
    a, b, c = 3.4445, -4.7750, 2.0315  # the steepest slope at zero that stays bounded
    turned = matrix.shape[0] > matrix.shape[1]
    wide = matrix.T if turned else matrix
    wide = wide / (wide.norm() + 1e-7)
    for _ in range(steps):
        gram = wide @ wide.T
        wide = torch.addmm(wide, torch.addmm(gram, gram, gram, beta=b, alpha=c), wide, beta=a)
    return wide.T if turned else wide
