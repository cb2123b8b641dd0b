"""Agents: which algorithm learns in which environment, and how."""

from __future__ import annotations

from dataclasses import field
from typing import Annotated, Any, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from dla.core.parsing import STRICT
from dla.core.values import Count, Distinct, Name, NonNegative, Positive, Seed

Share = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True, config=STRICT, kw_only=True)
class AgentRun:
    """What both algorithms have."""

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
    normalize_observations: bool = False  # to mean 0 and standard deviation 1 of what training has seen so far
    normalize_rewards: bool = False  # to returns with standard deviation 1, while it trains
    episodes: Count  # to judge the agent by: so many greedy and so many sampled ones, on seeds of their own
    points: Count  # of the learning curve, beside the one before training
    validation_episodes: Count  # at each point, greedy and as many sampled, on seeds that neither training nor test has
    max_episode_steps: Count = 1000  # of these, where the environment sets no limit (as Box2D's and MuJoCo's have it)
    checkpoints: Count  # times that a run is saved


@dataclass(frozen=True, config=STRICT, kw_only=True)
class DQNRun(AgentRun):
    """Deep Q-learning (Mnih et al. 2015)."""

    name: Literal["dqn"]
    buffer: Count  # transitions that are remembered
    batch_size: Count  # transitions of an update
    n_steps: Count = 1  # whose rewards are summed before the value of what follows counts (Sutton 1988)
    learning_starts: Count  # steps before the first update
    train_every: Count  # steps between updates, a multiple of the copies
    updates: Count = 1  # at a time
    target_every: Count  # steps between copies of the net into the target net
    epsilon: Share  # share of random actions that is left in the end
    exploration: Annotated[float, Field(gt=0, le=1)]  # share of the steps over which epsilon falls from 1 to that
    double: bool = False  # the online net chooses the action that the target net values (van Hasselt et al. 2016)
    dueling: bool = False  # value and advantages apart (Wang et al. 2016)

    def __post_init__(self) -> None:
        for setting in ("learning_starts", "buffer"):
            if (value := getattr(self, setting)) < self.copies:
                raise ValueError(f"{setting} = {value} should be at least copies = {self.copies}")
        if self.train_every % self.copies:
            raise ValueError(f"train_every = {self.train_every} should be a multiple of copies = {self.copies}")


@dataclass(frozen=True, config=STRICT, kw_only=True)
class PPORun(AgentRun):
    """Proximal policy optimisation (Schulman et al. 2017)."""

    name: Literal["ppo"]
    rollout: Count  # steps of every copy between updates
    epochs: Count  # passes over a rollout
    minibatches: Count  # of a pass
    gae_lambda: Share  # of generalised advantage estimation (Schulman et al. 2016)
    clip: Positive  # how far the ratio of probabilities may go from 1
    value_clip: bool = False  # the same limit for the value
    value_coefficient: NonNegative = 0.5  # of the mean squared error of values in the loss
    entropy_coefficient: NonNegative = 0.0  # of the policy's entropy, which the loss rewards
    normalize_advantages: bool = True  # per minibatch

    def __post_init__(self) -> None:
        if self.copies * self.rollout < 4 * self.minibatches:
            raise ValueError(
                f"minibatches = {self.minibatches} of {self.copies} copies x {self.rollout} steps should have four "
                "steps each at least"
            )


Agent = Annotated[DQNRun | PPORun, Field(discriminator="name")]


@dataclass(frozen=True, config=STRICT, kw_only=True)
class AgentComparison:
    """How agents are compared over their seeds."""

    confidence: Annotated[float, Field(gt=0.5, lt=1)]  # level of the intervals, and of what is called shown
    resamples: Count  # of the bootstrap
    seed: Seed  # of the bootstrap
