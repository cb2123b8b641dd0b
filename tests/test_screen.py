"""An agent is drawn without a screen, and a window is refused in words where there is none."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from dla.core.errors import UserError
from dla.rl.evaluate import choose_screen

SCREENS = ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER", "XDG_RUNTIME_DIR")
DRAW = """
import gymnasium
from dla.rl.evaluate import choose_screen

choose_screen("rgb_array")
environment = gymnasium.make("CartPole-v1", render_mode="rgb_array")
environment.reset(seed=0)
print(environment.render().shape)
"""


def test_pictures_are_drawn_without_a_screen_and_without_a_complaint() -> None:
    environment = {name: value for name, value in os.environ.items() if name not in SCREENS}
    done = subprocess.run([sys.executable, "-c", DRAW], capture_output=True, text=True, env=environment, check=True)
    assert (done.stdout, done.stderr) == ("(400, 600, 3)\n", "")


def test_a_window_without_a_screen_is_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SCREENS:
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UserError, match=r"there is no screen here; write a file: --render gif"):
        choose_screen("human")
    monkeypatch.setenv("DISPLAY", ":0")
    choose_screen("human")
