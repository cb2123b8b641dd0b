"""Deep Q-learning (Mnih et al. 2015, doi 10.1038/nature14236); double, dueling and n-step if asked."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Annotated, Any, NamedTuple

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import nn
from torch.nn import functional as F

from dla.core.errors import UserError
from dla.core.parsing import STRICT
from dla.core.values import Count
from dla.rl.base.adam import Adam
from dla.rl.base.algorithm import Algorithm, Update
from dla.rl.base.normalization import NormalizingSettings, ReturnScale, Standardize
from dla.rl.base.policy import PolicyNet, sizes
from dla.rl.environments.vector import Environments, Saveable, Transition
from dla.rl.settings import Share


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Settings(NormalizingSettings):
    """Deep Q-learning (Mnih et al. 2015)."""

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

    def epsilon_after(self, step: int) -> float:
        """Share of random actions after so many steps of all copies."""
        progress = step / (self.exploration * self.steps)
        return max(1 + progress * (self.epsilon - 1), self.epsilon)


def build(settings: Settings, environments: Environments) -> Algorithm:
    """The algorithm, with a net for these environments."""
    return DQN(settings, environments)


# --- the net --------------------------------------------------------------------------------------------------


class QNet(PolicyNet):
    """The value of every action, (B, D) -> (B, A)."""

    def __init__(self, settings: Settings, observations: spaces.Space[Any], actions: spaces.Space[Any]) -> None:
        super().__init__()
        if not isinstance(actions, spaces.Discrete):
            raise UserError(f"DQN acts in Discrete spaces, not in {actions}; take ppo")
        inputs, outputs = sizes(observations, actions)
        self.epsilon = settings.epsilon
        widths = (inputs, *settings.widths)
        layers = [(nn.Linear(*pair), nn.ReLU()) for pair in pairwise(widths)]
        self.standardize = Standardize(inputs) if settings.normalize_observations else None
        first = [self.standardize] if self.standardize else []
        self.hidden = nn.Sequential(*first, *(layer for pair in layers for layer in pair))
        self.advantages = nn.Linear(widths[-1], outputs)
        self.value = nn.Linear(widths[-1], 1) if settings.dueling else None

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        hidden = self.hidden(observations)
        values: torch.Tensor = self.advantages(hidden)
        if self.value is not None:  # Wang et al. 2016 (arXiv 1511.06581), equation 9
            values = self.value(hidden) + values - values.mean(-1, keepdim=True)
        return values

    def act(self, observations: torch.Tensor) -> torch.Tensor:
        """The best actions, (B,)."""
        actions: torch.Tensor = self(observations).argmax(-1)
        return actions

    def sample(self, observations: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """The best actions or, with the final epsilon, any: (B,)."""
        return self.explore(observations, self.epsilon, generator)

    def explore(
        self, observations: torch.Tensor, epsilon: float, generator: torch.Generator | None = None
    ) -> torch.Tensor:
        """The best actions or, with probability epsilon, any: (B,); by torch's generator unless there is another."""
        count = len(observations)
        random = torch.rand(count, generator=generator) < epsilon
        anything = torch.randint(self.advantages.out_features, (count,), generator=generator)
        return anything if random.all() else torch.where(random, anything, self.act(observations))


# --- what is remembered ---------------------------------------------------------------------------------------


class Transitions(NamedTuple):
    """What is learned from: from each, one or several steps on."""

    observations: torch.Tensor  # (B, D)
    actions: torch.Tensor  # (B,) int64
    rewards: torch.Tensor  # (B,) of all the steps, discounted
    following: torch.Tensor  # (B, D), the observations after the last of the steps
    discounts: torch.Tensor  # (B,) what their value counts; 0: the episode terminated

    def split(self, size: int) -> Iterator[Transitions]:
        """Batches of so many."""
        return map(Transitions._make, zip(*(column.split(size) for column in self), strict=True))


