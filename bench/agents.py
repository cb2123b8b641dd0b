"""Our PPO and DQN against Stable-Baselines3 on CartPole: how long and how many steps until 475.

    pip install 'stable-baselines3>=2.7,<3'
    python bench/agents.py              # five passes of each arm
    python bench/agents.py --passes 1 --algorithms ppo

The arms of PPO: our `cartpole-ppo` and the same settings in Stable-Baselines3, whose 256 copies are for the clock; our
`cartpole-ppo-small` and Stable-Baselines3 with the settings that RL Baselines3 Zoo publishes for CartPole, whose few
copies are for the number of steps. Those of DQN: `cartpole-dqn` in both.

Told is: steps of all copies per second over the whole training; and the seconds and the steps of training until twenty
complete greedy episodes, on seeds that training does not have, return 475 on average. They are played about every
2,000 steps, the same way for all arms, with the clock stopped. Every pass has a process and a seed of its own and the
arms take turns. Each brings its own environments: ours Gymnasium's vector CartPole, theirs one CartPole after another,
as their `make_vec_env` makes them. A pass that does not get there counts as one that never does.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dla.params.file import load_params
from dla.rl.algorithms.dqn import Settings as DQNSettings
from dla.rl.algorithms.ppo import Settings as PPOSettings
from dla.rl.base.algorithm import build
from dla.rl.base.normalization import FARTHEST, NormalizingSettings
from dla.rl.environments.place import Place
from dla.rl.evaluate import Policy, actions, evaluate
from dla.rl.seeds import first_seed
from dla.rl.settings import AgentSettings

SOLVED, EPISODES, EVERY = 475.0, 20, 2000
Schedule = float | Callable[[float], float]


class Clock:
    """When greedy episodes were first good enough, by the time and the steps of training."""

    def __init__(self, run: AgentSettings, seed: int) -> None:
        self.place = Place.of(run)
        self.first_seed = first_seed("validation", seed * EPISODES, EPISODES)
        self.evaluated = 0  # steps, when that was last done
        self.solved: tuple[float, int] | None = None  # seconds, steps
        self.begin = time.perf_counter()

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self.begin

    def tell(self, steps: int, policy: Policy) -> None:
        """Evaluate, if it is time to; what that takes is taken off the clock."""
        if self.solved or steps - self.evaluated < EVERY:
            return
        self.evaluated, stopped = steps, self.seconds
        returns = evaluate({"greedy": policy}, self.place, EPISODES, self.first_seed)["greedy"].returns
        self.solved = (stopped, steps) if float(np.mean(returns)) >= SOLVED else None
        self.begin = time.perf_counter() - stopped


@dataclass(frozen=True)
class Pass:
    """What a training was like."""

    steps_per_second: float
    seconds: float  # until it was solved, infinite if it never was
    steps: float

    @classmethod
    def of(cls, clock: Clock, steps: int) -> Pass:
        return cls(steps / clock.seconds, *(clock.solved or (math.inf, math.inf)))


def ours(run: AgentSettings, seed: int) -> Pass:
    from dla.training.runtime import seed_everything

    torch.set_num_threads(1)
    seed_everything(seed)
    environments = Place.of(run).make(run.copies)
    algorithm = build(run, environments)
    observations = environments.reset(first_seed("training", seed * 1_000_003, run.copies))
    updates = range(run.steps // algorithm.steps_per_update)
    clock = Clock(run, seed)
    for update, _ in enumerate(algorithm.run(environments, observations, updates), start=1):
        environments.take_ended()
        clock.tell(update * algorithm.steps_per_update, lambda seen: actions(algorithm.net, seen))
    return Pass.of(clock, run.steps)


def linear(value: float) -> Callable[[float], float]:
    """Falls to nothing: what Stable-Baselines3 takes instead of a number."""
    return lambda left: value * left


def their_model(run: AgentSettings, environments: Any, seed: int, clip: Schedule | None) -> Any:
    import stable_baselines3 as sb3

    rate = linear(run.learning_rate) if run.anneal else run.learning_rate
    common: dict[str, Any] = {"learning_rate": rate, "gamma": run.discount, "seed": seed, "device": "cpu"}
    widths = list(run.widths)
    if isinstance(run, PPOSettings):
        return sb3.PPO(
            "MlpPolicy",
            environments,
            n_steps=run.rollout,
            batch_size=run.copies * run.rollout // run.minibatches,
            n_epochs=run.epochs,
            gae_lambda=run.gae_lambda,
            clip_range=clip or run.clip,
            ent_coef=run.entropy_coefficient,
            vf_coef=run.value_coefficient,
            max_grad_norm=run.gradient_clip,
            policy_kwargs={"net_arch": {"pi": widths, "vf": widths}},
            **common,
        )
    assert isinstance(run, DQNSettings)
    return sb3.DQN(
        "MlpPolicy",
        environments,
        buffer_size=run.buffer,
        batch_size=run.batch_size,
        n_steps=run.n_steps,
        learning_starts=run.learning_starts,
        train_freq=run.train_every // run.copies,
        gradient_steps=run.updates,
        target_update_interval=run.target_every,
        exploration_fraction=run.exploration,
        exploration_final_eps=run.epsilon,
        max_grad_norm=run.gradient_clip,
        policy_kwargs={"net_arch": widths},
        **common,
    )


def theirs(run: AgentSettings, seed: int, clip: Schedule | None = None) -> Pass:
    from stable_baselines3.common.callbacks import BaseCallback
    from stable_baselines3.common.env_util import make_vec_env
    from stable_baselines3.common.vec_env import VecNormalize

    torch.set_num_threads(1)
    assert isinstance(run, NormalizingSettings)
    environments: Any = VecNormalize(
        make_vec_env(run.environment, n_envs=run.copies, seed=first_seed("training", seed * 1_000_003, 1)),
        norm_obs=run.normalize_observations,
        norm_reward=run.normalize_rewards,
        clip_obs=FARTHEST,
        gamma=run.discount,
    )
    model = their_model(run, environments, seed, clip)
    clock = Clock(run, seed)

    def greedy(seen: NDArray[Any]) -> NDArray[Any]:
        chosen: NDArray[Any] = model.predict(environments.normalize_obs(seen), deterministic=True)[0]
        return chosen

    class Listen(BaseCallback):  # type: ignore[misc]  # stable-baselines3 is not there for the type checker
        def _on_step(self) -> bool:
            clock.tell(self.num_timesteps, greedy)
            return True

    clock.begin = time.perf_counter()
    model.learn(run.steps, callback=Listen())
    return Pass.of(clock, run.steps)


def zoo(run: AgentSettings, seed: int) -> Pass:
    """Stable-Baselines3 as github.com/DLR-RM/rl-baselines3-zoo has it in hyperparams/ppo.yml, CartPole-v1."""
    assert isinstance(run, PPOSettings)
    published = replace(
        run,
        steps=min(run.steps, 100_000),
        copies=8,
        rollout=32,
        minibatches=1,  # batch_size 256
        gae_lambda=0.8,
        discount=0.98,
        epochs=20,
        entropy_coefficient=0.0,
        learning_rate=1e-3,
        anneal=True,
        widths=(64, 64),  # their default, as the next two
        value_coefficient=0.5,
        gradient_clip=0.5,
    )
    return theirs(published, seed, linear(0.2))


@dataclass(frozen=True)
class Arm:
    """A run of params.yaml, and what trains it."""

    run: str
    train: Callable[[AgentSettings, int], Pass]


ARMS: dict[str, dict[str, Arm]] = {
    "ppo": {
        "ours, many copies": Arm("cartpole-ppo", ours),
        "theirs, many copies": Arm("cartpole-ppo", theirs),
        "ours, few copies": Arm("cartpole-ppo-small", ours),
        "theirs, as the zoo": Arm("cartpole-ppo-small", zoo),
    },
    "dqn": {"ours": Arm("cartpole-dqn", ours), "theirs": Arm("cartpole-dqn", theirs)},
}


def median(passes: list[Pass], key: str) -> float:
    return float(statistics.median(getattr(one, key) for one in passes))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--passes", type=int, default=5, help="passes of each (5)")
    parser.add_argument("--algorithms", nargs="+", default=["ppo", "dqn"], help="(ppo dqn)")
    parser.add_argument("--steps", type=int, help="of a pass at most (those of params.yaml)")
    parser.add_argument("--arm", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.arm:
        algorithm, name, seed = options.arm
        arm = ARMS[algorithm][name]
        run = load_params().agent[arm.run]
        one = arm.train(replace(run, steps=min(run.steps, options.steps or run.steps)), int(seed))
        print(json.dumps([one.steps_per_second, one.seconds, one.steps]))
        return
    for algorithm in options.algorithms:
        passes: dict[str, list[Pass]] = {name: [] for name in ARMS[algorithm]}
        for seed in range(1, options.passes + 1):
            for name, ones in passes.items():
                steps = ["--steps", str(options.steps)] if options.steps else []
                command = [sys.executable, str(Path(__file__).resolve()), *steps, "--arm", algorithm, name, str(seed)]
                told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
                ones.append(Pass(*json.loads(told.splitlines()[-1])))
        for name, ones in passes.items():
            solved = sum(math.isfinite(one.steps) for one in ones)
            print(
                f"{algorithm}, {name}: {median(ones, 'steps_per_second'):,.0f} steps a second; "
                f"solved {solved} of {len(ones)}, "
                f"median {median(ones, 'seconds'):.1f} s and {median(ones, 'steps'):,.0f} steps"
            )


if __name__ == "__main__":
    main()
