"""How good an agent is at what it was trained for, and what that looks like."""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from dla.core.artifacts import atomic
from dla.core.errors import UserError
from dla.rl.base.policy import PolicyNet
from dla.rl.environments.place import Place
from dla.rl.environments.vector import Environments, Episode
from dla.rl.seeds import Part, first_seed
from dla.rl.settings import AgentSettings
from dla.statistics.outcomes import cut, student, wilson

Policy = Callable[[NDArray[Any]], NDArray[Any]]  # actions for the observations (N, ...) of so many copies


@dataclass(frozen=True)
class Evaluation:
    """Complete episodes, one per copy of the environment."""

    returns: list[float]
    lengths: list[int]
    successes: list[bool] | None  # None: the environment does not say what success is
    cut_off: int = 0  # of the episodes, because they would not end

    def metrics(self) -> dict[str, float]:
        """Mean return with its interval, standard deviation and mean length; share of successes if defined."""
        cut_off = {"cut_off": self.cut_off} if self.cut_off else {}
        return {**summary(self.returns), "length": float(np.mean(self.lengths)), **self._successes(), **cut_off}

    def means(self) -> dict[str, Any]:
        """What a row of the learning curve says of the episodes; no success where it is not defined."""
        success = "" if self.successes is None else float(np.mean(self.successes))
        mean, length = (float(np.mean(values)) for values in (self.returns, self.lengths))
        return {"return": mean, "length": length, "success": success, "episodes": len(self.returns)}

    def _successes(self) -> dict[str, float]:
        if self.successes is None:
            return {}
        hits, n = sum(self.successes), len(self.successes)
        lower, upper = wilson(hits, n)
        return {"success_rate": hits / n, "success_lower": lower, "success_upper": upper}


def summary(values: Sequence[float], possible: Sequence[float] | None = None) -> dict[str, float]:
    """Mean, standard deviation, number, and Student's interval of the mean, cut to what is possible.

    A mean of returns is not outside those that any episode has (nor of successes outside 0 and 1), and Student's
    interval knows no such ends; the bootstrap's does, but holds the mean of three or five seeds far too rarely
    (tests/test_agent_scores.py measures both). One value has neither spread nor interval, and values that are all the
    same have no interval: they say nothing of how they vary.

    Parameters
    ----------
    possible : values whose smallest and largest are the ends of what is possible; None: `values` themselves
    """
    n, mean = len(values), float(np.mean(values))
    if n == 1:
        return {"mean": mean, "n": n}
    std = float(np.std(values, ddof=1))
    if np.ptp(values) == 0:
        return {"mean": mean, "std": 0.0, "n": n}
    ends = values if possible is None else possible
    lower, upper = cut(student(mean, std, n), float(min(ends)), float(max(ends)))
    return {"mean": mean, "std": std, "lower": lower, "upper": upper, "n": n}


def judge(net: PolicyNet, settings: AgentSettings, part: Part, seed: int, step: int = 0) -> dict[str, Evaluation]:
    """Episodes of the agent on seeds that training never saw, with the actions it thinks best and with sampled ones.

    The random numbers are of a generator of their own, lest an evaluation change the training that goes on after it.

    Parameters
    ----------
    part : the test's seeds are for the final evaluation alone, the validation's for all points of the learning curve
    seed : of the training
    step : of the training; at another one other actions are sampled, in the same episodes
    """
    episodes = settings.episodes if part == "test" else settings.validation_episodes
    first = first_seed(part, seed * 2 * episodes, 2 * episodes)
    generator = torch.Generator().manual_seed(first + step)
    policies = {"greedy": lambda seen: actions(net, seen), "sampled": lambda seen: actions(net, seen, generator)}
    return evaluate(policies, Place.of(settings), episodes, first)


