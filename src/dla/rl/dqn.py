"""Deep Q-learning (Mnih et al. 2015, doi 10.1038/nature14236); double, dueling and n-step if asked."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import torch
from gymnasium import spaces
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F

from dla.core.errors import UserError
from dla.rl.environments import Environments, Transition, Update
from dla.rl.nets import Adam, sizes
from dla.rl.normalization import ReturnScale, Standardize
from dla.rl.replay import Buffer, Steps, Transitions
from dla.rl.settings import DQNRun


class QNet(nn.Module):
    """The value of every action, (B, D) -> (B, A)."""

    def __init__(self, settings: DQNRun, observations: spaces.Space[Any], actions: spaces.Space[Any]) -> None:
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
        found: torch.Tensor = self.advantages(hidden)
        if self.value is not None:  # Wang et al. 2016 (arXiv 1511.06581), equation 9
            found = self.value(hidden) + found - found.mean(-1, keepdim=True)
        return found

    def act(self, observations: torch.Tensor) -> torch.Tensor:
        """The best actions, (B,)."""
        found: torch.Tensor = self(observations).argmax(-1)
        return found

    def sample(self, observations: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """The best actions or, with the final epsilon, any: (B,)."""
        count = len(observations)
        random = torch.rand(count, generator=generator) < self.epsilon
        anything = torch.randint(self.advantages.out_features, (count,), generator=generator)
        return torch.where(random, anything, self.act(observations))

    def as_actions(self, actions: torch.Tensor) -> NDArray[Any]:
        """What the environments take."""
        return actions.numpy()


def targets(
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
    """The algorithm: acts, remembers, and learns from what it remembers."""

    curves = ("loss", "value", "epsilon")

    def __init__(self, settings: DQNRun, environments: Environments) -> None:
        self.settings = settings
        self.copies = len(environments.finished)
        self.net = QNet(settings, environments.observation_space, environments.action_space)
        shared = {id(self.net.standardize): self.net.standardize}  # what was seen is the same for both
        self.target = copy.deepcopy(self.net, shared).requires_grad_(False)
        self.optimizer = Adam(self.net, settings.learning_rate, settings.gradient_clip)
        width = spaces.flatdim(environments.observation_space)
        self.scale = ReturnScale(self.copies, settings.discount) if settings.normalize_rewards else None
        self.steps = Steps(settings.n_steps, self.copies, width, settings.discount)
        self.buffer = Buffer(settings.buffer, width)
        self.actions = int(environments.action_space.n)  # type: ignore[attr-defined]  # QNet has seen to it

    def step_size(self) -> int:
        """Steps of all copies between updates."""
        return self.settings.train_every

    def epsilon(self, step: int) -> float:
        """Share of random actions after so many steps of all copies."""
        progress = step / (self.settings.exploration * self.settings.steps)
        return max(1 + progress * (self.settings.epsilon - 1), self.settings.epsilon)

    def run(self, environments: Environments, observations: NDArray[Any], updates: range) -> Iterator[Update]:
        """Yield the observations and what the update was like after each of `updates`, counted from the run's first."""
        if self.scale:
            self.scale.begin()
        seen = torch.from_numpy(observations).view(self.copies, -1).float()
        for update in updates:
            done = update * self.step_size()
            for first in range(done, done + self.step_size(), self.copies):
                actions = self.explore(seen, self.epsilon(first))
                transition = environments.step(actions.numpy())
                self.buffer.add(self.steps.add(seen, actions, transition))
                self.count(seen, transition)
                seen = torch.from_numpy(transition.observations).view(self.copies, -1).float()
            done += self.step_size()
            told = {"epsilon": self.epsilon(done)}
            if done >= self.settings.learning_starts and self.buffer.count:
                told |= self.learn(done)
            yield transition.observations, told
        for left in self.steps.finish():  # here a checkpoint may be made, and other episodes begin
            self.buffer.add(left)

    def count(self, observations: torch.Tensor, transition: Transition) -> None:
        """Let a step of all copies count in what observations and rewards are normalised by, if they are."""
        if self.net.standardize:
            self.net.standardize.see(observations)
        if self.scale:
            self.scale.see(transition)

    @torch.no_grad()
    def explore(self, observations: torch.Tensor, epsilon: float) -> torch.Tensor:
        """The best action or, with probability epsilon, any: (N,)."""
        random = torch.rand(self.copies) < epsilon
        anything = torch.randint(self.actions, (self.copies,))
        return anything if random.all() else torch.where(random, anything, self.net.act(observations))

    def learn(self, done: int) -> dict[str, float]:
        """Updates from random transitions; every so often the target net becomes the net."""
        size = self.settings.batch_size
        if self.settings.anneal:
            self.optimizer.learning_rate = self.settings.learning_rate * max(1 - done / self.settings.steps, 0.0)
        drawn = self.buffer.sample(self.settings.updates * size)
        if self.scale:
            drawn = drawn._replace(rewards=self.scale(drawn.rewards))
        with torch.no_grad():
            after = self.target(drawn.following)  # of all updates at once, as the target net stays what it is
        for batch, values in zip(drawn.split(size), after.split(size), strict=True):
            loss, value = self.update(batch, values)
        every = self.settings.target_every
        if done // every > (done - self.step_size()) // every:
            self.target.load_state_dict(self.net.state_dict())
        return {"loss": float(loss), "value": float(value)}

    def update(self, batch: Transitions, after: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """One step of the optimizer, `after` being the target net's values (B, A) of what followed."""
        with torch.no_grad():
            chosen = (self.net(batch.following) if self.settings.double else after).argmax(1)  # arXiv 1509.06461
            wanted = targets(batch.rewards, batch.discounts, after, chosen)
        values = self.net(batch.observations).gather(1, batch.actions[:, None]).squeeze(1)
        loss = F.smooth_l1_loss(values, wanted)  # Huber's: errors beyond 1 pull no harder
        self.optimizer.step(loss)
        return loss.detach(), values.detach().mean()

    def state(self) -> dict[str, Any]:
        """All that a later process needs to go on."""
        return {
            "net": self.net.state_dict(),
            "target": self.target.state_dict(),
            "optimizer": self.optimizer.state(),
            "buffer": self.buffer.state(),
            "scale": self.scale.state() if self.scale else None,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a `state`."""
        self.net.load_state_dict(state["net"])
        self.target.load_state_dict(state["target"])
        self.optimizer.restore(state["optimizer"])
        self.buffer.restore(state["buffer"])
        if self.scale:
            self.scale.restore(state["scale"])
