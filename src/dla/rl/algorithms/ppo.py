"""Proximal policy optimisation (Schulman et al. 2017, arXiv 1707.06347), for discrete and continuous actions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from pydantic.dataclasses import dataclass
from torch import nn
from torch.nn import functional as F

from dla.core.parsing import STRICT
from dla.core.values import Count, NonNegative, Positive
from dla.rl.base.adam import Adam
from dla.rl.base.algorithm import Algorithm, Update
from dla.rl.base.normalization import NormalizingSettings, ReturnScale, Standardize
from dla.rl.base.policy import PolicyNet, sizes
from dla.rl.environments.vector import Environments, Saveable
from dla.rl.settings import Share


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Settings(NormalizingSettings):
    """Proximal policy optimisation (Schulman et al. 2017)."""

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


def build(settings: Settings, environments: Environments) -> Algorithm:
    """The algorithm, with a net for these environments."""
    return PPO(settings, environments)


# --- the nets -------------------------------------------------------------------------------------------------


class ActorCritic(PolicyNet):
    """A policy and a value, two nets that share nothing (Andrychowicz et al. 2021, arXiv 2006.05990)."""

    def __init__(self, settings: Settings, observations: spaces.Space[Any], actions: spaces.Space[Any]) -> None:
        super().__init__()
        inputs, outputs = sizes(observations, actions)
        self.standardize = Standardize(inputs) if settings.normalize_observations else None
        first = [self.standardize] if self.standardize else []
        self.actor, self.critic = (hidden_layers(first, inputs, settings.widths) for _ in range(2))
        width = (inputs, *settings.widths)[-1]
        self.policy: Softmax | Normal = (
            Normal(width, actions) if isinstance(actions, spaces.Box) else Softmax(width, outputs)
        )
        self.value = linear(width, 1, gain=1.0)

    def values(self, observations: torch.Tensor) -> torch.Tensor:  # (..., B, D) -> (..., B)
        values: torch.Tensor = self.value(self.critic(observations)).squeeze(-1)
        return values

    def evaluate(self, observations: torch.Tensor, actions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Logarithms of the probabilities, or densities, of actions, and the policy's entropies, (..., B) each."""
        return self.policy.evaluate(self.actor(observations), actions)

    def act(self, observations: torch.Tensor) -> torch.Tensor:
        """The likeliest actions, (B,) or (B, A)."""
        return self.policy.likeliest(self.actor(observations))

    def sample(self, observations: torch.Tensor, generator: torch.Generator | None = None) -> torch.Tensor:
        """Random actions, (B,) or (B, A); by torch's global generator unless there is another."""
        return self.policy.sample(self.actor(observations), generator)

    def as_actions(self, actions: torch.Tensor) -> NDArray[Any]:
        """What the environments take."""
        return self.policy.as_actions(actions)


def linear(inputs: int, outputs: int, gain: float) -> nn.Linear:
    """A layer with orthogonal weights (Saxe et al. 2014) of so large a gain, and without biases at first."""
    layer = nn.Linear(inputs, outputs)
    nn.init.orthogonal_(layer.weight, gain)
    nn.init.zeros_(layer.bias)
    return layer


def hidden_layers(first: Sequence[nn.Module], inputs: int, widths: Sequence[int]) -> nn.Sequential:
    """Layers with tanh after each, (B, inputs) -> (B, last of widths), after those given."""
    pairs = pairwise([inputs, *widths])
    return nn.Sequential(*first, *(layer for pair in pairs for layer in (linear(*pair, gain=2**0.5), nn.Tanh())))


