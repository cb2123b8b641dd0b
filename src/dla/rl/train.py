"""One agent per seed, from settings to weights, learning curves and evaluation."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import torch

from dla.rl.dqn import DQN
from dla.rl.environments import Environments, make_environments
from dla.rl.evaluate import Evaluation, evaluate
from dla.rl.ppo import PPO
from dla.settings.agents import DQNRun, PPORun
from dla.training.checkpoint import Checkpoint
from dla.training.runtime import keep_freed_memory, seed_everything

ALGORITHMS: dict[str, Any] = {"dqn": DQN, "ppo": PPO}
COLUMNS = ("run", "seed", "step", "episodes", "return", "length", "success")  # and what the algorithm tells
SOLVED = 100  # episodes in a row whose mean return is compared with the threshold


@dataclass(frozen=True)
class TrainedAgent:
    """An agent of one seed."""

    seed: int
    steps: int  # of all copies: those asked for, rounded to whole updates
    weights: dict[str, Any]
    rows: list[dict[str, Any]]  # of `COLUMNS` and what the algorithm tells
    solved_at: int | None  # steps of all copies until `SOLVED` training episodes reached the threshold on average
    evaluation: Evaluation
    checkpoint: Checkpoint


def train_agent(name: str, run: DQNRun | PPORun, seed: int) -> TrainedAgent:
    """Train from one seed, resume a killed run, and evaluate once at the end.

    An environment whose state cannot be saved begins new episodes at every checkpoint, whether the run was killed
    there or not: so it ends in the same bits.

    Raises
    ------
    UserError
        If the environment is not there or its spaces do not fit the algorithm.
    """
    torch.set_num_threads(1)  # nets this small only wait for each other
    keep_freed_memory()
    seed_everything(seed)
    environments = make_environments(run.environment, run.copies)
    algorithm = ALGORITHMS[run.name](run, environments)
    checkpoint = Checkpoint({"name": name, "agent": asdict(run), "seed": seed}, [])
    progress = Progress(name, run, seed, environments, algorithm)
    progress.resume(checkpoint)
    while progress.part < progress.parts:
        progress.advance(checkpoint)
    evaluation = evaluate(algorithm.net, run.environment, run.episodes, seed)
    weights = {key: value.numpy() for key, value in algorithm.net.state_dict().items()}
    return TrainedAgent(seed, progress.steps, weights, progress.rows, progress.solved_at, evaluation, checkpoint)


class Progress:
    """How far a run is: parts between checkpoints, points of the curve, and whether it is solved."""

    def __init__(self, name: str, run: DQNRun | PPORun, seed: int, environments: Environments, algorithm: Any) -> None:
        self.name, self.run, self.seed = name, run, seed
        self.environments, self.algorithm = environments, algorithm
        self.updates = max(1, round(run.steps / algorithm.step_size()))
        self.steps = self.updates * algorithm.step_size()
        self.parts = min(run.checkpoints, self.updates)
        self.part = 0
        self.observations: Any = None
        self.rows: list[dict[str, Any]] = []
        self.recent: deque[float] = deque(maxlen=SOLVED)
        self.since: list[dict[str, Any]] = []  # episodes since the last point
        self.told: dict[str, list[float]] = {}
        self.solved_at: int | None = None

    def advance(self, checkpoint: Checkpoint) -> None:
        """One part of the run, then a checkpoint."""
        if self.part == 0 or not self.environments.can_be_saved:
            first = self.seed * 1_000_003 + self.part * self.run.copies  # every copy has the next one's seed less one
            self.observations = self.environments.reset(seed=first % 2**31)
        steps = range(*(self.updates * (self.part + i) // self.parts for i in (0, 1)))
        for update, (observations, told) in enumerate(
            self.algorithm.run(self.environments, self.observations, steps), start=steps.start + 1
        ):
            self.observations = observations
            self.record(update, told)
        self.part += 1
        checkpoint.save(self.state())

    def record(self, update: int, told: dict[str, float]) -> None:
        """Count the episodes that ended, and now and then add a point to the curve."""
        step = update * self.algorithm.step_size()
        for episode in self.environments.take_ended():
            self.since.append(episode)
            self.recent.append(episode["return"])
            threshold = self.environments.threshold
            if self.solved_at is None and threshold is not None and len(self.recent) == SOLVED:
                self.solved_at = step if float(np.mean(self.recent)) >= threshold else None
        for key, value in told.items():
            self.told.setdefault(key, []).append(value)
        if update * self.run.points // self.updates > (update - 1) * self.run.points // self.updates:
            self.rows.append(self.point(step))
            print(self.line(self.rows[-1]), flush=True)
            self.since, self.told = [], {}

    def point(self, step: int) -> dict[str, Any]:
        """A row of the curve; empty where nothing ended, nothing was learned or success is not defined."""
        means = {key: _mean([episode[key] for episode in self.since]) for key in ("return", "length", "success")}
        told = {key: _mean(self.told.get(key, [])) for key in self.algorithm.curves}
        return {"run": self.name, "seed": self.seed, "step": step, "episodes": len(self.since), **means, **told}

    def line(self, row: dict[str, Any]) -> str:
        """The row as an aligned line."""
        mean = f"{row['return']:8.2f}" if self.since else "       -"
        return (
            f"seed {self.seed}  step {row['step']:>9,}/{self.run.steps:,}  episodes {len(self.since):>5}  return {mean}"
        )

    def state(self) -> dict[str, Any]:
        """All that a later process needs to go on."""
        return {
            "algorithm": self.algorithm.state(),
            "environments": self.environments.state(),
            "observations": self.observations,
            "part": self.part,
            "rows": self.rows,
            "recent": list(self.recent),
            "since": self.since,
            "told": self.told,
            "solved_at": self.solved_at,
        }

    def resume(self, checkpoint: Checkpoint) -> None:
        """Go on from where an earlier process was cut short, if one was."""
        state = checkpoint.load()
        if state is None:
            return
        self.algorithm.restore(state["algorithm"])
        if state["environments"] is not None:
            self.environments.restore(_as_numpy(state["environments"]))
        self.observations = np.asarray(state["observations"])
        self.part, self.rows, self.since = state["part"], state["rows"], state["since"]
        self.told, self.solved_at = state["told"], state["solved_at"]
        self.recent = deque(state["recent"], maxlen=SOLVED)


def _mean(values: Sequence[Any]) -> float | Literal[""]:
    return float(np.mean(values)) if values and None not in values else ""


def _as_numpy(node: Any) -> Any:
    """A checkpoint gives tensors where arrays were."""
    if isinstance(node, torch.Tensor):
        return node.numpy()
    if isinstance(node, dict):
        return {key: _as_numpy(value) for key, value in node.items()}
    return [_as_numpy(value) for value in node] if isinstance(node, list) else node


def curves(run: DQNRun | PPORun) -> tuple[str, ...]:
    """The columns of a run's table."""
    return (*COLUMNS, *ALGORITHMS[run.name].curves)


def all_rows(agents: list[TrainedAgent]) -> Iterator[dict[str, Any]]:
    """The rows of all seeds."""
    for agent in agents:
        yield from agent.rows
