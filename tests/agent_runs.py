"""Small runs of agents, and environments of one property each, for tests."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from dla.params.file import load_params
from dla.rl.algorithms.dqn import Settings as DQNSettings
from dla.rl.algorithms.ppo import Settings as PPOSettings
from dla.rl.base.algorithm import build
from dla.rl.environments.place import Place
from dla.rl.settings import AgentSettings

from .conftest import ROOT


class Chain(gymnasium.Env[Any, Any]):
    """Five states in a row; the way to the right end pays 1, a step to the left pays 0.1 once: patience is learned."""

    observation_space = spaces.Box(0, 1, (5,), np.float32)
    action_space = spaces.Discrete(2)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.place = 0
        return self.observation(), {}

    def observation(self) -> Any:
        return np.eye(5, dtype=np.float32)[self.place]

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        if action == 0:
            return self.observation(), 0.1, True, False, {}
        self.place += 1
        return self.observation(), float(self.place == 4), self.place == 4, False, {}


class Counter(gymnasium.Env[Any, Any]):
    """Counts its steps, pays 1 for each, and never ends by itself."""

    observation_space = spaces.Box(0, 100, (1,), np.float32)
    action_space = spaces.Box(-1, 1, (2,), np.float32)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.steps = 0
        return np.zeros(1, np.float32), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        assert self.action_space.contains(action)
        self.steps += 1
        return np.full(1, self.steps, np.float32), 1.0, False, False, {}


class Seeds(Chain):
    """Tells with what seeds it was reset."""

    seen: list[int] = []  # noqa: RUF012 (of all copies)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        if seed is not None:
            self.seen.append(seed)
        return super().reset(seed=seed, options=options)


class Unpaid(Chain):
    """Its rewards are no numbers."""

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        observation, _, *ended, info = super().step(action)
        return observation, float("nan"), *ended, info


gymnasium.register("test/Chain-v0", entry_point=lambda **_: Chain(), max_episode_steps=20, reward_threshold=0.9)
gymnasium.register("test/Counter-v0", entry_point=lambda **_: Counter(), max_episode_steps=3)
gymnasium.register("test/Endless-v0", entry_point=lambda **_: Counter())
gymnasium.register("test/Unpaid-v0", entry_point=lambda **_: Unpaid(), max_episode_steps=20)
gymnasium.register("test/Seeds-v0", entry_point=lambda **_: Seeds(), max_episode_steps=20)


def ppo(**changes: Any) -> PPOSettings:
    """Quick to learn in `Chain`."""
    values: dict[str, Any] = {
        **{
            "algorithm": "ppo",
            "environment": "test/Chain-v0",
            "seeds": (1,),
            "steps": 8000,
            "copies": 8,
            "widths": (16,),
        },
        **{"discount": 0.99, "learning_rate": 0.01, "gradient_clip": 0.5, "episodes": 10, "points": 5},
        **{"validation_episodes": 3, "checkpoints": 4, "rollout": 25, "epochs": 4, "minibatches": 2},
        **{"gae_lambda": 0.95, "clip": 0.2, "anneal": True, "entropy_coefficient": 0.01},
    }
    return PPOSettings(**(values | changes))


def dqn(**changes: Any) -> DQNSettings:
    """Quick to learn in `Chain`."""
    values: dict[str, Any] = {
        **{
            "algorithm": "dqn",
            "environment": "test/Chain-v0",
            "seeds": (1,),
            "steps": 6000,
            "copies": 4,
            "widths": (16,),
        },
        **{"discount": 0.99, "learning_rate": 0.01, "episodes": 10, "points": 5, "validation_episodes": 3},
        **{"checkpoints": 4, "buffer": 2000, "batch_size": 32, "learning_starts": 200, "train_every": 4},
        **{"target_every": 100, "epsilon": 0.05, "exploration": 0.5},
    }
    return DQNSettings(**(values | changes))


def short(algorithm: str, **changes: Any) -> AgentSettings:
    """The first run of params.yaml by this algorithm, cut down to eight updates."""
    runs = load_params(ROOT / "params.yaml").agent.values()
    settings = replace(next(run for run in runs if run.algorithm == algorithm), **changes)
    update = build(settings, Place.of(settings).make(settings.copies)).steps_per_update
    few = {"episodes": 3, "points": 2, "validation_episodes": 2, "checkpoints": 4}
    return replace(settings, steps=8 * update, **few | {"keep": "last"} | changes)
