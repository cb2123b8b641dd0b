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

from dla.core.errors import UserError


def sizes(observations: spaces.Space[Any], actions: spaces.Space[Any]) -> tuple[int, int]:
    """Numbers in an observation, and in an action or how many actions there are.

    Raises
    ------
    UserError
        If observations are no vectors or arrays, or actions neither those nor numbered from 0.
    """
    if not isinstance(observations, spaces.Box):
        raise UserError(f"agents here observe what can be flattened into a Box, not {observations}; wrap it")
    if isinstance(actions, spaces.Discrete) and actions.start == 0:
        return spaces.flatdim(observations), int(actions.n)
    if isinstance(actions, spaces.Box):
        return spaces.flatdim(observations), spaces.flatdim(actions)
    raise UserError(f"agents here act in Box spaces and in Discrete ones that begin at 0, not in {actions}; wrap it")


def linear(inputs: int, outputs: int, gain: float) -> nn.Linear:
    """A layer with orthogonal weights (Saxe et al. 2014) of so large a gain, and without biases at first."""
    layer = nn.Linear(inputs, outputs)
    nn.init.orthogonal_(layer.weight, gain)
    nn.init.zeros_(layer.bias)
    return layer


def hidden_layers(first: Sequence[nn.Module], inputs: int, widths: Sequence[int]) -> nn.Sequential:
    """Layers with tanh after each, (B, inputs) -> (B, last of widths), after those given."""
    pairs = pairwise([inputs, *widths])
    return nn.Sequential(*first, *(layer for pair in pairs for layer in (linear(*pair, gain=2**0.5), nn.Tanh())))


class Adam:
    """Adam (Kingma and Ba 2015, arXiv 1412.6980, algorithm 1) for a small net, in one vector.

    A step of torch's own is several operations for each tensor, and as many again to zero and to clip them. Here
    parameters and gradients become views of one vector each, and a step is eight operations on those.

    Parameters
    ----------
    clip : largest norm of the gradient; None: any
    """

    DECAY = (0.9, 0.999)  # of the means of gradients and of their squares

    def __init__(self, net: nn.Module, learning_rate: float, clip: float | None, epsilon: float = 1e-8) -> None:
        self.learning_rate, self.clip, self.epsilon = learning_rate, clip, epsilon
        self.weights = nn.utils.parameters_to_vector(net.parameters()).detach().clone()
        self.gradient, self.mean, self.square = (torch.zeros_like(self.weights) for _ in range(3))
        self.steps = 0
        first = 0
        for parameter in net.parameters():
            last = first + parameter.numel()
            parameter.data = self.weights[first:last].view_as(parameter)
            parameter.grad = self.gradient[first:last].view_as(parameter)
            first = last

    def step(self, loss: torch.Tensor) -> None:
        """One step down."""
        self.gradient.zero_()
        loss.backward()
        if self.clip is not None:
            self.gradient.mul_((self.clip / self.gradient.norm()).clamp(max=1.0))
        self.steps += 1
        slow, slower = self.DECAY
        self.mean.lerp_(self.gradient, 1 - slow)
        self.square.mul_(slower).addcmul_(self.gradient, self.gradient, value=1 - slower)
        scale = (self.square / (1 - slower**self.steps)).sqrt_().add_(self.epsilon)
        self.weights.addcdiv_(self.mean, scale, value=-self.learning_rate / (1 - slow**self.steps))

    def state(self) -> dict[str, Any]:
        """What a later process needs beside the net."""
        return {"mean": self.mean, "square": self.square, "steps": self.steps}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a `state`."""
        self.mean, self.square, self.steps = state["mean"], state["square"], state["steps"]


class Softmax(nn.Module):
    """A policy over n actions: log-probabilities without torch.distributions, which takes twice as long."""

    def __init__(self, width: int, actions: int) -> None:
        super().__init__()
        self.logits = linear(width, actions, gain=0.01)  # at first every action is about as likely

    def sample(self, hidden: torch.Tensor, generator: torch.Generator | None = None) -> torch.Tensor:
        """Random actions (B,) int64; by torch's global generator unless there is another."""
        logits: torch.Tensor = self.logits(hidden)
        # The largest of logarithms with Gumbel noise is a sample (Gumbel 1954).
        return (logits - torch.empty_like(logits).exponential_(generator=generator).log_()).argmax(-1)

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

    def sample(self, hidden: torch.Tensor, generator: torch.Generator | None = None) -> torch.Tensor:
        """Random actions (B, A); by torch's global generator unless there is another."""
        mean: torch.Tensor = self.mean(hidden)
        return mean + self.log_std.exp() * torch.randn(mean.shape, generator=generator)

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
