"""Agents compared over seeds: run by run within an environment, and algorithm by algorithm over environments.

Scores come from metrics/agent/: a run's mean return (or where no threshold is published, its share of successes) in
greedy test episodes, one score per seed. Normalised, 0 is what random actions get, and 1 the published threshold or
success in every episode. An algorithm is spoken for by the first of its runs in each environment.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dla.rl.settings import AgentComparison
from dla.statistics.agents import (
    Bootstrap,
    Scores,
    aggregate,
    improvement_test,
    interquartile_mean,
    performance_profile,
    probability_of_improvement,
)
from dla.statistics.multiplicity import holm

AGGREGATE = ("environment", "agent", "seeds", "value", "lower", "upper")
PROFILE = ("algorithm", "score", "share", "lower", "upper")
ALL = "all"  # in the place of an environment: those that all algorithms have
POINTS = 101  # of a profile

Metrics = Mapping[str, Any]
Numbers = dict[str, Any]  # for a metrics file: what does not exist is None
Agents = dict[str, Scores]  # by name: scores (seeds,) in each of the same environments


@dataclass(frozen=True)
class Environment:
    """The runs of one environment, and what their scores mean."""

    measure: str  # return or success_rate
    zero: float | None  # the score of random actions
    one: float | None  # the published threshold, or success in every episode; None: there is neither
    runs: dict[str, NDArray[np.float64]]  # (seeds,), as measured

    @property
    def normalised(self) -> Agents | None:
        """The scores on the scale that environments share; None if this one has none."""
        if self.zero is None or self.one is None or self.one <= self.zero:
            return None
        return {run: [(scores - self.zero) / (self.one - self.zero)] for run, scores in self.runs.items()}


def environments(metrics: Mapping[str, Metrics]) -> dict[str, Environment]:
    """The runs of each environment, from the metrics of every run."""
    names = dict.fromkeys(run["environment"] for run in metrics.values())
    return {
        name: _environment({run: one for run, one in metrics.items() if one["environment"] == name}) for name in names
    }


def _environment(metrics: Mapping[str, Metrics]) -> Environment:
    first = next(iter(metrics.values()))
    greedy = {run: [seed["greedy"] for seed in one["seeds"].values()] for run, one in metrics.items()}
    threshold, random = first.get("threshold"), first["baselines"]["random"]
    succeeds = threshold is None and all("success_rate" in seed for seeds in greedy.values() for seed in seeds)
    key = "success_rate" if succeeds else "mean"
    return Environment(
        "success_rate" if succeeds else "return",
        random.get(key),
        1.0 if succeeds else threshold,
        {run: np.array([seed[key] for seed in seeds]) for run, seeds in greedy.items()},
    )


def algorithms(metrics: Mapping[str, Metrics], there: Mapping[str, Environment]) -> tuple[list[str], Agents]:
    """The environments where every algorithm has a run that can be normalised, and the algorithms' scores in them."""
    runs: dict[str, dict[str, str]] = {}  # by algorithm and environment
    for run, one in metrics.items():
        runs.setdefault(one["algorithm"], {}).setdefault(one["environment"], run)
    shared = [
        name
        for name, environment in there.items()
        if environment.normalised is not None and all(name in its for its in runs.values())
    ]
    scores: Agents = {
        algorithm: [(there[name].normalised or {})[its[name]][0] for name in shared] for algorithm, its in runs.items()
    }
    return shared, scores if shared else {}


def compare_agents(metrics: Mapping[str, Metrics], settings: AgentComparison) -> Numbers:
    """Every comparison that the runs allow, for metrics/agents.json.

    Returns
    -------
    `environments` (what a score is there, and of each run `seeds`, normalised `interquartile_mean` and its interval),
    `run_by_run` (pairs of runs of one environment), `over_environments` (which, and the same of each algorithm) and
    `algorithm_by_algorithm`. Of a pair: the `probability` that the first is better, its interval, the exact p-value
    as it is and by Holm's correction among all pairs of the same kind, the smallest that so many seeds can have, and
    whether a difference is `shown`: the corrected p-value is small enough and the interval leaves out one half.
    """
    there = environments(metrics)
    shared, scores = algorithms(metrics, there)
    pairs: dict[str, tuple[Scores, Scores]] = {}
    for environment in there.values():
        pairs |= _pairs({run: [values] for run, values in environment.runs.items()})
    return {
        "confidence": settings.confidence,
        "environments": {name: _described(environment, settings) for name, environment in there.items()},
        "run_by_run": _improvements(pairs, settings),
        "over_environments": {
            "environments": len(shared),
            **{name: _interquartile_mean(values, settings) for name, values in scores.items()},
        },
        "algorithm_by_algorithm": _improvements(_pairs(scores), settings),
    }


