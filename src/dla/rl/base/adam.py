"""The optimizer of small nets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn


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

    def state_dict(self) -> dict[str, Any]:
        """What a later process needs beside the net."""
        return {"mean": self.mean, "square": self.square, "steps": self.steps}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a state."""
        self.mean, self.square, self.steps = state["mean"], state["square"], state["steps"]
