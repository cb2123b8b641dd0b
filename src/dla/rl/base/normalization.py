"""Observations and rewards of a common size, by what training has seen of them so far."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from pydantic.dataclasses import dataclass
from torch import nn

from dla.core.parsing import STRICT
from dla.rl.environments.vector import Transition
from dla.rl.settings import AgentSettings


@dataclass(frozen=True, config=STRICT, kw_only=True)
class NormalizingSettings(AgentSettings):
    """What the settings of algorithms that can normalize have."""

    normalize_observations: bool = False  # to mean 0 and standard deviation 1 of what training has seen so far
    normalize_rewards: bool = False  # to returns with standard deviation 1, while it trains


FARTHEST = 10.0  # standard deviations from the mean that an observation may lie away


class Standardize(nn.Module):
    """Vectors (B, D) less their mean and over their standard deviation, among all that were seen.

    What was seen is part of the state: it is saved with the weights, and nothing but `see` changes it.
    """

    mean: torch.Tensor
    variance: torch.Tensor
    count: torch.Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(size, dtype=torch.float64))
        self.register_buffer("variance", torch.ones(size, dtype=torch.float64))
        self.register_buffer("count", torch.zeros(1, dtype=torch.float64))

    def forward(self, vectors: torch.Tensor) -> torch.Tensor:
        scores: torch.Tensor = (vectors - self.mean.float()) / self.deviation().float()
        return scores.clamp(-FARTHEST, FARTHEST)

    def deviation(self) -> torch.Tensor:
        """Standard deviations (D,), none of them zero."""
        return (self.variance + 1e-8).sqrt()

    def see(self, vectors: torch.Tensor) -> None:
        """Merge the moments of other vectors (B, D) into those kept (Chan, Golub and LeVeque 1983, equation 2.1)."""
        other, new = vectors.double(), len(vectors)
        if not new:
            return
        mean, variance = other.mean(0), other.var(0, correction=0)
        share = new / (self.count + new)
        between = (mean - self.mean) ** 2 * share * (1 - share)
        self.variance.copy_(self.variance * (1 - share) + variance * share + between)
        self.mean.add_((mean - self.mean) * share)
        self.count.add_(new)


class ReturnScale:
    """What rewards are divided by: the standard deviation of discounted returns (Engstrom et al. 2020, 2005.12729).

    Of a return are counted the rewards up to now, those long ago the least.
    """

    def __init__(self, copies: int, discount: float) -> None:
        self.discount = discount
        self.returns = np.zeros(copies)
        self.moments = Standardize(1)

    def begin(self) -> None:
        """Forget the returns in progress: other episodes may begin."""
        self.returns[:] = 0

    def see(self, step: Transition) -> None:
        """Count a step of all copies."""
        self.returns = self.returns * self.discount + step.rewards
        self.moments.see(torch.from_numpy(self.returns[step.real])[:, None])
        self.returns[step.terminated | step.truncated] = 0

    def __call__(self, rewards: torch.Tensor) -> torch.Tensor:
        """Rewards of any shape, scaled."""
        return rewards / float(self.moments.deviation())

    def state_dict(self) -> Mapping[str, Any]:
        """What a later process needs to go on."""
        return self.moments.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a state."""
        self.moments.load_state_dict(state)
