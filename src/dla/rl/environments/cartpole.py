"""Gymnasium's vector CartPole, with a state that can be saved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium.envs.classic_control.cartpole import CartPoleVectorEnv

CHANGING = ("state", "steps", "prev_done")  # beside the generator


class SaveableCartPole(CartPoleVectorEnv):
    """Many CartPoles at once."""

    def state_dict(self) -> dict[str, Any]:
        """All that the copies and their future depend on."""
        return {name: np.copy(getattr(self, name)) for name in CHANGING} | {
            "random": self.np_random.bit_generator.state
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a state."""
        for name in CHANGING:
            setattr(self, name, np.asarray(state[name]).copy())
        self.np_random.bit_generator.state = state["random"]
