"""Nets that choose actions."""

from __future__ import annotations

from typing import Any

import torch
from gymnasium import spaces
from numpy.typing import NDArray
from torch import nn

from dla.core.errors import UserError


class PolicyNet(nn.Module):
    """What every algorithm trains: chooses actions (B,) or (B, A) for observations (B, D)."""

    def act(self, observations: torch.Tensor) -> torch.Tensor:
        """The actions it thinks best."""
        raise NotImplementedError

    def sample(self, observations: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Random actions, as the algorithm explores."""
        raise NotImplementedError

    def as_actions(self, actions: torch.Tensor) -> NDArray[Any]:
        """What the environments take."""
        return actions.numpy()


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
