"""What is said of agents: recordings, intervals, comparisons over seeds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from PIL import Image

from dla.rl.evaluate import write_gif

# --- recordings -----------------------------------------------------------------------------------------------


def rendered(environment: str, seed: int, steps: int) -> list[Any]:
    single = gymnasium.make(environment, render_mode="rgb_array")
    single.reset(seed=seed)
    single.action_space.seed(seed)
    frames = [single.render()]
    for _ in range(steps):
        _, _, terminated, truncated, _ = single.step(single.action_space.sample())
        frames.append(single.render())
        if terminated or truncated:
            break
    single.close()
    return frames


@pytest.mark.parametrize(
    ("environment", "seed"), [("dla/Navigation-v0", 0), ("dla/Navigation-v0", 4), ("CartPole-v1", 1)]
)
def test_a_recording_keeps_every_colour_apart(tmp_path: Path, environment: str, seed: int) -> None:
    frames = rendered(environment, seed, 30)
    write_gif(tmp_path / "episode.gif", frames)
    with Image.open(tmp_path / "episode.gif") as recording:
        recorded = np.asarray(recording.convert("RGB")).astype(int)
    size = recorded.shape[1::-1]
    drawn = np.asarray(Image.fromarray(frames[0]).resize(size, Image.Resampling.LANCZOS)).astype(int)
    assert np.abs(recorded - drawn).max() <= 32  # of 255; robot and goal are 113 apart
