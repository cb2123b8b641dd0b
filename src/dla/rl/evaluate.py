"""How good an agent is at what it was trained for, and what that looks like."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import torch
from PIL import Image
from torch import nn

from dla.core.artifacts import atomic
from dla.core.errors import UserError
from dla.rl.environments import make_environments
from dla.statistics.intervals import student, wilson

UNSEEN = 2**31  # added to the seed: training takes smaller ones


@dataclass(frozen=True)
class Evaluation:
    """Greedy episodes, one per copy of the environment."""

    returns: list[float]
    lengths: list[int]
    successes: list[bool] | None  # None: the environment does not say what success is

    def metrics(self) -> dict[str, float]:
        """Mean return with its t-interval, standard deviation and mean length; share of successes if defined."""
        return {**summary(self.returns), "length": float(np.mean(self.lengths)), **self._successes()}

    def _successes(self) -> dict[str, float]:
        if self.successes is None:
            return {}
        hits, n = sum(self.successes), len(self.successes)
        lower, upper = wilson(hits, n)
        return {"success_rate": hits / n, "success_lower": lower, "success_upper": upper}


def summary(values: Sequence[float]) -> dict[str, float]:
    """Mean, standard deviation, number, and the t-interval of the mean; of one value neither spread nor interval."""
    n, mean = len(values), float(np.mean(values))
    if n == 1:
        return {"mean": mean, "n": n}
    std = float(np.std(values, ddof=1))
    lower, upper = student(mean, std, n)
    return {"mean": mean, "std": std, "lower": lower, "upper": upper, "n": n}


@torch.no_grad()
def evaluate(net: nn.Module, environment: str, episodes: int, seed: int) -> Evaluation:
    """Let the agent act greedily, once in each of so many copies, on seeds that training never saw."""
    environments = make_environments(environment, episodes)
    observations = environments.reset(seed=UNSEEN + seed * episodes)
    found: dict[int, dict[str, Any]] = {}
    while len(found) < episodes:
        observations = environments.step(actions(net, observations)).observations
        for copy, ended in zip(np.flatnonzero(environments.finished), environments.take_ended(), strict=True):
            found.setdefault(int(copy), ended)
    rows = [found[copy] for copy in range(episodes)]
    successes = [row["success"] for row in rows]
    return Evaluation(
        [row["return"] for row in rows], [row["length"] for row in rows], None if None in successes else successes
    )


def actions(net: Any, observations: Any) -> Any:
    """Greedy actions (N,) for observations (N, ...), as the environments take them."""
    chosen = net.act(torch.as_tensor(observations, dtype=torch.float32).flatten(1))
    return net.policy.as_actions(chosen) if hasattr(net, "policy") else chosen.numpy()


# --- an episode to look at ------------------------------------------------------------------------------------

PICTURE = 320  # pixels of a frame's longer side
FRAMES = 150  # of a recording at most: of a longer episode every second or third is taken
COLOURS = 64
SECONDS = 0.04  # that a frame is shown, at least


@torch.no_grad()
def play(net: nn.Module, environment: str, seed: int, mode: str | None) -> Iterator[tuple[Any, float]]:
    """One greedy episode: what each step renders to, and the return so far.

    Raises
    ------
    UserError
        If a window is asked for and there is no screen.
    """
    choose_screen(mode)
    single = gymnasium.make(environment, render_mode=mode)
    render = single.render if mode == "rgb_array" else lambda: None  # a window is drawn by the steps themselves
    try:
        observation, _ = single.reset(seed=seed)
        total, over = 0.0, False
        yield render(), total
        while not over:
            action = actions(net, np.asarray(observation)[None])[0]
            observation, reward, terminated, truncated, _ = single.step(action)
            total, over = total + float(reward), terminated or truncated
            yield render(), total
    finally:
        single.close()


def choose_screen(mode: str | None) -> None:
    """Have pictures drawn without a screen, of which SDL would complain where there is none; a window needs one.

    Raises
    ------
    UserError
        If a window is asked for and there is no screen.
    """
    if mode == "rgb_array":
        os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
    screens = ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER")
    if mode == "human" and sys.platform == "linux" and not any(map(os.environ.get, screens)):
        raise UserError("no window can be opened, as there is no screen here; write a file: --render gif episode.gif")


def write_gif(path: Path, frames: Sequence[Any]) -> None:
    """Write frames (H, W, 3) uint8 as a GIF that plays again and again."""
    every = -(-len(frames) // (FRAMES - 1))
    chosen = [*frames[::every], frames[-1]]
    scale = min(1.0, PICTURE / max(frames[0].shape[:2]))
    height, width = (round(scale * extent) for extent in frames[0].shape[:2])
    sized = [Image.fromarray(frame).resize((width, height), Image.Resampling.LANCZOS) for frame in chosen]
    some = np.concatenate([np.asarray(sized[i]) for i in (0, len(sized) // 2, -1)])
    palette = Image.fromarray(some).quantize(COLOURS)  # one for all, or a thing's colour changes as it moves
    pictures = [picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in sized]
    shown = round(1000 * SECONDS)
    durations = [shown] * (len(pictures) - 1) + [1000]
    with atomic(path) as temporary:
        pictures[0].save(
            temporary, "GIF", save_all=True, append_images=pictures[1:], duration=durations, loop=0, optimize=True
        )
