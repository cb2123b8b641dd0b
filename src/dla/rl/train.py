"""One agent per seed, from settings to weights, learning curves and evaluation."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import torch

from dla.core.errors import UserError
from dla.rl.dqn import DQN
from dla.rl.environments import Environments, Place
from dla.rl.evaluate import Evaluation, judge
from dla.rl.ppo import PPO
from dla.rl.seeds import first_seed
from dla.rl.settings import DQNRun, PPORun
from dla.training.checkpoint import Checkpoint
from dla.training.runtime import seed_everything

ALGORITHMS: dict[str, Any] = {"dqn": DQN, "ppo": PPO}
COLUMNS = ("run", "seed", "step", "policy", "return", "length", "success", "episodes")  # and what the algorithm tells


@dataclass(frozen=True)
class TrainedAgent:
    """An agent of one seed."""

    seed: int
    steps: int  # of all copies: those asked for, rounded to whole updates
    weights: dict[str, Any]
    rows: list[dict[str, Any]]  # of `COLUMNS` and what the algorithm tells
    evaluation: dict[str, Evaluation]  # greedy and sampled

    def solved_at(self, threshold: float) -> int | None:
        """Steps of all copies after which the greedy validation episodes first reached the threshold on average."""
        return next((row["step"] for row in self.greedy_rows()[1:] if row["return"] >= threshold), None)

    def area(self) -> float:
        """Mean of the greedy learning curve over the steps, between its points along straight lines."""
        steps, returns = zip(*((row["step"], row["return"]) for row in self.greedy_rows()), strict=True)
        return float(np.trapezoid(returns, steps)) / self.steps

    def greedy_rows(self) -> list[dict[str, Any]]:
        """The learning curve of the actions that the agent thinks best."""
        return [row for row in self.rows if row["policy"] == "greedy"]


def train_agent(name: str, run: DQNRun | PPORun, seed: int) -> TrainedAgent:
    """Train from one seed, resume a killed run, and evaluate on the test's seeds once at the end.

    An environment whose state cannot be saved begins new episodes at every checkpoint, whether the run was killed
    there or not: so it ends in the same bits.

    Raises
    ------
    UserError
        If the environment is not there, its spaces do not fit the algorithm, or the training diverges.
    """
    torch.set_num_threads(1)  # nets this small only wait for each other
    seed_everything(seed)
    try:
        environments = Place.of(run).make(run.copies)
        algorithm = ALGORITHMS[run.name](run, environments)
        checkpoint = Checkpoint({"name": name, "agent": asdict(run), "seed": seed}, [])
        progress = Progress(name, run, seed, environments, algorithm)
        progress.resume(checkpoint)
        while progress.part < progress.parts:
            progress.advance(checkpoint)
    except UserError as error:
        raise UserError(f"agent.{name}: {error}") from None
    evaluation = judge(algorithm.net, run, "test", seed)
    weights = {key: value.numpy() for key, value in algorithm.net.state_dict().items()}
    return TrainedAgent(seed, progress.steps, weights, progress.rows, evaluation)


class Progress:
    """How far a run is: parts between checkpoints, and points of the curve."""

    def __init__(self, name: str, run: DQNRun | PPORun, seed: int, environments: Environments, algorithm: Any) -> None:
        self.name, self.run, self.seed = name, run, seed
        self.environments, self.algorithm = environments, algorithm
        self.updates = max(1, round(run.steps / algorithm.step_size()))
        self.steps = self.updates * algorithm.step_size()
        self.parts = min(run.checkpoints, self.updates)
        self.part = 0
        self.observations: Any = None
        self.rows: list[dict[str, Any]] = []
        self.told: dict[str, list[float]] = {}

    def advance(self, checkpoint: Checkpoint) -> None:
        """One part of the run, then a checkpoint."""
        if self.part == 0:
            self.add_point(0)
        if self.part == 0 or not self.environments.can_be_saved:
            number = self.seed * 1_000_003 + self.part * self.run.copies
            self.observations = self.environments.reset(first_seed("training", number, self.run.copies))
        steps = range(*(self.updates * (self.part + i) // self.parts for i in (0, 1)))
        for update, (observations, told) in enumerate(
            self.algorithm.run(self.environments, self.observations, steps), start=steps.start + 1
        ):
            self.observations = observations
            self.record(update, told)
        self.part += 1
        checkpoint.save(self.state())

    def record(self, update: int, told: dict[str, float]) -> None:
        """See that the update was one, and now and then add a point to the curve."""
        step = update * self.algorithm.step_size()
        self.require_finite(step, told)
        self.environments.take_ended()  # the curve is of complete episodes of one policy, which these are not
        for key, value in told.items():
            self.told.setdefault(key, []).append(value)
        if update * self.run.points // self.updates > (update - 1) * self.run.points // self.updates:
            self.add_point(step)

    def require_finite(self, step: int, told: dict[str, float]) -> None:
        """A `UserError` if the loss or a weight is no longer a number."""
        weights = float(self.algorithm.optimizer.weights.sum())
        for what, value in (("the training loss", told.get("loss", 0.0)), ("a weight", weights)):
            if not math.isfinite(value):
                clip = self.run.gradient_clip
                raise UserError(
                    f"{what} became {value} by step {step:,} of seed {self.seed}: "
                    f"take a smaller learning_rate than {self.run.learning_rate}, or "
                    f"{'set gradient_clip' if clip is None else f'a smaller gradient_clip than {clip}'}"
                )

    def add_point(self, step: int) -> None:
        """Judge the agent as it is, on the validation's seeds: two rows of the curve, and a line."""
        judged = judge(self.algorithm.net, self.run, "validation", self.seed, step)
        told = {key: _mean(self.told.get(key, [])) for key in self.algorithm.curves}
        for policy, evaluation in judged.items():
            row = {"run": self.name, "seed": self.seed, "step": step, "policy": policy, **evaluation.means()}
            self.rows.append(row | (told if policy == "greedy" else dict.fromkeys(told, "")))
        self.told = {}
        returns = "  ".join(f"{policy} {np.mean(one.returns):8.2f}" for policy, one in judged.items())
        cut_off = sum(one.cut_off for one in judged.values())
        note = f"  {cut_off} episodes cut off after {Place.of(self.run).limit:,} steps" if cut_off else ""
        print(f"seed {self.seed}  step {step:>9,}/{self.run.steps:,}  return {returns}{note}", flush=True)

    def state(self) -> dict[str, Any]:
        """All that a later process needs to go on."""
        return {
            "algorithm": self.algorithm.state(),
            "environments": self.environments.state(),
            "observations": self.observations,
            "part": self.part,
            "rows": self.rows,
            "told": self.told,
        }

    def resume(self, checkpoint: Checkpoint) -> None:
        """Go on from where an earlier process was cut short, if one was."""
        state = checkpoint.load()
        if state is None:
            return
        self.algorithm.restore(state["algorithm"])
        if state["environments"] is not None:
            self.environments.restore(state["environments"])
        self.observations, self.part = state["observations"], state["part"]
        self.rows, self.told = state["rows"], state["told"]


def _mean(values: Sequence[Any]) -> float | Literal[""]:
    return float(np.mean(values)) if values else ""


def curves(run: DQNRun | PPORun) -> tuple[str, ...]:
    """The columns of a run's table."""
    return (*COLUMNS, *ALGORITHMS[run.name].curves)


def all_rows(agents: list[TrainedAgent]) -> Iterator[dict[str, Any]]:
    """The rows of all seeds."""
    for agent in agents:
        yield from agent.rows