class Steps:
    """The last n steps of N copies, while their rewards are being summed (Sutton 1988, doi 10.1007/BF00115009).

    A sum ends before n steps where the episode does.
    """

    def __init__(self, n: int, copies: int, width: int, discount: float) -> None:
        self.discount = np.float32(discount)
        self.observations, self.following = (np.empty((n, copies, width), np.float32) for _ in range(2))
        self.actions = np.empty((n, copies), np.int64)
        self.rewards, self.discounts = (np.zeros((n, copies), np.float32) for _ in range(2))
        self.going, self.waiting = (np.zeros((n, copies), bool) for _ in range(2))  # still summed; not yet handed out
        self.begun = 0

    def add(self, observations: torch.Tensor, actions: torch.Tensor, step: Transition) -> Transitions:
        """One step of all copies; what begun n steps ago, if it was real."""
        n = len(self.going)
        row = self.begun % n
        self.observations[row], self.actions[row] = observations, actions
        self.rewards[row], self.discounts[row] = 0, 1
        self.going[row] = self.waiting[row] = step.real
        self.rewards += self.discounts * step.rewards * self.going
        self.discounts *= np.where(self.going, np.where(step.terminated, 0, self.discount), 1)
        np.copyto(self.following, step.observations.reshape(observations.shape), where=self.going[..., None])
        self.going &= ~(step.terminated | step.truncated)
        self.begun += 1
        return self.take(self.begun % n)

    def take(self, row: int) -> Transitions:
        """Hand out a row of steps."""
        chosen = np.flatnonzero(self.waiting[row])
        self.waiting[row] = False
        return Transitions(*(torch.from_numpy(getattr(self, name)[row, chosen]) for name in Transitions._fields))

    def finish(self) -> Iterator[Transitions]:
        """All that is left, as if every episode were cut off now."""
        n = len(self.going)
        return (self.take((self.begun + later) % n) for later in range(n))


