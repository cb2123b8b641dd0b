"""Environments side by side: their episodes counted, and their states saved where that can be done."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from gymnasium import spaces
from gymnasium.vector import VectorEnv
from numpy.typing import NDArray

IN_PROGRESS = ("finished", "returns", "lengths")  # of `Environments`: of the episodes in progress


@runtime_checkable
class Saveable(Protocol):
    """What can be part of a checkpoint, as torch's modules can.

    A vector environment whose rooms, poles or whatever it holds can be saved has these methods; one that has them not
    begins new episodes after every checkpoint.
    """

    def state_dict(self) -> Mapping[str, Any]:
        """All that it and its future depend on: nested tensors, arrays and JSON values."""

    def load_state_dict(self, state: Mapping[str, Any], /) -> Any:
        """Go on from a state, its arrays being tensors where a checkpoint was read."""


class Transition(NamedTuple):
    """One step of N copies.

    In the step after an episode's last one a copy is reset whatever the action: such a step is not `real`, and nothing
    is to be learned from it. The observation after an episode's last step is still that episode's.
    """

    observations: NDArray[Any]  # (N, ...), after the step
    rewards: NDArray[Any]  # (N,) float32
    terminated: NDArray[Any]  # (N,) bool: the environment ended, nothing comes after
    truncated: NDArray[Any]  # (N,) bool: the episode was cut off, its value goes on
    real: NDArray[Any]  # (N,) bool


class Episode(NamedTuple):
    """What an episode came to."""

    total: float  # return
    length: int
    success: bool | None  # None: the environment does not say what success is


class Environments:
    """Copies of one environment, and the episodes that ended in them."""

    def __init__(self, vector: VectorEnv[Any, Any, Any]) -> None:
        self.vector, self.copies = vector, vector.num_envs
        self.finished = np.zeros(self.copies, bool)  # reset by the next step
        self.returns, self.lengths = np.zeros(self.copies), np.zeros(self.copies, np.int64)  # of episodes in progress
        self.success: NDArray[Any] | None = None  # (N,) bool, of the last step
        self.ended: list[Episode] = []

    @property
    def observation_space(self) -> spaces.Space[Any]:
        """Of one copy."""
        return self.vector.single_observation_space

    @property
    def action_space(self) -> spaces.Space[Any]:
        """Of one copy."""
        return self.vector.single_action_space

    def reset(self, seed: int) -> NDArray[Any]:
        """New episodes everywhere; what was in progress is forgotten."""
        observations, _ = self.vector.reset(seed=seed)
        for values in (self.finished, self.returns, self.lengths):
            values[:] = 0
        return np.asarray(observations)

    def step(self, actions: NDArray[Any]) -> Transition:
        """One action in every copy."""
        observations, rewards, terminated, truncated, info = self.vector.step(actions)
        real = ~self.finished
        self.returns += rewards
        self.lengths += real
        self.finished = terminated | truncated
        self.success = info.get("success")
        for copy in np.flatnonzero(self.finished):
            self.ended.append(self.episode(copy))
            self.returns[copy] = self.lengths[copy] = 0
        return Transition(observations, np.asarray(rewards, np.float32), terminated, truncated, real)

    def episode(self, copy: int | np.integer[Any]) -> Episode:
        """A copy's episode up to now."""
        success = None if self.success is None else bool(self.success[copy])
        return Episode(float(self.returns[copy]), int(self.lengths[copy]), success)

    def take_ended(self) -> list[Episode]:
        """The episodes that ended since this was last called."""
        ended, self.ended = self.ended, []
        return ended

    @property
    def can_be_saved(self) -> bool:
        """Whether all that the copies and their future depend on can be had."""
        return isinstance(self.vector.unwrapped, Saveable)

    def state_dict(self) -> dict[str, Any] | None:
        """What the copies and their future depend on; None if that cannot be had."""
        vector = self.vector.unwrapped
        if not isinstance(vector, Saveable):
            return None
        return {"vector": vector.state_dict()} | {name: np.copy(getattr(self, name)) for name in IN_PROGRESS}

    def load_state_dict(self, state: Mapping[str, Any] | None) -> None:
        """Go on from a state, if there was one."""
        vector = self.vector.unwrapped
        if state is None or not isinstance(vector, Saveable):
            return
        self.vector.reset(seed=0)  # wrappers want it
        vector.load_state_dict(state["vector"])
        for name in IN_PROGRESS:
            setattr(self, name, np.asarray(state[name]).copy())
