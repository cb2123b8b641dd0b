"""Agents: which algorithm learns in which environment, and how."""

from __future__ import annotations

from dataclasses import field
from typing import Annotated, Any, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from dla.core.parsing import STRICT, Found
from dla.core.values import Count, Distinct, Key, Name, Positive, Seed

ALGORITHMS = Found("dla.rl.algorithms", "algorithm")
Share = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True, config=STRICT, kw_only=True)
class AgentSettings:
    """What the settings of every algorithm have."""

    algorithm: Key  # a module of dla.rl.algorithms
    environment: Name  # its id in gymnasium's registry; `module:id` if a module must be imported that registers it
    kwargs: dict[str, Any] = field(default_factory=dict)  # of the environment's constructor
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1), Distinct]  # one training each
    steps: Count  # of all copies of the environment together
    copies: Count  # of the environment, side by side
    widths: tuple[Count, ...]  # hidden layers of every net
    discount: Share  # of what comes one step later, gamma
    learning_rate: Positive  # of Adam
    anneal: bool = False  # the learning rate falls linearly to nothing
    gradient_clip: Positive | None = None  # largest norm of the gradient
    episodes: Count  # to judge the agent by: so many greedy and so many sampled ones, on seeds of their own
    points: Count  # of the learning curve, beside the one before training
    validation_episodes: Count  # at each point, greedy and as many sampled, on seeds that neither training nor test has
    keep: Literal["best", "last"] = "last"  # weights of the point with the highest greedy return, or of the end
    max_episode_steps: Count = 1000  # of these, where the environment sets no limit (as Box2D's and MuJoCo's have it)
    checkpoints: Count  # times that a run is saved

    def learning_rate_after(self, step: int) -> float:
        """The learning rate after so many steps of all copies."""
        return self.learning_rate * max(1 - step / self.steps, 0.0) if self.anneal else self.learning_rate


Agent = Annotated[AgentSettings, ALGORITHMS]


@dataclass(frozen=True, config=STRICT, kw_only=True)
class AgentComparison:
    """How agents are compared over their seeds."""

    confidence: Annotated[float, Field(gt=0.5, lt=1)]  # level of the intervals, and of what is called shown
    resamples: Count  # of the bootstrap
    seed: Seed  # of the bootstrap
