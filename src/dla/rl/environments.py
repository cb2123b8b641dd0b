"""Environments side by side, their episodes counted, and their states saved where that can be done."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.envs.classic_control.cartpole import CartPoleVectorEnv
from gymnasium.vector import AutoresetMode, VectorEnv
from numpy.typing import NDArray

from dla.core.errors import UserError
from dla.rl.navigation import VectorNavigation

EPISODES = ("finished", "returns", "lengths")  # of the episodes in progress
CARTPOLE = ("state", "steps", "prev_done")  # what changes in gymnasium's vector CartPole, beside its generator


@dataclass(frozen=True)
class Transition:
    """One step of N copies.

    In the step after an episode's last one a copy is reset whatever the action: such a step is not `real`, and nothing
    is to be learned from it. The observation after an episode's last step is still that episode's.
    """

    observations: NDArray[Any]  # (N, ...), after the step
    rewards: NDArray[Any]  # (N,) float32
    terminated: NDArray[Any]  # (N,) bool: the environment ended, nothing comes after
    truncated: NDArray[Any]  # (N,) bool: the episode was cut off, its value goes on
    real: NDArray[Any]  # (N,) bool


Update = tuple[NDArray[Any], dict[str, float]]  # what an algorithm yields: observations after it, and what it was like


@dataclass
class Environments:
    """Copies of one environment, and the episodes that ended in them."""

    vector: VectorEnv[Any, Any, Any]
    finished: NDArray[Any]  # (N,) bool: reset by the next step
    returns: NDArray[Any]  # (N,) of the episodes in progress
    lengths: NDArray[Any]
    ended: list[dict[str, Any]] = field(default_factory=list)  # return, length and success (None: not defined) of each

    @property
    def observation_space(self) -> spaces.Space[Any]:
        """Of one copy."""
        return self.vector.single_observation_space

    @property
    def action_space(self) -> spaces.Space[Any]:
        """Of one copy."""
        return self.vector.single_action_space

    @property
    def threshold(self) -> float | None:
        """The mean return from which on the environment counts as solved, if whoever published it said so."""
        return None if self.vector.spec is None else self.vector.spec.reward_threshold

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
        success = info.get("success")
        for copy in np.flatnonzero(self.finished):
            self.ended.append(
                {
                    "return": float(self.returns[copy]),
                    "length": int(self.lengths[copy]),
                    "success": None if success is None else bool(success[copy]),
                }
            )
            self.returns[copy] = self.lengths[copy] = 0
        return Transition(observations, np.asarray(rewards, np.float32), terminated, truncated, real)

    @property
    def can_be_saved(self) -> bool:
        """Whether all that the copies and their future depend on can be had."""
        return isinstance(self.vector.unwrapped, VectorNavigation | CartPoleVectorEnv)

    def state(self) -> dict[str, Any] | None:
        """What the copies and their future depend on, as arrays and JSON values; None if that cannot be had."""
        inner = self.vector.unwrapped
        if isinstance(inner, VectorNavigation):
            kept = inner.state()
        elif isinstance(inner, CartPoleVectorEnv):
            kept = {name: np.copy(getattr(inner, name)) for name in CARTPOLE}
            kept |= {"random": inner.np_random.bit_generator.state}
        else:
            return None
        return {"inner": kept} | {name: np.copy(getattr(self, name)) for name in EPISODES}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a `state` that is not None."""
        inner = self.vector.unwrapped
        self.vector.reset(seed=0)  # wrappers want it
        if isinstance(inner, VectorNavigation):
            inner.restore(state["inner"])
        else:
            for name in CARTPOLE:
                setattr(inner, name, state["inner"][name])
            inner.np_random.bit_generator.state = state["inner"]["random"]
        for name in EPISODES:
            setattr(self, name, np.copy(state[name]))

    def take_ended(self) -> list[dict[str, Any]]:
        """The episodes that ended since this was last called."""
        ended, self.ended = self.ended, []
        return ended


def make_environments(name: str, copies: int) -> Environments:
    """So many copies of the environment `name`, by its own vector code where it has some.

    Raises
    ------
    UserError
        If gymnasium knows no such environment, or a library that it needs is not installed.
    """
    try:
        spec = gymnasium.spec(name)
        mode = "vector_entry_point" if spec.vector_entry_point else "sync"
        vector = gymnasium.make_vec(name, num_envs=copies, vectorization_mode=mode)
    except gymnasium.error.Error as error:
        raise UserError(f"environment {name!r}: {' '.join(str(error).split())}") from None
    if vector.metadata.get("autoreset_mode") != AutoresetMode.NEXT_STEP:
        raise UserError(f"environment {name!r}: resets in another way than by the step after the last")
    return Environments(vector, np.zeros(copies, bool), np.zeros(copies), np.zeros(copies, np.int64))
