"""Proximal policy optimisation (Schulman et al. 2017, arXiv 1707.06347), for discrete and continuous actions.

What a step is, is told in `environments`; what is learned from, in `Rollout`; the update is `learn`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from gymnasium import spaces
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F

from dla.rl.environments import Environments, Update
from dla.rl.nets import Adam, Normal, Softmax, hidden_layers, linear, sizes
from dla.rl.normalization import ReturnScale, Standardize
from dla.rl.settings import PPORun


class ActorCritic(nn.Module):
    """A policy and a value, two nets that share nothing (Andrychowicz et al. 2021, arXiv 2006.05990)."""

    def __init__(self, settings: PPORun, observations: spaces.Space[Any], actions: spaces.Space[Any]) -> None:
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
        found: torch.Tensor = self.value(self.critic(observations)).squeeze(-1)
        return found

    def act(self, observations: torch.Tensor) -> torch.Tensor:
        """The likeliest actions, (B,) or (B, A)."""
        return self.policy.likeliest(self.actor(observations))

    def sample(self, observations: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Random actions, (B,) or (B, A)."""
        return self.policy.sample(self.actor(observations), generator)

    def as_actions(self, actions: torch.Tensor) -> NDArray[Any]:
        """What the environments take."""
        return self.policy.as_actions(actions)


@dataclass(frozen=True)
class Rollout:
    """T steps of N copies, and the observation after the last of them."""

    observations: torch.Tensor  # (T + 1, N, D)
    actions: torch.Tensor  # (T, N) or (T, N, A)
    log_probabilities: torch.Tensor  # (T, N)
    rewards: torch.Tensor  # (T, N)
    values: torch.Tensor  # (T + 1, N)
    terminated: torch.Tensor  # (T, N) 0 or 1
    done: torch.Tensor  # (T, N) 0 or 1: terminated or truncated
    real: torch.Tensor  # (T, N) bool


def advantages(rollout: Rollout, discount: float, gae_lambda: float) -> torch.Tensor:
    """Generalised advantage estimates (T, N) (Schulman et al. 2016, arXiv 1506.02438, equation 16).

    The value after a truncated step counts, as its observation is still that of the episode; after a terminated one
    there is none. Nothing crosses the end of an episode either way.
    """
    found = torch.zeros_like(rollout.rewards)
    following = torch.zeros_like(rollout.rewards[0])
    error = rollout.rewards + discount * rollout.values[1:] * (1 - rollout.terminated) - rollout.values[:-1]
    decay = discount * gae_lambda * (1 - rollout.done)
    for step in reversed(range(len(found))):
        following = error[step] + decay[step] * following
        found[step] = following
    return found