class Softmax(nn.Module):
    """A policy over n actions: log-probabilities without torch.distributions, which takes twice as long."""

    def __init__(self, width: int, actions: int) -> None:
        super().__init__()
        self.logits = linear(width, actions, gain=0.01)  # at first every action is about as likely

    def sample(self, hidden: torch.Tensor, generator: torch.Generator | None = None) -> torch.Tensor:
        """Random actions (B,) int64."""
        logits: torch.Tensor = self.logits(hidden)
        # The largest of logarithms with Gumbel noise is a sample (Gumbel 1954).
        return (logits - torch.empty_like(logits).exponential_(generator=generator).log_()).argmax(-1)

    def evaluate(self, hidden: torch.Tensor, actions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Logarithms of the probabilities of actions (..., B), and entropies (..., B)."""
        log_probabilities = F.log_softmax(self.logits(hidden), -1)
        entropy = -(log_probabilities.exp() * log_probabilities).sum(-1)
        return log_probabilities.gather(-1, actions.unsqueeze(-1)).squeeze(-1), entropy

    def likeliest(self, hidden: torch.Tensor) -> torch.Tensor:
        """The likeliest actions (B,)."""
        actions: torch.Tensor = self.logits(hidden).argmax(-1)
        return actions

    @staticmethod
    def as_actions(actions: torch.Tensor) -> NDArray[Any]:
        """What the environments take."""
        return actions.numpy()


class Normal(nn.Module):
    """A policy over vectors: independent normal distributions whose widths do not depend on what is observed."""

    low: torch.Tensor
    high: torch.Tensor

    def __init__(self, width: int, actions: spaces.Box) -> None:
        super().__init__()
        size = int(np.prod(actions.shape))
        self.shape = actions.shape
        self.mean = linear(width, size, gain=0.01)
        self.log_std = nn.Parameter(torch.zeros(size))
        self.register_buffer("low", torch.from_numpy(actions.low).flatten().float())
        self.register_buffer("high", torch.from_numpy(actions.high).flatten().float())

    def sample(self, hidden: torch.Tensor, generator: torch.Generator | None = None) -> torch.Tensor:
        """Random actions (B, A)."""
        mean: torch.Tensor = self.mean(hidden)
        return mean + self.log_std.exp() * torch.randn(mean.shape, generator=generator)

    def evaluate(self, hidden: torch.Tensor, actions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Logarithms of the densities of actions (..., B, A), and entropies (..., B)."""
        mean = self.mean(hidden)
        distance = (actions - mean) / self.log_std.exp()
        log_density = (-0.5 * distance**2 - self.log_std - 0.5 * np.log(2 * np.pi)).sum(-1)
        entropy = (self.log_std + 0.5 * np.log(2 * np.pi * np.e)).sum()
        return log_density, entropy.expand(mean.shape[:-1])

    def likeliest(self, hidden: torch.Tensor) -> torch.Tensor:
        """The means (B, A)."""
        mean: torch.Tensor = self.mean(hidden)
        return mean

    def as_actions(self, actions: torch.Tensor) -> NDArray[Any]:
        """What the environments take: within the box."""
        within: NDArray[Any] = actions.clamp(self.low, self.high).view(-1, *self.shape).numpy()
        return within


# --- the algorithm --------------------------------------------------------------------------------------------


class Rollout(NamedTuple):
    """T steps of N copies, and the observation after the last of them."""

    observations: torch.Tensor  # (T + 1, N, D)
    actions: torch.Tensor  # (T, N) or (T, N, A)
    log_probabilities: torch.Tensor  # (T, N)
    rewards: torch.Tensor  # (T, N)
    values: torch.Tensor  # (T + 1, N)
    terminated: torch.Tensor  # (T, N) 0 or 1
    done: torch.Tensor  # (T, N) 0 or 1: terminated or truncated
    real: torch.Tensor  # (T, N) bool


class Minibatch(NamedTuple):
    """B real steps of a rollout, in any order."""

    observations: torch.Tensor  # (B, D)
    actions: torch.Tensor  # (B,) or (B, A)
    log_probabilities: torch.Tensor  # (B,) as all that follow
    values: torch.Tensor
    advantages: torch.Tensor
    returns: torch.Tensor


def estimate_advantages(rollout: Rollout, discount: float, gae_lambda: float) -> torch.Tensor:
    """Generalised advantage estimates (T, N) (Schulman et al. 2016, arXiv 1506.02438, equation 16).

    The value after a truncated step counts, as its observation is still that of the episode; after a terminated one
    there is none. Nothing crosses the end of an episode either way.
    """
    advantages = torch.zeros_like(rollout.rewards)
    following = torch.zeros_like(rollout.rewards[0])
    error = rollout.rewards + discount * rollout.values[1:] * (1 - rollout.terminated) - rollout.values[:-1]
    decay = discount * gae_lambda * (1 - rollout.done)
    for step in reversed(range(len(advantages))):
        following = error[step] + decay[step] * following
        advantages[step] = following
    return advantages


class PPO:
    """Collects rollouts, learns from each, forgets it."""

    diagnostics = ("loss", "value_loss", "entropy", "kl", "clipped")

    def __init__(self, settings: Settings, environments: Environments) -> None:
        self.settings = settings
        self.copies = environments.copies
        self.steps_per_update = self.copies * settings.rollout
        self.net = ActorCritic(settings, environments.observation_space, environments.action_space)
        self.optimizer = Adam(self.net, settings.learning_rate, settings.gradient_clip, epsilon=1e-5)
        self.scale = ReturnScale(self.copies, settings.discount) if settings.normalize_rewards else None

    def saved(self) -> dict[str, Saveable]:
        """All that a later process needs to go on."""
        saved: dict[str, Saveable] = {"net": self.net, "optimizer": self.optimizer}
        return saved | ({"scale": self.scale} if self.scale else {})

    def run(self, environments: Environments, observations: NDArray[Any], updates: range) -> Iterator[Update]:
        """Act and learn for these updates, counted from the run's first."""
        if self.scale:
            self.scale.begin()
        for update in updates:
            self.optimizer.learning_rate = self.settings.learning_rate_after(update * self.steps_per_update)
            rollout = self.collect(environments, observations)
            observations = rollout.observations[-1].numpy()
            diagnostics = self.learn(rollout)
            if self.net.standardize:  # not sooner: what acted is what learns
                self.net.standardize.see(rollout.observations[:-1].flatten(0, 1))
            yield Update(observations, diagnostics)

    @torch.no_grad()
    def collect(self, environments: Environments, observations: NDArray[Any]) -> Rollout:
        """Let the policy act for a rollout."""
        length, net = self.settings.rollout, self.net
        seen = torch.empty(length + 1, self.copies, spaces.flatdim(environments.observation_space))
        rewards, terminated, done = (torch.empty(length, self.copies) for _ in range(3))
        real = torch.empty(length, self.copies, dtype=torch.bool)
        arrays = [tensor.numpy() for tensor in (rewards, terminated, done, real, seen[1:])]  # of the same memory
        seen.numpy()[0] = observations.reshape(self.copies, -1)
        chosen = []
        for t in range(length):
            chosen.append(net.sample(seen[t]))
            step = environments.step(net.as_actions(chosen[t]))
            flat = step.observations.reshape(self.copies, -1)
            columns = (step.rewards, step.terminated, step.terminated | step.truncated, step.real, flat)
            for array, values in zip(arrays, columns, strict=True):
                array[t] = values
            if self.scale:
                self.scale.see(step)
        if self.scale:
            rewards = self.scale(rewards)
        actions = torch.stack(chosen)
        log_probabilities, _ = net.evaluate(seen[:-1], actions)
        return Rollout(seen, actions, log_probabilities, rewards, net.values(seen), terminated, done, real)

    def learn(self, rollout: Rollout) -> dict[str, float]:
        """Several epochs of minibatches over a rollout."""
        advantages = estimate_advantages(rollout, self.settings.discount, self.settings.gae_lambda)
        before, values = rollout.observations[:-1], rollout.values[:-1]
        steps = (before, rollout.actions, rollout.log_probabilities, values, advantages)
        real = rollout.real.flatten()
        seen, actions, log_probabilities, values, advantages = (column.flatten(0, 1)[real] for column in steps)
        batch = Minibatch(seen, actions, log_probabilities, values, advantages, returns=advantages + values)
        diagnostics: list[torch.Tensor] = []
        for _ in range(self.settings.epochs):
            order = torch.randperm(len(batch.returns))
            shuffled = [column.index_select(0, order).tensor_split(self.settings.minibatches) for column in batch]
            diagnostics += [self.update(Minibatch(*columns)) for columns in zip(*shuffled, strict=True)]
        means = torch.stack(diagnostics).mean(0).tolist()
        return dict(zip(self.diagnostics, means, strict=True))

    def update(self, batch: Minibatch) -> torch.Tensor:
        """One step of the optimizer; what `diagnostics` names."""
        settings = self.settings
        log_probabilities, entropy = self.net.evaluate(batch.observations, batch.actions)
        values = self.net.values(batch.observations)
        advantages = batch.advantages
        if settings.normalize_advantages:
            advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)

        log_ratio = log_probabilities - batch.log_probabilities
        ratio = log_ratio.exp()
        clipped = ratio.clamp(1 - settings.clip, 1 + settings.clip)
        policy_loss = -torch.min(advantages * ratio, advantages * clipped).mean()  # equation 7

        value_loss = F.mse_loss(values, batch.returns, reduction="none")
        if settings.value_clip:
            near = batch.values + (values - batch.values).clamp(-settings.clip, settings.clip)
            value_loss = torch.max(value_loss, (near - batch.returns) ** 2)
        value_loss = value_loss.mean()
        entropy = entropy.mean()
        loss = policy_loss + settings.value_coefficient * value_loss - settings.entropy_coefficient * entropy

        self.optimizer.step(loss)
        with torch.no_grad():
            kl = ((ratio - 1) - log_ratio).mean()  # http://joschu.net/blog/kl-approx.html
            beyond = ((ratio - 1).abs() > settings.clip).float().mean()
            return torch.stack([loss, value_loss, entropy, kl, beyond])
