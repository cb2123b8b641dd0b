"""What an algorithm is to those who train, judge and save agents: a module of dla.rl.algorithms.

The module holds its `Settings`, a dataclass, and `build(settings, environments)`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, Protocol

from numpy.typing import NDArray

from dla.rl.base.policy import PolicyNet
from dla.rl.environments.vector import Environments, Saveable
from dla.rl.settings import ALGORITHMS, AgentSettings


class Update(NamedTuple):
    """What is there after an update."""

    observations: NDArray[Any]  # (N, ...) of all copies
    diagnostics: dict[str, float]  # of `Algorithm.diagnostics`; `loss` is watched


class Algorithm(Protocol):
    """Trains a net by acting in environments."""

    steps_per_update: int  # of all copies

    @property
    def net(self) -> PolicyNet:
        """What is trained."""

    @property
    def diagnostics(self) -> tuple[str, ...]:
        """Columns of the learning curve: what its updates say of themselves."""

    def run(self, environments: Environments, observations: NDArray[Any], updates: range) -> Iterator[Update]:
        """Act and learn for these updates, counted from the run's first.

        Afterwards a checkpoint may be made and other episodes may begin: nothing is carried from one call to the next
        but what `saved` holds.

        Parameters
        ----------
        observations : (N, ...) of all copies, now
        """

    def saved(self) -> Mapping[str, Saveable]:
        """All that a later process needs to go on."""


def build(settings: AgentSettings, environments: Environments) -> Algorithm:
    """The algorithm that `settings` describe, its net made for these environments.

    Raises
    ------
    UserError
        If it cannot observe or act there.
    """
    algorithm: Algorithm = ALGORITHMS.module(settings.algorithm).build(settings, environments)
    return algorithm