class PPO:
    """The algorithm: collects rollouts, learns from each, forgets it."""

    curves = ("loss", "value_loss", "entropy", "kl", "clipped")  # what `run` tells with every update

    def __init__(self, settings: PPORun, environments: Environments) -> None:
        self.settings = settings
        self.copies = len(environments.finished)
        self.net = ActorCritic(settings, environments.observation_space, environments.action_space)
        self.optimizer = Adam(self.net, settings.learning_rate, settings.gradient_clip, epsilon=1e-5)
        self.scale = ReturnScale(self.copies, settings.discount) if settings.normalize_rewards else None

    def step_size(self) -> int:
        """Steps of all copies between updates."""
        return self.copies * self.settings.rollout

    def run(self, environments: Environments, observations: NDArray[Any], updates: range) -> Iterator[Update]:
        """Yield the observations and what the update was like after each of `updates`, counted from the run's first."""
        if self.scale:
            self.scale.begin()
        for update in updates:
            rollout = self.collect(environments, observations)
            observations = rollout.observations[-1].numpy()
            told = self.learn(rollout, update)
            if self.net.standardize:  # not sooner: what acted is what learns
                self.net.standardize.see(rollout.observations[:-1].flatten(0, 1))
            yield observations, told

    @torch.no_grad()
    def collect(self, environments: Environments, observations: NDArray[Any]) -> Rollout:
        """Let the policy act for a rollout."""
        length, copies, net = self.settings.rollout, self.copies, self.net
        seen = torch.empty(length + 1, copies, spaces.flatdim(environments.observation_space))
        rewards, terminated, done = (torch.empty(length, copies) for _ in range(3))
        real = torch.empty(length, copies, dtype=torch.bool)
        arrays = [tensor.numpy() for tensor in (seen, rewards, terminated, done, real)]  # of the same memory
        chosen = []
        arrays[0][0] = observations.reshape(copies, -1)
        for t in range(length):
            chosen.append(net.policy.sample(net.actor(seen[t])))
            step = environments.step(net.policy.as_actions(chosen[t]))
            told = (step.rewards, step.terminated, step.terminated | step.truncated, step.real)
            arrays[0][t + 1] = step.observations.reshape(copies, -1)
            for array, values in zip(arrays[1:], told, strict=True):
                array[t] = values
            if self.scale:
                self.scale.see(step)
        actions = torch.stack(chosen)
        if self.scale:
            rewards = self.scale(rewards)
        log_probabilities, _ = net.policy.evaluate(net.actor(seen[:-1]), actions)
        return Rollout(seen, actions, log_probabilities, rewards, net.values(seen), terminated, done, real)

    def learn(self, rollout: Rollout, number: int) -> dict[str, float]:
        """Several epochs of minibatches over a rollout."""
        settings = self.settings
        if settings.anneal:
            progress = number * self.step_size() / settings.steps
            self.optimizer.learning_rate = settings.learning_rate * max(1 - progress, 0.0)
        real = rollout.real.flatten()
        estimates = advantages(rollout, settings.discount, settings.gae_lambda)
        batch = {
            "observations": rollout.observations[:-1].flatten(0, 1)[real],
            "actions": rollout.actions.flatten(0, 1)[real],
            "log_probabilities": rollout.log_probabilities.flatten()[real],
            "values": rollout.values[:-1].flatten()[real],
            "advantages": estimates.flatten()[real],
        }
        batch["returns"] = batch["advantages"] + batch["values"]
        told: list[torch.Tensor] = []
        for _ in range(settings.epochs):
            order = torch.randperm(len(batch["returns"]))
            shuffled = [values.index_select(0, order).tensor_split(settings.minibatches) for values in batch.values()]
            told += [self.update(dict(zip(batch, values, strict=True))) for values in zip(*shuffled, strict=True)]
        means = torch.stack(told).mean(0).tolist()
        return dict(zip(self.curves, means, strict=True))

    def update(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """One step of the optimizer; what `curves` names."""
        settings, net = self.settings, self.net
        chances, entropy = net.policy.evaluate(net.actor(batch["observations"]), batch["actions"])
        values = net.values(batch["observations"])
        advantage = batch["advantages"]
        if settings.normalize_advantages:
            advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)

        log_ratio = chances - batch["log_probabilities"]
        ratio = log_ratio.exp()
        clipped = ratio.clamp(1 - settings.clip, 1 + settings.clip)
        policy_loss = -torch.min(advantage * ratio, advantage * clipped).mean()  # equation 7

        value_loss = F.mse_loss(values, batch["returns"], reduction="none")
        if settings.value_clip:
            near = batch["values"] + (values - batch["values"]).clamp(-settings.clip, settings.clip)
            value_loss = torch.max(value_loss, (near - batch["returns"]) ** 2)
        value_loss = value_loss.mean()
        entropy = entropy.mean()
        loss = policy_loss + settings.value_coefficient * value_loss - settings.entropy_coefficient * entropy

        self.optimizer.step(loss)
        with torch.no_grad():
            kl = ((ratio - 1) - log_ratio).mean()  # http://joschu.net/blog/kl-approx.html
            cut = ((ratio - 1).abs() > settings.clip).float().mean()
            return torch.stack([loss, value_loss, entropy, kl, cut])

    def state(self) -> dict[str, Any]:
        """All that a later process needs to go on."""
        scale = self.scale.state() if self.scale else None
        return {"net": self.net.state_dict(), "optimizer": self.optimizer.state(), "scale": scale}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a `state`."""
        self.net.load_state_dict(state["net"])
        self.optimizer.restore(state["optimizer"])
        if self.scale:
            self.scale.restore(state["scale"])
