"""Rooms drawn from above."""

from __future__ import annotations

from typing import Any

import numpy as np
import pygame
from numpy.typing import NDArray

from dla.rl.environments.rooms import BEAMS, GOAL, ROBOT, SIDE, Rooms

PIXELS = 400
FLOOR, OBSTACLE, BEAM, GOAL_COLOUR, BODY, NOSE = (
    (250, 250, 247),
    (95, 99, 104),
    (215, 226, 240),
    (46, 160, 67),
    (31, 119, 180),
    (255, 255, 255),
)


class View:
    """Draws the first of the rooms into an array, and on a screen if there is one."""

    def __init__(self, frames_per_second: int, *, on_screen: bool) -> None:
        self.frames_per_second = frames_per_second
        self.on_screen = on_screen
        self.window: Any = None
        self.clock: Any = None

    def draw(self, rooms: Rooms) -> NDArray[Any] | None:
        """Pixels (400, 400, 3) uint8; None if they went to the screen."""
        canvas = pygame.Surface((PIXELS, PIXELS))
        canvas.fill(FLOOR)
        robot, heading = rooms.robot[0], float(rooms.heading[0])
        for angle, reach in zip(heading + BEAMS, rooms.ranges()[0], strict=True):
            end = robot + reach * np.array([np.cos(angle), np.sin(angle)])
            pygame.draw.aaline(canvas, BEAM, _pixel(robot), _pixel(end))
        for centre, radius in zip(rooms.centres[0], rooms.radii[0], strict=True):
            pygame.draw.circle(canvas, OBSTACLE, _pixel(centre), _length(radius))
        pygame.draw.circle(canvas, GOAL_COLOUR, _pixel(rooms.goal[0]), _length(GOAL), width=3)
        pygame.draw.circle(canvas, BODY, _pixel(robot), _length(ROBOT))
        nose = robot + ROBOT * np.array([np.cos(heading), np.sin(heading)])
        pygame.draw.line(canvas, NOSE, _pixel(robot), _pixel(nose), width=2)
        pygame.draw.rect(canvas, OBSTACLE, canvas.get_rect(), width=3)
        if not self.on_screen:
            return pygame.surfarray.array3d(canvas).transpose(1, 0, 2)
        self._show(canvas)
        return None

    def _show(self, canvas: Any) -> None:
        if self.window is None:
            pygame.display.init()
            self.window = pygame.display.set_mode((PIXELS, PIXELS))
            pygame.display.set_caption("dla/Navigation-v0")
            self.clock = pygame.time.Clock()
        self.window.blit(canvas, (0, 0))
        pygame.event.pump()
        pygame.display.flip()
        self.clock.tick(self.frames_per_second)

    def close(self) -> None:
        """Close the window, if there is one."""
        if self.window is not None:
            pygame.display.quit()
            self.window = None


def _pixel(place: NDArray[Any]) -> tuple[float, float]:
    """The first axis to the right, the second upwards."""
    return place[0] / SIDE * PIXELS, (1 - place[1] / SIDE) * PIXELS


def _length(metres: float) -> float:
    return metres / SIDE * PIXELS