@torch.no_grad()
def evaluate(policies: Mapping[str, Policy], place: Place, episodes: int, seed: int) -> dict[str, Evaluation]:
    """Let policies act side by side, once in each of so many copies for every one of them.

    Parameters
    ----------
    seed : of the first copy of the first policy; the others take those that follow
    """
    environments = place.make(len(policies) * episodes)
    observations = environments.reset(seed)
    first: dict[int, Episode] = {}  # of every copy
    for _ in range(place.limit):
        shares = np.split(observations, len(policies))
        chosen = [policy(share) for policy, share in zip(policies.values(), shares, strict=True)]
        observations = environments.step(np.concatenate(chosen)).observations
        for copy, ended in zip(np.flatnonzero(environments.finished), environments.take_ended(), strict=True):
            first.setdefault(int(copy), ended)
        if len(first) == environments.copies:
            break
    environments.vector.close()
    return {
        policy: _evaluation(environments, first, range(number * episodes, (number + 1) * episodes))
        for number, policy in enumerate(policies)
    }


def _evaluation(environments: Environments, first: Mapping[int, Episode], copies: range) -> Evaluation:
    totals, lengths, said = zip(*(first.get(copy) or environments.episode(copy) for copy in copies), strict=True)
    successes = [success for success in said if success is not None]
    cut_off = sum(copy not in first for copy in copies)
    return Evaluation(list(totals), list(lengths), successes if len(successes) == len(copies) else None, cut_off)


def actions(net: PolicyNet, observations: NDArray[Any], generator: torch.Generator | None = None) -> NDArray[Any]:
    """The actions that the net thinks best, or sampled ones, as the environments take them.

    Parameters
    ----------
    observations : (N, ...)
    generator : of the random numbers; None: nothing is sampled
    """
    seen = torch.as_tensor(observations, dtype=torch.float32).flatten(1)
    return net.as_actions(net.act(seen) if generator is None else net.sample(seen, generator))


# --- an episode to look at ------------------------------------------------------------------------------------

PICTURE = 320  # pixels of a frame's longer side
FRAMES = 150  # of a recording at most: of a longer episode every second or third is taken
COLOURS = 64
SECONDS = 0.04  # that a frame is shown, at least
RECORDED = 1000  # steps of an episode that are drawn into memory


class Moment(NamedTuple):
    """Of an episode."""

    frame: Any  # (H, W, 3) uint8; None: nothing is drawn, or on a screen
    total: float  # return so far
    over: bool  # the environment ended the episode


@torch.no_grad()
def play(net: PolicyNet, place: Place, seed: int, mode: str | None) -> Iterator[Moment]:
    """One greedy episode, from its first observation to its last.

    An episode that does not end is cut off after `place.limit` steps; more than `RECORDED` are not recorded.
    """
    choose_screen(mode)
    single = place.make_one(mode)
    drawn = RECORDED if mode == "rgb_array" else 0  # a window is drawn by the steps themselves
    try:
        observation, _ = single.reset(seed=seed)
        total = 0.0
        yield Moment(single.render() if drawn else None, total, over=False)
        for step in range(place.limit):
            action = actions(net, np.asarray(observation)[None])[0]
            observation, reward, terminated, truncated, _ = single.step(action)
            total += float(reward)
            yield Moment(single.render() if step < drawn else None, total, terminated or truncated)
            if terminated or truncated:
                break
    finally:
        single.close()


def record(net: PolicyNet, place: Place, seed: int) -> list[Any]:
    """Frames (H, W, 3) uint8 of an episode; of an environment that cannot be drawn one that says so."""
    try:
        return [moment.frame for moment in play(net, place, seed, "rgb_array") if moment.frame is not None]
    except UserError as error:
        picture = Image.new("RGB", (PICTURE, PICTURE // 4), "white")
        words = textwrap.fill(str(error), 48)
        ImageDraw.Draw(picture).multiline_text((10, 10), words, "black", ImageFont.load_default(12))
        return [np.asarray(picture)]


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
    # One palette for all, or a thing's colour changes as it moves; by octree, which keeps colours of few pixels apart
    # where the median cut gives most of the palette to shades of the background.
    whole = Image.fromarray(np.concatenate([np.asarray(picture) for picture in sized]))
    palette = whole.quantize(COLOURS, Image.Quantize.FASTOCTREE)
    pictures = [picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in sized]
    shown = round(1000 * SECONDS)
    durations = [shown] * (len(pictures) - 1) + [1000]
    with atomic(path) as temporary:
        pictures[0].save(
            temporary, "GIF", save_all=True, append_images=pictures[1:], duration=durations, loop=0, optimize=True
        )
