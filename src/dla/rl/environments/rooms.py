"""Rooms with a robot in each: how it moves, what it senses, when it hits something. Many rooms at once, in NumPy.

A room is a walled square with discs in it. The robot is a disc that goes forward or turns; seventeen beams over the
half circle before it tell how far away the next wall or disc is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

SIDE = 10.0  # metres
ROBOT = 0.25  # radius in metres
GOAL = 0.5  # metres from the goal that count as there
OBSTACLES = 8
SMALLEST, LARGEST = 0.3, 0.8  # radii of obstacles in metres
FREE = 0.6  # metres at least between obstacles, robot and goal at the start: the robot fits between any two
FAR = 3.0  # metres at least between robot and goal at the start
STRIDE = 0.2  # metres of a step forward
TURN = np.pi / 12  # radians of a rotation
BEAMS = np.linspace(-np.pi / 2, np.pi / 2, 17)  # radians, from right to left
RANGE = 5.0  # metres that a beam reaches
FORWARD, LEFT, RIGHT = range(3)  # actions


@dataclass
class Rooms:
    """The state of N rooms."""

    robot: NDArray[Any]  # (N, 2) metres
    heading: NDArray[Any]  # (N,) radians, counter-clockwise from the first axis
    goal: NDArray[Any]  # (N, 2)
    centres: NDArray[Any]  # (N, K, 2) of the obstacles
    radii: NDArray[Any]  # (N, K)
    turned: NDArray[Any]  # (N,) by the last action: 1 left, -1 right, 0 not at all

    @classmethod
    def empty(cls, count: int) -> Rooms:
        """So many rooms, nothing placed yet."""
        robot, goal, centres = (np.zeros(shape) for shape in ((count, 2), (count, 2), (count, OBSTACLES, 2)))
        return cls(robot, np.zeros(count), goal, centres, np.ones((count, OBSTACLES)), np.zeros(count))

    def furnish(self, room: int | np.integer[Any], generator: np.random.Generator) -> None:
        """Place obstacles, robot and goal of one room at random, none too near to another."""
        discs: list[tuple[float, float, float]] = []  # Python's floats: with arrays of two it takes over twice as long

        def place(radius: float, away: NDArray[Any] | None = None) -> tuple[float, float]:
            while True:  # a sixth of the floor is taken at most, so a few tries suffice
                x, y = generator.uniform(radius, SIDE - radius, 2).tolist()
                if away is not None and math.hypot(x - away[0], y - away[1]) < FAR:
                    continue
                if all(math.hypot(x - a, y - b) > radius + other + FREE for a, b, other in discs):
                    return x, y

        for number in range(OBSTACLES):
            radius = generator.uniform(SMALLEST, LARGEST)
            x, y = place(radius)
            self.centres[room, number], self.radii[room, number] = (x, y), radius
            discs.append((x, y, radius))
        self.robot[room] = place(ROBOT)
        self.goal[room] = place(ROBOT, away=self.robot[room])
        self.heading[room] = generator.uniform(-np.pi, np.pi)
        self.turned[room] = 0

    def move(self, actions: NDArray[Any]) -> None:
        """One action (N,) in every room; the robot goes where it goes, into walls too."""
        self.turned = (actions == LEFT).astype(float) - (actions == RIGHT)
        self.heading += TURN * self.turned
        stride = STRIDE * (actions == FORWARD)
        self.robot += stride[:, None] * np.stack([np.cos(self.heading), np.sin(self.heading)], 1)

    def distance(self) -> NDArray[Any]:
        """Metres from robot to goal, (N,)."""
        distance: NDArray[Any] = np.hypot(*(self.goal - self.robot).T)
        return distance

    def bearing(self) -> NDArray[Any]:
        """Radians from where the robot looks to where the goal is, (N,), counter-clockwise, in -pi to pi."""
        x, y = (self.goal - self.robot).T
        bearing: NDArray[Any] = (np.arctan2(y, x) - self.heading + np.pi) % (2 * np.pi) - np.pi
        return bearing

    def collided(self) -> NDArray[Any]:
        """Whether the robot touches a wall or an obstacle, (N,)."""
        walls = ((self.robot < ROBOT) | (self.robot > SIDE - ROBOT)).any(1)
        apart = np.linalg.norm(self.centres - self.robot[:, None], axis=2)
        hit: NDArray[Any] = walls | (apart < self.radii + ROBOT).any(1)
        return hit

    def ranges(self) -> NDArray[Any]:
        """Metres along every beam to the next wall or obstacle, (N, 17), at most `RANGE`."""
        angles = self.heading[:, None] + BEAMS
        beams = np.stack([np.cos(angles), np.sin(angles)], 2)  # (N, B, 2), of length 1
        with np.errstate(divide="ignore"):
            ahead = np.where(beams > 0, SIDE - self.robot[:, None], -self.robot[:, None]) / beams  # to walls, per axis
        nearest = np.where(beams == 0, np.inf, ahead).min(2)
        # A beam p + t u meets a disc where |p + t u - c| = r: t = b - sqrt(b^2 - |c - p|^2 + r^2) with b = u (c - p).
        towards = self.centres - self.robot[:, None]  # (N, K, 2)
        along = beams @ towards.transpose(0, 2, 1)  # (N, B, K)
        inside = along**2 - ((towards**2).sum(2) - self.radii**2)[:, None]
        meets = (inside > 0) & (along > 0)
        to_discs = np.where(meets, along - np.sqrt(np.where(meets, inside, 0)), np.inf).min(2)
        ranges: NDArray[Any] = np.minimum(nearest, to_discs).clip(0, RANGE)
        return ranges
