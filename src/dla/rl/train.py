"""One agent per seed, from settings to weights, learning curves and evaluation."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from dla.core.errors import UserError
from dla.rl.base.algorithm import Algorithm, build
from dla.rl.environments.place import Place
from dla.rl.environments.vector import Environments
from dla.rl.evaluate import Evaluation, judge
from dla.rl.seeds import first_seed
from dla.rl.settings import AgentSettings
from dla.training.checkpoint import Checkpoint
from dla.training.runtime import seed_everything


@dataclass(frozen=True)
class TrainedAgent:
    """An agent of one seed."""

    seed: int
    steps: int  # of all copies: those asked for, rounded to whole updates
    kept_at: int  # step whose weights are kept
    weights: dict[str, NDArray[Any]]
    rows: list[dict[str, Any]]  # of the learning curve, one for each policy at every point
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


def train_agent(name: str, settings: AgentSettings, seed: int) -> TrainedAgent:
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
        environments = Place.of(settings).make(settings.copies)
        algorithm = build(settings, environments)
        checkpoint = Checkpoint({"name": name, "agent": asdict(settings), "seed": seed}, [])
        progress = Progress(name, settings, seed, environments, algorithm)
        progress.resume(checkpoint)
        while progress.part < progress.parts:
            progress.advance(checkpoint)
    except UserError as error:
        raise UserError(f"agent.{name}: {error}") from None
    if settings.keep == "best":
        algorithm.net.load_state_dict(progress.best.weights)
    evaluation = judge(algorithm.net, settings, "test", seed)
    weights = {key: value.numpy() for key, value in algorithm.net.state_dict().items()}
    kept_at = progress.best.step if settings.keep == "best" else progress.steps
    return TrainedAgent(seed, progress.steps, kept_at, weights, progress.rows, evaluation)


@dataclass(frozen=True)
class Best:
    """The point of the curve with the highest greedy return on the validation's seeds; of equals the last."""

    mean: float  # return
    step: int
    weights: dict[str, torch.Tensor]


class Progress:
    """How far a training is: parts between checkpoints, and points of the curve."""

    def __init__(
        self, name: str, settings: AgentSettings, seed: int, environments: Environments, algorithm: Algorithm
    ) -> None:
        self.name, self.settings, self.seed = name, settings, seed
        self.environments, self.algorithm = environments, algorithm
        self.updates = max(1, round(settings.steps / algorithm.steps_per_update))
        self.steps = self.updates * algorithm.steps_per_update
        self.parts = min(settings.checkpoints, self.updates)
        self.part = 0
        self.observations: NDArray[Any] = np.empty(0)  # of all copies, once the first part has begun
        self.rows: list[dict[str, Any]] = []
        self.best = Best(-math.inf, 0, {})
        self.diagnostics: dict[str, list[float]] = {}  # of the updates since the last point

    def advance(self, checkpoint: Checkpoint) -> None:
        """One part of the training, then a checkpoint."""
        if self.part == 0:
            self.add_point(0)
        if self.part == 0 or not self.environments.can_be_saved:
            number = self.seed * 1_000_003 + self.part * self.settings.copies
            self.observations = self.environments.reset(first_seed("training", number, self.settings.copies))
        updates = range(*(self.updates * (self.part + i) // self.parts for i in (0, 1)))
        for done, update in enumerate(
            self.algorithm.run(self.environments, self.observations, updates), start=updates.start + 1
        ):
            self.observations = update.observations
            self.record(done, update.diagnostics)
        self.part += 1
        checkpoint.save(self.state())

    def record(self, updates: int, diagnostics: Mapping[str, float]) -> None:
        """See that the last of so many updates was one, and now and then add a point to the curve."""
        step = updates * self.algorithm.steps_per_update
        self.require_finite(step, diagnostics)
        self.environments.take_ended()  # the curve is of complete episodes of one policy, which these are not
        for key, value in diagnostics.items():
            self.diagnostics.setdefault(key, []).append(value)
        points = self.settings.points
        if updates * points // self.updates > (updates - 1) * points // self.updates:
            self.add_point(step)

    def require_finite(self, step: int, diagnostics: Mapping[str, float]) -> None:
        """A `UserError` if the loss or a weight is no longer a number."""
        weights = float(nn.utils.parameters_to_vector(self.algorithm.net.parameters()).detach().sum())
        for what, value in (("the training loss", diagnostics.get("loss", 0.0)), ("a weight", weights)):
            if not math.isfinite(value):
                clip = self.settings.gradient_clip
                raise UserError(
                    f"{what} became {value} by step {step:,} of seed {self.seed}: "
                    f"take a smaller learning_rate than {self.settings.learning_rate}, or "
                    f"{'set gradient_clip' if clip is None else f'a smaller gradient_clip than {clip}'}"
                )

    def add_point(self, step: int) -> None:
        """Judge the agent as it is, on the validation's seeds: two rows of the curve, and a line."""
        evaluations = judge(self.algorithm.net, self.settings, "validation", self.seed, step)
        diagnostics = {key: _mean(self.diagnostics.get(key, [])) for key in self.algorithm.diagnostics}
        for policy, evaluation in evaluations.items():
            row = {"run": self.name, "seed": self.seed, "step": step, "policy": policy, **evaluation.means()}
            self.rows.append(row | (diagnostics if policy == "greedy" else dict.fromkeys(diagnostics, "")))
        self.diagnostics = {}
        mean = float(np.mean(evaluations["greedy"].returns))
        if math.isnan(mean):
            raise UserError(f"a return was no number at step {step:,} of seed {self.seed}: see that each reward is one")
        if mean >= self.best.mean:
            self.best = Best(mean, step, {key: value.clone() for key, value in self.algorithm.net.state_dict().items()})
        returns = "  ".join(f"{policy} {np.mean(one.returns):8.2f}" for policy, one in evaluations.items())
        cut_off = sum(one.cut_off for one in evaluations.values())
        note = f"  {cut_off} episodes cut off after {Place.of(self.settings).limit:,} steps" if cut_off else ""
        print(f"seed {self.seed}  step {step:>9,}/{self.settings.steps:,}  return {returns}{note}", flush=True)

    def state(self) -> dict[str, Any]:
        """All that a later process needs to go on."""
        return {
            "algorithm": {name: part.state_dict() for name, part in self.algorithm.saved().items()},
            "environments": self.environments.state_dict(),
            "observations": self.observations,
            "part": self.part,
            "rows": self.rows,
            "best": vars(self.best),
            "diagnostics": self.diagnostics,
        }

    def resume(self, checkpoint: Checkpoint) -> None:
        """Go on from where an earlier process was cut short, if one was."""
        state = checkpoint.load()
        if state is None:
            return
        for name, part in self.algorithm.saved().items():
            part.load_state_dict(state["algorithm"][name])
        self.environments.load_state_dict(state["environments"])
        self.observations = np.asarray(state["observations"])
        self.part, self.rows, self.diagnostics = state["part"], state["rows"], state["diagnostics"]
        self.best = Best(**state["best"])


def _mean(values: Sequence[float]) -> float | Literal[""]:
    return float(np.mean(values)) if values else ""
