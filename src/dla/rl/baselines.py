"""What an agent must beat to have learned anything: random actions and, where there is one, a simple rule."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from dla.rl.environments.place import Place
from dla.rl.environments.rooms import FORWARD, LEFT, RIGHT, TURN
from dla.rl.evaluate import Evaluation, Policy, evaluate
from dla.rl.seeds import first_seed
from dla.rl.settings import AgentSettings


@dataclass(frozen=True)
class Rule:
    """A policy that needs no training."""

    description: str
    make: Callable[[Place], Policy]


def turn_to_the_goal(_: Place) -> Policy:
    """For dla/Navigation-v0: blind to obstacles."""

    def act(observations: NDArray[Any]) -> NDArray[Any]:
        bearing = observations[:, 18] * np.pi
        turn = np.where(bearing > 0, LEFT, RIGHT)
        return np.where(np.abs(bearing) > TURN / 2, turn, FORWARD)

    return act


def push_where_the_pole_falls(_: Place) -> Policy:
    """For CartPole: to the side to which the pole leans and moves, whatever the cart does."""
    return lambda observations: (observations[:, 2] + observations[:, 3] > 0).astype(np.int64)


def push_as_it_swings(_: Place) -> Policy:
    """For Acrobot: the joint's torque in the direction in which the joint turns, which always adds energy."""
    return lambda observations: np.where(observations[:, 5] > 0, 2, 0)


def land_as_gymnasium_does(place: Place) -> Policy:
    """For LunarLander: the controller that Gymnasium has beside the environment."""
    from gymnasium.envs.box2d import lunar_lander

    heuristic: Callable[[Any, NDArray[Any]], Any] = lunar_lander.heuristic
    lander = place.make_one(None)
    return lambda observations: np.stack([heuristic(lander, seen) for seen in observations])


RULES = {
    "dla/Navigation-v0": Rule("turn to the goal", turn_to_the_goal),
    "CartPole-v0": Rule("push where the pole falls", push_where_the_pole_falls),
    "CartPole-v1": Rule("push where the pole falls", push_where_the_pole_falls),
    "Acrobot-v1": Rule("push as it swings", push_as_it_swings),
    "LunarLander-v3": Rule("Gymnasium's heuristic", land_as_gymnasium_does),
}


def baselines(settings: AgentSettings, seed: int) -> dict[str, Evaluation]:
    """Test episodes of random actions and of the environment's rule, if it has one.

    The first of them, of random actions, begin with the seeds of the greedy test episodes of the agent that was
    trained from `seed`.
    """
    place, episodes = Place.of(settings), settings.episodes
    policies = {"random": random_actions(place, episodes, seed)}
    rule = RULES.get(settings.environment)
    if rule:
        policies["rule"] = rule.make(place)
    return evaluate(policies, place, episodes, first_seed("test", seed * 2 * episodes, 2 * episodes))


def random_actions(place: Place, copies: int, seed: int) -> Policy:
    """Every action as likely as any other, of a continuous one every value between its bounds."""
    space = batch_space(place.make_one(None).action_space, copies)
    space.seed(seed)
    return lambda _: np.asarray(space.sample())