class ReplayBuffer:
    """The last transitions, in tensors that are made once."""

    def __init__(self, size: int, width: int) -> None:
        observations, following = torch.empty(size, width), torch.empty(size, width)
        actions = torch.empty(size, dtype=torch.int64)
        self.columns = Transitions(observations, actions, torch.empty(size), following, torch.empty(size))
        self.size, self.next, self.count = size, 0, 0

    def add(self, transitions: Transitions) -> None:
        """Remember them; the oldest are forgotten."""
        new = len(transitions.actions)
        places = (self.next + torch.arange(new)) % self.size
        for column, values in zip(self.columns, transitions, strict=True):
            column[places] = values
        self.next = (self.next + new) % self.size
        self.count = min(self.count + new, self.size)

    def sample(self, count: int) -> Transitions:
        """Random ones."""
        rows = torch.randint(self.count, (count,))
        return Transitions(*(column.index_select(0, rows) for column in self.columns))

    def state_dict(self) -> dict[str, Any]:
        """What is remembered."""
        return {"columns": [column[: self.count] for column in self.columns], "next": self.next, "count": self.count}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Remember a state."""
        self.next, self.count = state["next"], state["count"]
        for column, values in zip(self.columns, state["columns"], strict=True):
            column[: self.count] = values


# --- the algorithm --------------------------------------------------------------------------------------------


def q_targets(
    rewards: torch.Tensor, discounts: torch.Tensor, following: torch.Tensor, chosen: torch.Tensor
) -> torch.Tensor:
    """What the value of the actions that were taken should have been, (B,).

    Parameters
    ----------
    discounts : (B,) what the value of what follows counts; 0 after termination, not after truncation
    following : (B, A) values of the actions after, by the target net
    chosen : (B,) which of them is taken
    """
    return rewards + discounts * following.gather(1, chosen[:, None]).squeeze(1)


class DQN:
    """Acts, remembers, and learns from what it remembers."""

    diagnostics = ("loss", "value", "epsilon")

    def __init__(self, settings: Settings, environments: Environments) -> None:
        self.settings = settings
        self.copies = environments.copies
        self.steps_per_update = settings.train_every
        self.net = QNet(settings, environments.observation_space, environments.action_space)
        shared = {id(self.net.standardize): self.net.standardize}  # what was seen is the same for both
        self.target = copy.deepcopy(self.net, shared).requires_grad_(False)
        self.optimizer = Adam(self.net, settings.learning_rate, settings.gradient_clip)
        width = spaces.flatdim(environments.observation_space)
        self.scale = ReturnScale(self.copies, settings.discount) if settings.normalize_rewards else None
        self.steps = Steps(settings.n_steps, self.copies, width, settings.discount)
        self.buffer = ReplayBuffer(settings.buffer, width)

    def saved(self) -> dict[str, Saveable]:
        """All that a later process needs to go on."""
        saved: dict[str, Saveable] = {
            "net": self.net,
            "target": self.target,
            "optimizer": self.optimizer,
            "buffer": self.buffer,
        }
        return saved | ({"scale": self.scale} if self.scale else {})

    def run(self, environments: Environments, observations: NDArray[Any], updates: range) -> Iterator[Update]:
        """Act and learn for these updates, counted from the run's first."""
        if self.scale:
            self.scale.begin()
        seen = self.flat(observations)
        for update in updates:
            done = update * self.steps_per_update
            for step in range(done, done + self.steps_per_update, self.copies):
                with torch.no_grad():
                    actions = self.net.explore(seen, self.settings.epsilon_after(step))
                transition = environments.step(actions.numpy())
                self.buffer.add(self.steps.add(seen, actions, transition))
                if self.net.standardize:
                    self.net.standardize.see(seen)
                if self.scale:
                    self.scale.see(transition)
                seen = self.flat(transition.observations)
            done += self.steps_per_update
            diagnostics = {"epsilon": self.settings.epsilon_after(done)}
            if done >= self.settings.learning_starts and self.buffer.count:
                diagnostics |= self.learn(done)
            yield Update(transition.observations, diagnostics)
        for left in self.steps.finish():  # here a checkpoint may be made, and other episodes begin
            self.buffer.add(left)

    def flat(self, observations: NDArray[Any]) -> torch.Tensor:
        """Observations (N, ...) as vectors (N, D)."""
        return torch.from_numpy(observations).view(self.copies, -1).float()

    def learn(self, done: int) -> dict[str, float]:
        """Updates from random transitions; every so often the target net becomes the net."""
        settings = self.settings
        self.optimizer.learning_rate = settings.learning_rate_after(done)
        drawn = self.buffer.sample(settings.updates * settings.batch_size)
        if self.scale:
            drawn = drawn._replace(rewards=self.scale(drawn.rewards))
        with torch.no_grad():
            following = self.target(drawn.following)  # of all updates at once, as the target net stays what it is
        batches = zip(drawn.split(settings.batch_size), following.split(settings.batch_size), strict=True)
        for batch, values in batches:
            loss, value = self.update(batch, values)
        if done // settings.target_every > (done - self.steps_per_update) // settings.target_every:
            self.target.load_state_dict(self.net.state_dict())
        return {"loss": float(loss), "value": float(value)}

    def update(self, batch: Transitions, following: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """One step of the optimizer, `following` being the target net's values (B, A) of what followed."""
        with torch.no_grad():
            choosing = self.net(batch.following) if self.settings.double else following  # arXiv 1509.06461
            targets = q_targets(batch.rewards, batch.discounts, following, choosing.argmax(1))
        values = self.net(batch.observations).gather(1, batch.actions[:, None]).squeeze(1)
        loss = F.smooth_l1_loss(values, targets)  # Huber's: errors beyond 1 pull no harder
        self.optimizer.step(loss)
        return loss.detach(), values.detach().mean()
