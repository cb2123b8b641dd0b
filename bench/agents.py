"""Our PPO and DQN against Stable-Baselines3 on CartPole, with the same hyper-parameters.

    pip install 'stable-baselines3>=2.7,<3'
    python bench/agents.py              # five passes each
    python bench/agents.py --passes 1 --algorithms ppo

Steps of all copies per second over the whole training, and seconds until a hundred training episodes in a row returned
475 on average. Both start from params.yaml's `cartpole-ppo` and `cartpole-dqn`; every pass has a process and a seed of
its own and the two take turns. Each brings its own environments: ours Gymnasium's vector CartPole, theirs one CartPole
after another, as their `make_vec_env` makes them. A pass that is not solved counts as one that never is.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import subprocess
import sys
import time
from collections import deque
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dla.settings.agents import DQNRun, PPORun
from dla.settings.params import load_params

SOLVED, EPISODES = 475.0, 100


class Clock:
    """When the last hundred episodes were good enough."""

    def __init__(self) -> None:
        self.returns: deque[float] = deque(maxlen=EPISODES)
        self.begin = time.perf_counter()
        self.solved: float | None = None

    def tell(self, value: float) -> None:
        self.returns.append(value)
        if self.solved is None and len(self.returns) == EPISODES and np.mean(self.returns) >= SOLVED:
            self.solved = time.perf_counter() - self.begin


def ours(run: PPORun | DQNRun, seed: int) -> tuple[float, float | None]:
    from dla.rl.environments import make_environments
    from dla.rl.train import ALGORITHMS
    from dla.training.runtime import keep_freed_memory, seed_everything

    torch.set_num_threads(1)
    keep_freed_memory()
    seed_everything(seed)
    environments = make_environments(run.environment, run.copies)
    algorithm = ALGORITHMS[run.name](run, environments)
    observations = environments.reset(seed=seed)
    clock = Clock()
    for _ in algorithm.run(environments, observations, range(run.steps // algorithm.step_size())):
        for episode in environments.take_ended():
            clock.tell(episode["return"])
    return run.steps / (time.perf_counter() - clock.begin), clock.solved


def their_model(run: PPORun | DQNRun, environments: Any, seed: int) -> Any:
    import stable_baselines3 as sb3

    rate = (lambda left: run.learning_rate * left) if run.anneal else run.learning_rate
    common: dict[str, Any] = {"learning_rate": rate, "gamma": run.discount, "seed": seed, "device": "cpu"}
    widths = list(run.widths)
    if isinstance(run, PPORun):
        return sb3.PPO(
            "MlpPolicy",
            environments,
            n_steps=run.rollout,
            batch_size=run.copies * run.rollout // run.minibatches,
            n_epochs=run.epochs,
            gae_lambda=run.gae_lambda,
            clip_range=run.clip,
            ent_coef=run.entropy_coefficient,
            vf_coef=run.value_coefficient,
            max_grad_norm=run.gradient_clip,
            policy_kwargs={"net_arch": {"pi": widths, "vf": widths}},
            **common,
        )
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


def theirs(run: PPORun | DQNRun, seed: int) -> tuple[float, float | None]:
    from stable_baselines3.common.callbacks import BaseCallback
    from stable_baselines3.common.env_util import make_vec_env

    torch.set_num_threads(1)
    model = their_model(run, make_vec_env(run.environment, n_envs=run.copies, seed=seed), seed)
    clock = Clock()

    class Listen(BaseCallback):  # type: ignore[misc]  # stable-baselines3 is not there for the type checker
        def _on_step(self) -> bool:
            for info in self.locals["infos"]:
                if "episode" in info:
                    clock.tell(info["episode"]["r"])
            return True

    clock.begin = time.perf_counter()
    model.learn(run.steps, callback=Listen())
    return run.steps / (time.perf_counter() - clock.begin), clock.solved


LOOPS = {"ours": ours, "theirs": theirs}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--passes", type=int, default=5, help="passes of each (5)")
    parser.add_argument("--algorithms", nargs="+", default=["ppo", "dqn"], help="(ppo dqn)")
    parser.add_argument("--steps", type=int, help="of a pass (those of params.yaml)")
    parser.add_argument("--loop", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.loop:
        loop, algorithm, seed = options.loop
        run = load_params().agent[f"cartpole-{algorithm}"]
        run = replace(run, steps=options.steps or run.steps)
        print(json.dumps(LOOPS[loop](run, int(seed))))
        return
    for algorithm in options.algorithms:
        found: dict[str, list[tuple[float, float | None]]] = {loop: [] for loop in LOOPS}
        for seed in range(1, options.passes + 1):
            for loop, passes in found.items():
                steps = ["--steps", str(options.steps)] if options.steps else []
                command = [sys.executable, str(Path(__file__).resolve()), *steps, "--loop", loop, algorithm, str(seed)]
                told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
                passes.append(json.loads(told.splitlines()[-1]))
        fast, slow = (statistics.median(rate for rate, _ in found[loop]) for loop in ("ours", "theirs"))
        print(f"{algorithm}: {fast:,.0f} steps a second against {slow:,.0f}, {fast / slow:.2f} times")
        for loop, passes in found.items():
            times = [math.inf if seconds is None else seconds for _, seconds in passes]
            solved = sum(math.isfinite(seconds) for seconds in times)
            print(f"  {loop}: solved {solved} of {len(times)}, median {statistics.median(times):.1f} s")


if __name__ == "__main__":
    main()
