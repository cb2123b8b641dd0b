"""What deep Q-learning remembers: steps, summed over a few of them, and random ones of the last many."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch

from dla.rl.environments import Transition


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


class Buffer:
    """The last transitions, in tensors that are made once."""

    def __init__(self, size: int, width: int) -> None:
        self.observations, self.following = torch.empty(size, width), torch.empty(size, width)
        self.actions = torch.empty(size, dtype=torch.int64)
        self.rewards, self.discounts = torch.empty(size), torch.empty(size)
        self.size, self.next, self.count = size, 0, 0

    def add(self, found: Transitions) -> None:
        """Remember them; the oldest are forgotten."""
        new = len(found.actions)
        places = (self.next + torch.arange(new)) % self.size
        for name, values in zip(Transitions._fields, found, strict=True):
            getattr(self, name)[places] = values
        self.next = (self.next + new) % self.size
        self.count = min(self.count + new, self.size)

    def sample(self, count: int) -> Transitions:
        """Random ones."""
        rows = torch.randint(self.count, (count,))
        return Transitions(*(getattr(self, name).index_select(0, rows) for name in Transitions._fields))

    def state(self) -> dict[str, Any]:
        """What was remembered."""
        tensors = {name: getattr(self, name)[: self.count].clone() for name in Transitions._fields}
        return {**tensors, "next": self.next, "count": self.count}

    def restore(self, state: dict[str, Any]) -> None:
        """Remember a `state`."""
        self.next, self.count = state["next"], state["count"]
        for name in Transitions._fields:
            getattr(self, name)[: self.count] = state[name]