def _described(environment: Environment, settings: AgentComparison) -> Numbers:
    runs = {run: _interquartile_mean(scores, settings) for run, scores in (environment.normalised or {}).items()}
    return {"measure": environment.measure, "zero": environment.zero, "one": environment.one, "runs": runs}


def _bootstrap(settings: AgentComparison) -> Bootstrap:
    return Bootstrap(settings.resamples, settings.confidence, settings.seed)


def _interquartile_mean(scores: Scores, settings: AgentComparison) -> Numbers:
    interval = _bootstrap(settings).interquartile_mean(scores)
    value = float(interquartile_mean(aggregate(scores)))
    return {"seeds": min(map(len, scores)), "interquartile_mean": value, **_ends(interval)}


def _ends(interval: tuple[float, float] | None) -> Numbers:
    lower, upper = (None, None) if interval is None else map(float, interval)
    return {"lower": lower, "upper": upper}


def _pairs(agents: Agents) -> dict[str, tuple[Scores, Scores]]:
    return {f"{x}>{y}": (agents[x], agents[y]) for x, y in combinations(agents, 2)}


def _improvements(pairs: Mapping[str, tuple[Scores, Scores]], settings: AgentComparison) -> Numbers:
    tests = {pair: improvement_test(x, y) for pair, (x, y) in pairs.items()}
    adjusted = holm({pair: test.p_value for pair, test in tests.items()})
    smallest = holm({pair: test.smallest for pair, test in tests.items()})
    level = round(1 - settings.confidence, 12)  # 1 - 0.9 is a little less than 0.1
    improvements: Numbers = {}
    for pair, (x, y) in pairs.items():
        ends = _ends(_bootstrap(settings).probability_of_improvement(x, y))
        apart = ends["lower"] is not None and (ends["lower"] > 0.5 or ends["upper"] < 0.5)
        improvements[pair] = {
            "probability": probability_of_improvement(x, y),
            **ends,
            "p_value": tests[pair].p_value,
            "adjusted_p_value": adjusted[pair],
            "smallest_adjusted_p_value": smallest[pair],
            "shown": adjusted[pair] <= level and apart,
        }
    return improvements


# --- tables for plots -----------------------------------------------------------------------------------------


def aggregate_rows(comparison: Numbers) -> Iterator[Numbers]:
    """Rows of `AGGREGATE`: the normalised interquartile mean of every run, and of every algorithm over environments."""
    tables = {name: environment["runs"] for name, environment in comparison["environments"].items()}
    over = {name: agent for name, agent in comparison["over_environments"].items() if name != "environments"}
    for environment, agents in (tables | {ALL: over}).items():
        for name, agent in agents.items():
            numbers = (agent[key] for key in ("seeds", "interquartile_mean", "lower", "upper"))
            yield dict(zip(AGGREGATE, (environment, name, *numbers), strict=True))


def profile_rows(metrics: Mapping[str, Metrics], settings: AgentComparison) -> Iterator[Numbers]:
    """Rows of `PROFILE`: the share of an algorithm's runs above a score, over the shared environments."""
    _, scores = algorithms(metrics, environments(metrics))
    every = np.concatenate([values for agent in scores.values() for values in agent] or [np.zeros(1)])
    thresholds = np.linspace(min(0.0, every.min()), max(1.0, every.max()), POINTS)
    for algorithm, agent in scores.items():
        interval = _bootstrap(settings).performance_profile(agent, thresholds)
        lower, upper = interval or ([None] * POINTS, [None] * POINTS)
        for row in zip(thresholds, performance_profile(agent, thresholds), lower, upper, strict=True):
            yield dict(zip(PROFILE, (algorithm, *row), strict=True))
