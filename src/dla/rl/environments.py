"""Environments side by side, their episodes counted, and their states saved where that can be done."""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.envs.classic_control.cartpole import CartPoleVectorEnv
from gymnasium.envs.registration import EnvSpec
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.wrappers import FlattenObservation
from gymnasium.wrappers import vector as vector_wrappers
from numpy.typing import NDArray

from dla.core.errors import UserError
from dla.rl.navigation import VectorNavigation
from dla.rl.settings import AgentRun

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
    success: NDArray[Any] | None = None  # (N,) bool, of the last step

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

    def episode(self, copy: int | np.integer[Any]) -> dict[str, Any]:
        """Return, length and success of a copy's episode up to now."""
        success = None if self.success is None else bool(self.success[copy])
        return {"return": float(self.returns[copy]), "length": int(self.lengths[copy]), "success": success}

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


# --- from a name to environments --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Place:
    """Where an agent acts: an environment of Gymnasium's registry, and when its episodes are cut off in evaluations."""

    environment: str  # its id; `module:id` if a module must be imported that registers it
    kwargs: Mapping[str, Any] = field(default_factory=dict)  # of its constructor
    max_episode_steps: int = 1000  # where the environment sets no limit itself

    @classmethod
    def of(cls, run: AgentRun) -> Place:
        """Where a run's agent acts."""
        return cls(run.environment, run.kwargs, run.max_episode_steps)

    @property
    def threshold(self) -> float | None:
        """The mean return from which on the environment counts as solved, if whoever published it said so."""
        return find_spec(self.environment).reward_threshold

    @property
    def limit(self) -> int:
        """Steps after which an episode ends or is cut off."""
        own = self.kwargs.get("max_episode_steps", find_spec(self.environment).max_episode_steps)
        return own if own is not None and own > 0 else self.max_episode_steps  # -1: Gymnasium is told to set none

    def make(self, copies: int) -> Environments:
        """So many copies side by side."""
        return make_environments(self.environment, copies, self.kwargs)

    def make_one(self, render_mode: str | None) -> gymnasium.Env[Any, Any]:
        """One environment, to look at; a `UserError` if it cannot be drawn in that mode."""
        spec = find_spec(self.environment)
        with _errors_of(self.environment, self.kwargs):
            single = gymnasium.make(spec, **self.kwargs)
            if render_mode is not None:
                known = single.metadata.get("render_modes", [])
                single.close()
                if render_mode not in known:
                    raise UserError(f"environment {self.environment!r}: cannot be drawn as {render_mode}")
                single = gymnasium.make(spec, render_mode=render_mode, **self.kwargs)
        return single if isinstance(single.observation_space, spaces.Box) else FlattenObservation(single)


def make_environments(name: str, copies: int, kwargs: Mapping[str, Any] | None = None) -> Environments:
    """So many copies of the environment `name`, by its own vector code where it has some.

    What is not observed as numbers is flattened as Gymnasium does it: which of n is a one among n - 1 zeros.

    Raises
    ------
    UserError
        If gymnasium knows no such environment, it does not take these `kwargs`, or a library that it needs is not
        installed.
    """
    kwargs = kwargs or {}
    spec = find_spec(name)
    mode = "vector_entry_point" if spec.vector_entry_point else "sync"
    with _errors_of(name, kwargs):
        vector: Any = gymnasium.make_vec(spec, num_envs=copies, vectorization_mode=mode, **kwargs)
    if vector.metadata.get("autoreset_mode") != AutoresetMode.NEXT_STEP:
        raise UserError(f"environment {name!r}: resets in another way than by the step after the last; take another")
    if _has_pictures(vector.single_observation_space):
        raise UserError(
            f"environment {name!r}: observes pictures, of which the nets here, flat ones, see nothing; "
            f"wrap it so that it observes numbers, or take its version that does"
        )
    if not isinstance(vector.single_observation_space, spaces.Box):
        vector = vector_wrappers.FlattenObservation(vector)
    return Environments(vector, np.zeros(copies, bool), np.zeros(copies), np.zeros(copies, np.int64))


def find_spec(name: str) -> EnvSpec:
    """What gymnasium's registry says of an environment; of `module:id` once the module is imported.

    A module is looked for in the folder of the project as well as among the installed ones.
    """
    module, _, identifier = name.rpartition(":")
    with _errors_of(name, {}):
        if module:
            if "" not in sys.path:
                sys.path.append("")
            importlib.import_module(module)
        return gymnasium.spec(identifier)


def _has_pictures(space: spaces.Space[Any]) -> bool:
    if isinstance(space, spaces.Dict | spaces.Tuple):
        return any(map(_has_pictures, space.values() if isinstance(space, spaces.Dict) else space))
    if not isinstance(space, spaces.Box):
        return False
    return len(space.shape) > 2 or (len(space.shape) == 2 and space.dtype == np.uint8)


@contextlib.contextmanager
def _errors_of(name: str, kwargs: Mapping[str, Any]) -> Iterator[None]:
    """What goes wrong while an environment is made, in one line."""
    told = f"environment {name!r}{f' with kwargs {dict(kwargs)}' if kwargs else ''}"
    try:
        yield
    except ImportError as error:
        remedy = "install it" if ":" not in name else "install it, or name a module of the project's folder"
        raise UserError(f"{told}: {error}; {remedy}") from None
    except gymnasium.error.Error as error:
        raise UserError(f"{told}: {' '.join(str(error).split())}") from None
    except (TypeError, ValueError, LookupError) as error:
        raise UserError(f"{told}: {type(error).__name__}: {' '.join(str(error).split())}; see `kwargs`") from None
