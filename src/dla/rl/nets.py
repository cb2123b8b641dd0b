"""Small nets of agents, and policies as distributions over actions."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F

from dla.errors import UserError


def sizes(observations: spaces.Space[Any], actions: spaces.Space[Any]) -> tuple[int, int]:
    """Numbers in an observation, and in an action or how many actions there are.

    Raises
    ------
    UserError
        If observations are no vectors or arrays, or actions neither those nor numbered from 0.
    """
    if not isinstance(observations, spaces.Box):
        raise UserError(f"agents here observe Box spaces, not {observations}")
    if isinstance(actions, spaces.Discrete) and actions.start == 0:
        return spaces.flatdim(observations), int(actions.n)
    if isinstance(actions, spaces.Box):
        return spaces.flatdim(observations), spaces.flatdim(actions)
    raise UserError(f"agents here act in Box spaces and in Discrete ones that begin at 0, not in {actions}")


def linear(inputs: int, outputs: int, gain: float) -> nn.Linear:
    """A layer with orthogonal weights (Saxe et al. 2014) of so large a gain, and without biases at first."""
    layer = nn.Linear(inputs, outputs)
    nn.init.orthogonal_(layer.weight, gain)
    nn.init.zeros_(layer.bias)
    return layer


def hidden_layers(inputs: int, widths: Sequence[int]) -> nn.Sequential:
    """Layers with tanh after each, (B, inputs) -> (B, last of widths)."""
    pairs = pairwise([inputs, *widths])
    return nn.Sequential(*(layer for pair in pairs for layer in (linear(*pair, gain=2**0.5), nn.Tanh())))


def flatten(net: nn.Module) -> nn.Parameter:
    """All parameters of a net in one vector, which they and their gradients become views of.

    Zeroing, clipping and stepping ten small tensors takes as long as the rest of an update; one vector is one call.
    Gradients have to be zeroed, not dropped: `zero_grad(set_to_none=False)`.
    """
    flat = nn.Parameter(nn.utils.parameters_to_vector(net.parameters()).detach().clone())
    flat.grad = torch.zeros_like(flat)
    first = 0
    for parameter in net.parameters():
        last = first + parameter.numel()
        parameter.data = flat.data[first:last].view_as(parameter)
        parameter.grad = flat.grad[first:last].view_as(parameter)
        first = last
    return flat


class Softmax(nn.Module):
    """A policy over n actions: log-probabilities without torch.distributions, which takes twice as long."""

    def __init__(self, width: int, actions: int) -> None:
        super().__init__()
        self.logits = linear(width, actions, gain=0.01)  # at first every action is about as likely

    def sample(self, hidden: torch.Tensor) -> torch.Tensor:
        """Random actions (B,) int64."""
        logits: torch.Tensor = self.logits(hidden)
        # The largest of logarithms with Gumbel noise is a sample (Gumbel 1954).
        return (logits - torch.empty_like(logits).exponential_().log_()).argmax(-1)

    def evaluate(self, hidden: torch.Tensor, actions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Logarithms of the probabilities of actions (..., B), and entropies (..., B)."""
        chances = F.log_softmax(self.logits(hidden), -1)
        entropy = -(chances.exp() * chances).sum(-1)
        return chances.gather(-1, actions.unsqueeze(-1)).squeeze(-1), entropy

    def likeliest(self, hidden: torch.Tensor) -> torch.Tensor:
        """The likeliest actions (B,)."""
        found: torch.Tensor = self.logits(hidden).argmax(-1)
        return found

    @staticmethod
    def as_actions(actions: torch.Tensor) -> NDArray[Any]:
        """What the environments take."""
        return actions.numpy()


class Normal(nn.Module):
    """A policy over vectors: independent normal distributions whose widths do not depend on what is observed."""

    low: torch.Tensor
    high: torch.Tensor

    def __init__(self, width: int, actions: spaces.Box) -> None:
        super().__init__()
        size = int(np.prod(actions.shape))
        self.shape = actions.shape
        self.mean = linear(width, size, gain=0.01)
        self.log_std = nn.Parameter(torch.zeros(size))
        self.register_buffer("low", torch.from_numpy(actions.low).flatten().float())
        self.register_buffer("high", torch.from_numpy(actions.high).flatten().float())

    def sample(self, hidden: torch.Tensor) -> torch.Tensor:
        """Random actions (B, A)."""
        mean: torch.Tensor = self.mean(hidden)
        return mean + self.log_std.exp() * torch.randn_like(mean)

    def evaluate(self, hidden: torch.Tensor, actions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Logarithms of the densities of actions (..., B, A), and entropies (..., B)."""
        mean = self.mean(hidden)
        entropy = (self.log_std + 0.5 * np.log(2 * np.pi * np.e)).sum()
        return self._log_density(mean, actions), entropy.expand(mean.shape[:-1])

    def _log_density(self, mean: torch.Tensor, actions: torch.Tensor) -> torch.Tensor:
        distance = (actions - mean) / self.log_std.exp()
        density: torch.Tensor = (-0.5 * distance**2 - self.log_std - 0.5 * np.log(2 * np.pi)).sum(-1)
        return density

    def likeliest(self, hidden: torch.Tensor) -> torch.Tensor:
        """The means (B, A)."""
        found: torch.Tensor = self.mean(hidden)
        return found

    def as_actions(self, actions: torch.Tensor) -> NDArray[Any]:
        """What the environments take: within the box."""
        found: NDArray[Any] = actions.clamp(self.low, self.high).view(-1, *self.shape).numpy()
        return found
