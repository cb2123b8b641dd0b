"""From the name of an environment to copies of it."""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.envs.registration import EnvSpec
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers import FlattenObservation
from gymnasium.wrappers import vector as vector_wrappers

import dla.rl.environments.navigation  # noqa: F401 (registers itself)
from dla.core.errors import UserError
from dla.rl.environments.cartpole import SaveableCartPole
from dla.rl.environments.vector import Environments
from dla.rl.settings import AgentSettings

# Vector code of Gymnasium's, and the same with a state that can be saved.
SAVEABLE: Mapping[object, Any] = {"gymnasium.envs.classic_control.cartpole:CartPoleVectorEnv": SaveableCartPole}


@dataclass(frozen=True)
class Place:
    """Where an agent acts: an environment of Gymnasium's registry, and when its episodes are cut off in evaluations."""

    environment: str  # its id; `module:id` if a module must be imported that registers it
    kwargs: Mapping[str, Any] = field(default_factory=dict)  # of its constructor
    max_episode_steps: int = 1000  # where the environment sets no limit itself

    @classmethod
    def of(cls, settings: AgentSettings) -> Place:
        """Where the agent acts."""
        return cls(settings.environment, settings.kwargs, settings.max_episode_steps)

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
        """So many copies side by side, by the environment's own vector code where it has some.

        What is not observed as numbers is flattened as Gymnasium does it: which of n is a one among n - 1 zeros.

        Raises
        ------
        UserError
            If gymnasium knows no such environment, it does not take these `kwargs`, or a library that it needs is not
            installed.
        """
        name, spec = self.environment, find_spec(self.environment)
        spec = replace(spec, vector_entry_point=SAVEABLE.get(spec.vector_entry_point, spec.vector_entry_point))
        mode = "vector_entry_point" if spec.vector_entry_point else "sync"
        with _errors_of(name, self.kwargs):
            vector: Any = gymnasium.make_vec(spec, num_envs=copies, vectorization_mode=mode, **self.kwargs)
        if vector.metadata.get("autoreset_mode") != AutoresetMode.NEXT_STEP:
            raise UserError(f"environment {name!r}: resets otherwise than by the step after the last; take another")
        if _has_pictures(vector.single_observation_space):
            raise UserError(
                f"environment {name!r}: observes pictures, of which the nets here, flat ones, see nothing; "
                f"wrap it so that it observes numbers, or take its version that does"
            )
        if not isinstance(vector.single_observation_space, spaces.Box):
            vector = vector_wrappers.FlattenObservation(vector)
        return Environments(vector)

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
    named = f"environment {name!r}{f' with kwargs {dict(kwargs)}' if kwargs else ''}"
    try:
        yield
    except ImportError as error:
        remedy = "install it" if ":" not in name else "install it, or name a module of the project's folder"
        raise UserError(f"{named}: {error}; {remedy}") from None
    except gymnasium.error.Error as error:
        raise UserError(f"{named}: {' '.join(str(error).split())}") from None
    except (TypeError, ValueError, LookupError) as error:
        raise UserError(f"{named}: {type(error).__name__}: {' '.join(str(error).split())}; see `kwargs`") from None
