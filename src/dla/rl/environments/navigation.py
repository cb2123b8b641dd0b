"""dla/Navigation-v0: find the goal in a room full of obstacles.

    import dla.rl.environments.navigation
    gymnasium.make("dla/Navigation-v0"), gymnasium.make_vec("dla/Navigation-v0", num_envs=8)

Observation (20,) float32: seventeen ranges from right to left as shares of 5 m, distance to the goal as a share of the
room's diagonal, bearing of the goal as a share of half a turn, and how the last action turned the robot (1 left, -1
right, 0 not at all), without which a policy that chooses the same where it observes the same can turn to and fro for
ever. Actions: forward 0.2 m, rotate left 15 degrees, rotate
right. Reward: metres that the goal came nearer, 10 for reaching it, -10 for a collision; both end the episode, and so
do 300 steps. Success is to have reached the goal: `info["success"]`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from dla.rl.environments.rooms import GOAL, RANGE, SIDE, Rooms
from dla.rl.environments.view import View

STEPS = 300
REACHED, COLLISION = 10.0, -10.0
OBSERVATION = spaces.Box(np.array([0] * 18 + [-1] * 2, np.float32), np.ones(20, np.float32))
ACTION = spaces.Discrete(3)


def observe(rooms: Rooms) -> NDArray[Any]:
    """What the robots sense, (N, 20) float32."""
    distance = rooms.distance()[:, None] / (SIDE * np.sqrt(2))
    bearing = rooms.bearing()[:, None] / np.pi
    return np.concatenate(
        [rooms.ranges() / RANGE, distance.clip(0, 1), bearing, rooms.turned[:, None]], 1, dtype=np.float32
    )


def act(rooms: Rooms, actions: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Do one action (N,) in every room: rewards (N,), whether the goal is reached, whether the robot collided."""
    before = rooms.distance()
    rooms.move(actions)
    collided = rooms.collided()
    reached = (rooms.distance() < GOAL) & ~collided
    return before - rooms.distance() + REACHED * reached + COLLISION * collided, reached, collided


class Navigation(gymnasium.Env[NDArray[Any], np.int64]):
    """One room; the number of steps is limited by the wrapper that `gymnasium.make` puts around it."""

    metadata = {"render_modes": ["rgb_array", "human"], "render_fps": 20}  # noqa: RUF012 (as gymnasium declares it)
    observation_space = OBSERVATION
    action_space = ACTION

    def __init__(self, render_mode: str | None = None) -> None:
        self.render_mode = render_mode
        self.rooms = Rooms.empty(1)
        self.view = View(self.metadata["render_fps"], on_screen=render_mode == "human")

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[Any], dict[str, Any]]:
        """Another room; the same for the same seed."""
        super().reset(seed=seed)
        self.rooms.furnish(0, self.np_random)
        if self.render_mode == "human":
            self.render()
        return observe(self.rooms)[0], {"success": False}

    def step(self, action: np.int64) -> tuple[NDArray[Any], float, bool, bool, dict[str, Any]]:
        """One action."""
        (reward,), (reached,), (collided,) = act(self.rooms, np.array([action]))
        if self.render_mode == "human":
            self.render()
        return observe(self.rooms)[0], float(reward), bool(reached | collided), False, {"success": bool(reached)}

    def render(self) -> NDArray[Any] | None:
        """The room from above: (400, 400, 3) uint8, or on the screen."""
        return self.view.draw(self.rooms) if self.render_mode else None

    def close(self) -> None:
        """Close the window, if there is one."""
        self.view.close()


class VectorNavigation(VectorEnv[NDArray[Any], NDArray[Any], NDArray[Any]]):
    """Many rooms at once, a finished one reset by the next step. Room i of seed s is the single room of seed s + i."""

    metadata = {"render_modes": [], "autoreset_mode": AutoresetMode.NEXT_STEP}  # noqa: RUF012

    def __init__(self, num_envs: int = 1, max_episode_steps: int = STEPS) -> None:
        self.num_envs = num_envs
        self.max_episode_steps = max_episode_steps
        self.single_observation_space, self.single_action_space = OBSERVATION, ACTION
        self.observation_space = batch_space(OBSERVATION, num_envs)
        self.action_space = batch_space(ACTION, num_envs)
        self.rooms = Rooms.empty(num_envs)
        self.steps = np.zeros(num_envs, np.int64)
        self.finished = np.zeros(num_envs, bool)
        self.generators = [np.random.default_rng() for _ in range(num_envs)]

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[Any], dict[str, Any]]:
        """Other rooms everywhere."""
        if seed is not None:
            self.generators = [gymnasium.utils.seeding.np_random(seed + i)[0] for i in range(self.num_envs)]
        for room, generator in enumerate(self.generators):
            self.rooms.furnish(room, generator)
        self.steps[:] = 0
        self.finished[:] = False
        return observe(self.rooms), {"success": self.finished.copy()}

    def step(
        self, actions: NDArray[Any]
    ) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any], dict[str, Any]]:
        """One action in every room but those that finished with the last one: they are furnished anew."""
        begun = self.finished.copy()
        rewards, reached, collided = act(self.rooms, actions)
        for room in np.flatnonzero(begun):
            self.rooms.furnish(room, self.generators[room])
        self.steps = np.where(begun, 0, self.steps + 1)
        rewards[begun] = 0.0
        reached &= ~begun
        terminated = (reached | collided) & ~begun
        truncated = (self.steps >= self.max_episode_steps) & ~terminated
        self.finished = terminated | truncated
        return observe(self.rooms), rewards, terminated, truncated, {"success": reached}

    def state_dict(self) -> dict[str, Any]:
        """All that the rooms and their future depend on."""
        rooms = {name: values.copy() for name, values in vars(self.rooms).items()}
        generators = [generator.bit_generator.state for generator in self.generators]
        return {"rooms": rooms, "steps": self.steps.copy(), "finished": self.finished.copy(), "generators": generators}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a state."""
        self.rooms = Rooms(**{name: np.asarray(values).copy() for name, values in state["rooms"].items()})
        self.steps, self.finished = (np.asarray(state[name]).copy() for name in ("steps", "finished"))
        for generator, random in zip(self.generators, state["generators"], strict=True):
            generator.bit_generator.state = random


if "dla/Navigation-v0" not in gymnasium.registry:
    gymnasium.register(
        "dla/Navigation-v0",
        entry_point="dla.rl.environments.navigation:Navigation",
        vector_entry_point="dla.rl.environments.navigation:VectorNavigation",
        max_episode_steps=STEPS,
    )
