"""What is said of agents: recordings, intervals, comparisons over seeds."""

from __future__ import annotations

import csv
import itertools
import json
import math
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy import stats

from dla.params.file import load_params
from dla.report import agents as report
from dla.report.results import Results
from dla.rl.comparison import aggregate_rows, compare_agents, environments, profile_rows
from dla.rl.evaluate import summary, write_gif
from dla.rl.settings import AgentComparison
from dla.statistics.agents import (
    Bootstrap,
    aggregate,
    improvement_test,
    interquartile_mean,
    performance_profile,
    probability_of_improvement,
)
from dla.statistics.outcomes import cut, student

from .conftest import ROOT, said

PARAMS = load_params(ROOT / "params.yaml")

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


# --- intervals ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("means", "possible"), [((0.98, 1.0, 1.0), (0.0, 1.0)), ((0.0, 0.02, 0.0), (0.0, 1.0)), ((500, 500, 460), (9, 500))]
)
def test_an_interval_over_seeds_holds_nothing_impossible(
    means: tuple[float, ...], possible: tuple[float, float]
) -> None:
    uncut = student(float(np.mean(means)), float(np.std(means, ddof=1)), 3)
    assert uncut[0] < possible[0] or uncut[1] > possible[1]
    described = summary(means, possible)
    assert possible[0] <= described["lower"] < described["mean"] < described["upper"] <= possible[1]


def test_episodes_bound_the_mean_that_is_said_of_them() -> None:
    assert summary([500.0] * 9 + [300.0])["upper"] == 500.0
    assert summary([1.0, 2.0, 3.0, 4.0])["lower"] == pytest.approx(1.0)  # Student's begins at 0.446


def test_values_that_are_all_the_same_have_no_interval() -> None:
    assert summary([500.0, 500.0]) == {"mean": 500.0, "std": 0.0, "n": 2}
    assert summary([500.0]) == {"mean": 500.0, "n": 1}


@pytest.mark.parametrize("seeds", [3, 5])
def test_students_interval_cut_to_what_is_possible_holds_the_mean_more_often_than_the_bootstraps(seeds: int) -> None:
    generator = np.random.default_rng(seeds)
    means = generator.uniform(400, 500, (2000, seeds))  # of agents near the top of CartPole
    ends = [cut(student(x.mean(), x.std(ddof=1), seeds), 0, 500) for x in means]
    drawn = [x[generator.integers(seeds, size=(500, seeds))].mean(1) for x in means]
    percentiles = [np.quantile(x, (0.025, 0.975)) for x in drawn]
    ours, bootstrap = (np.mean([lower <= 450 <= upper for lower, upper in each]) for each in (ends, percentiles))
    assert ours > 0.91
    assert bootstrap < 0.88


# --- statistics of Agarwal et al. -----------------------------------------------------------------------------


def drawn(*runs: int, seed: int = 0, ties: bool = False, above: float = 0.0) -> list[NDArray[np.float64]]:
    generator = np.random.default_rng(seed)
    scores = [generator.normal(above, 1.0, n) for n in runs]
    return [values.round() for values in scores] if ties else scores


@pytest.mark.parametrize("runs", [(1,), (3,), (4,), (5, 5), (3, 3, 3), (10, 10)])
def test_the_interquartile_mean_is_scipys_trimmed_mean(runs: tuple[int, ...]) -> None:
    scores = drawn(*runs)
    assert interquartile_mean(aggregate(scores)) == pytest.approx(stats.trim_mean(np.stack(scores), 0.25, axis=None))


def test_the_interquartile_mean_by_hand() -> None:
    assert interquartile_mean(np.array([9.0, 1.0, -50.0, 2.0, 3.0, 4.0, 70.0, 5.0])) == 3.5  # of 2, 3, 4 and 5
    assert list(aggregate([np.array([1.0, 2.0, 3.0]), np.array([4.0, 5.0])])) == [1, 2, 4, 5]  # as many of each


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize(("n", "m"), [(1, 1), (3, 3), (5, 5), (4, 7)])
def test_the_probability_of_improvement_is_mann_whitneys_u_as_a_share(n: int, m: int, ties: bool) -> None:
    x, y = drawn(n, n, ties=ties), drawn(m, m, seed=1, ties=ties, above=0.5)
    shares = [stats.mannwhitneyu(a, b).statistic / (n * m) for a, b in zip(x, y, strict=True)]
    assert probability_of_improvement(x, y) == pytest.approx(np.mean(shares))


def test_the_performance_profile_by_hand() -> None:
    scores = [np.array([0.0, 0.5, 1.0, 2.0]), np.array([0.5, 3.0])]
    profile = performance_profile(scores, np.array([-1.0, 0.5, 1.5, 3.0]))
    assert profile == pytest.approx([1.0, (2 / 4 + 1 / 2) / 2, (1 / 4 + 1 / 2) / 2, 0.0])


@pytest.mark.parametrize(("n", "m"), [(3, 3), (5, 5), (4, 7), (10, 10)])
def test_the_exact_test_is_mann_whitneys(n: int, m: int) -> None:
    (x,), (y,) = drawn(n), drawn(m, seed=1, above=0.7)
    assert improvement_test([x], [y]).p_value == pytest.approx(stats.mannwhitneyu(x, y, method="exact").pvalue)
    assert improvement_test([x], [y]).smallest == pytest.approx(2 / math.comb(n + m, n))


def exchanged(x: NDArray[np.float64], y: NDArray[np.float64]) -> list[tuple[NDArray[np.float64], ...]]:
    both = np.concatenate([x, y])
    chosen = [np.isin(range(len(both)), some) for some in itertools.combinations(range(len(both)), len(x))]
    return [(both[first], both[~first]) for first in chosen]


@pytest.mark.parametrize("ties", [False, True])
def test_the_exact_test_counts_all_exchanges_within_environments(ties: bool) -> None:
    x, y = drawn(3, 2, ties=ties), drawn(2, 3, seed=1, ties=ties, above=1.0)
    all_of_them = itertools.product(*(exchanged(a, b) for a, b in zip(x, y, strict=True)))
    distances = [abs(probability_of_improvement(*zip(*arranged, strict=True)) - 0.5) for arranged in all_of_them]
    observed = abs(probability_of_improvement(x, y) - 0.5)
    test = improvement_test(x, y)
    assert test.p_value == pytest.approx(np.mean(np.array(distances) >= observed - 1e-12))
    assert test.smallest == pytest.approx(np.mean(np.array(distances) >= max(distances) - 1e-12))


def test_the_exact_test_is_wrong_no_more_often_than_it_says() -> None:
    tests = [improvement_test(drawn(4, 4, seed=2 * i), drawn(4, 4, seed=2 * i + 1)) for i in range(1000)]
    assert np.mean([test.p_value <= 0.05 for test in tests]) < 0.065  # 0.05 and three standard deviations less


def test_the_bootstraps_interval_is_scipys_percentile_interval() -> None:
    (scores,) = drawn(9)
    theirs = stats.bootstrap(
        (scores,), lambda x, axis: stats.trim_mean(x, 0.25, axis=axis), n_resamples=20_000, method="percentile", rng=0
    ).confidence_interval
    lower, upper = Bootstrap(20_000, 0.95, 0).interquartile_mean([scores]) or (0, 0)
    assert (lower, upper) == pytest.approx((theirs.low, theirs.high), abs=0.05)


def test_the_bootstrap_draws_within_environments() -> None:
    """Between environments that differ and have no spread of their own there is nothing to be unsure of."""
    scores = [np.full(3, 0.1), np.full(3, 0.9)]
    assert Bootstrap(500, 0.95, 0).interquartile_mean(scores) == pytest.approx((0.5, 0.5))
    better = [values + 0.01 for values in scores]
    assert Bootstrap(500, 0.95, 0).probability_of_improvement(better, scores) == (1.0, 1.0)
    profile = Bootstrap(500, 0.95, 0).performance_profile(scores, np.array([0.5]))
    assert profile is not None
    assert [list(ends) for ends in profile] == [[0.5], [0.5]]


def test_one_seed_has_no_interval() -> None:
    one, bootstrap = drawn(1, 1), Bootstrap(100, 0.95, 0)
    assert bootstrap.interquartile_mean(one) is None
    assert bootstrap.probability_of_improvement(one, drawn(3, 3)) is None
    assert bootstrap.performance_profile(one, np.zeros(1)) is None


# --- the stage ------------------------------------------------------------------------------------------------

SETTINGS = AgentComparison(confidence=0.95, resamples=2000, seed=0)
TURN = {"mean": 1.0, "success_rate": 0.5, "rule": "turn"}
PLACES: dict[str, dict[str, Any]] = {
    "CartPole-v1": {"threshold": 475.0, "baselines": {"random": {"mean": 25.0}}},
    "dla/Navigation-v0": {
        "baselines": {"random": {"mean": -8.0, "success_rate": 0.2}, "rule": TURN}
    },
    "mine": {"baselines": {"random": {"mean": 0.0}}},  # neither a threshold nor success
}  # fmt: skip


def trained(environment: str, algorithm: str, *scores: float) -> dict[str, Any]:
    """The metrics of a run whose seeds got these scores: shares of successes in Navigation, returns elsewhere."""
    place = PLACES[environment]
    succeeds = environment == "dla/Navigation-v0"
    returns = [20 * score - 10 if succeeds else score for score in scores]
    seeds = {}
    for seed, (score, value) in enumerate(zip(scores, returns, strict=True), start=1):
        greedy = {"mean": value, "n": 50} | ({"success_rate": score} if succeeds else {})
        solved = {"solved_at": 1000 * seed if value >= place["threshold"] else None} if "threshold" in place else {}
        ended = {"area": value / 2, "kept_at": 1000}
        seeds[str(seed)] = {"greedy": greedy, "sampled": {"mean": value - 1, "n": 50}} | ended | solved
    return {
        "environment": environment,
        "algorithm": algorithm,
        "steps": 1000,
        "return": summary(returns),
        "sampled_return": summary([value - 1 for value in returns]),
        "seeds": seeds,
        **place,
        **({"solved": sum(value >= 475 for value in returns)} if "threshold" in place else {}),
        **({"success_rate": summary(scores)} if succeeds else {}),
    }


def several() -> dict[str, dict[str, Any]]:
    return {
        "cartpole-ppo": trained("CartPole-v1", "ppo", 475, 500, 475, 490, 480),
        "cartpole-dqn": trained("CartPole-v1", "dqn", 250, 25, 400, 100, 300),
        "cartpole-ppo-small": trained("CartPole-v1", "ppo", 500, 500, 400),
        "navigation-ppo": trained("dla/Navigation-v0", "ppo", 1.0, 0.9, 0.8),
        "navigation-dqn": trained("dla/Navigation-v0", "dqn", 0.2, 0.6, 0.5),
        "mine-ppo": trained("mine", "ppo", 7, 8),
    }


def test_scores_are_zero_for_random_actions_and_one_at_the_threshold_or_for_success_always() -> None:
    there = environments(several())
    assert list((there["CartPole-v1"].normalised or {})["cartpole-dqn"][0][:2]) == [0.5, 0.0]
    assert (there["CartPole-v1"].normalised or {})["cartpole-ppo"][0][0] == 1.0
    assert (there["dla/Navigation-v0"].normalised or {})["navigation-dqn"][0] == pytest.approx([0.0, 0.5, 0.375])
    assert there["dla/Navigation-v0"].measure == "success_rate"
    assert there["mine"].normalised is None


def test_algorithms_are_compared_where_all_have_a_run_and_runs_within_an_environment() -> None:
    comparison = compare_agents(several(), SETTINGS)
    over = comparison["over_environments"]
    assert (over["environments"], over["ppo"]["seeds"], list(over)) == (2, 3, ["environments", "ppo", "dqn"])
    first = np.array([[1.0, 475 / 450, 1.0], [1.0, 0.875, 0.75]])  # cartpole-ppo speaks for PPO, its first three seeds
    assert over["ppo"]["interquartile_mean"] == pytest.approx(stats.trim_mean(first, 0.25, axis=None))
    improvement = comparison["algorithm_by_algorithm"]["ppo>dqn"]
    assert improvement["probability"] == 1.0
    assert improvement["p_value"] == pytest.approx(2 / (math.comb(10, 5) * math.comb(6, 3)))
    assert improvement["shown"]
    pairs = {"cartpole-ppo>cartpole-dqn", "cartpole-ppo>cartpole-ppo-small", "cartpole-dqn>cartpole-ppo-small"}
    assert set(comparison["run_by_run"]) == {*pairs, "navigation-ppo>navigation-dqn"}
    assert comparison["environments"]["mine"]["runs"] == {}


def test_three_seeds_in_one_environment_show_nothing_however_far_apart() -> None:
    """The bootstrap's interval is [1, 1] here, which chance alone brings about in one case of ten."""
    metrics = {name: of for name, of in several().items() if name.startswith("navigation")}
    improvement = compare_agents(metrics, SETTINGS)["algorithm_by_algorithm"]["ppo>dqn"]
    assert [improvement[key] for key in ("probability", "lower", "upper")] == [1.0, 1.0, 1.0]
    assert improvement["smallest_adjusted_p_value"] == pytest.approx(0.1)
    assert not improvement["shown"]


def test_runs_that_all_get_the_same_are_no_better_than_each_other() -> None:
    metrics = {name: trained("CartPole-v1", name, 500, 500, 500, 500, 500) for name in ("ppo", "dqn")}
    improvement = compare_agents(metrics, SETTINGS)["algorithm_by_algorithm"]["ppo>dqn"]
    assert [improvement[key] for key in ("probability", "p_value", "shown")] == [0.5, 1.0, False]


def one_seed() -> dict[str, dict[str, Any]]:
    return {
        "cartpole-ppo": trained("CartPole-v1", "ppo", 500),
        "cartpole-dqn": trained("CartPole-v1", "dqn", 300),
    }


@pytest.mark.parametrize("metrics", [several(), one_seed(), {"mine-ppo": trained("mine", "ppo", 1.0)}, {}])
def test_whatever_has_run_is_valid_json_and_csv(metrics: dict[str, Any]) -> None:
    comparison = compare_agents(metrics, SETTINGS)
    json.dumps(comparison, allow_nan=False)
    dots, profile = list(aggregate_rows(comparison)), list(profile_rows(metrics, SETTINGS))
    assert all(row["lower"] is None or row["lower"] <= row["value"] <= row["upper"] for row in dots)
    assert all(row["lower"] is None or row["lower"] <= row["share"] <= row["upper"] for row in profile)
    assert bool(profile) == (len(metrics) > 0 and "mine-ppo" not in [*metrics][:1])


def write(root: Path, metrics: dict[str, dict[str, Any]]) -> None:
    """What the stages of these runs would leave."""
    for folder in ("metrics/agent", "plots/agent"):
        (root / folder).mkdir(parents=True)
    for name, of in metrics.items():
        (root / f"metrics/agent/{name}.json").write_text(json.dumps(of))
        rows = [f"{name},{seed},{step},{policy},{step / 4},9,,20" for seed in of["seeds"] for step in (0, 1000)
                for policy in ("greedy", "sampled")]  # fmt: skip
        header = "run,seed,step,policy,return,length,success,episodes"
        (root / f"plots/agent/{name}.csv").write_text("\n".join([header, *rows, ""]))


@pytest.fixture
def compared(tmp_path: Path, change: Any) -> Path:
    """A folder where the stage has run on `several`."""
    shutil.copy(ROOT / "params.yaml", tmp_path)
    metrics = {name: of for name, of in several().items() if name in PARAMS.agent}
    write(tmp_path, metrics)
    missing = set(PARAMS.agent) - set(metrics)
    for name in missing:
        environment, algorithm = PARAMS.agent[name].environment, PARAMS.agent[name].algorithm
        PLACES.setdefault(environment, {"threshold": 200.0, "baselines": {"random": {"mean": -180.0}}})
        (tmp_path / f"metrics/agent/{name}.json").write_text(json.dumps(trained(environment, algorithm, 1, 2, 3)))
    change(tmp_path / "params.yaml", {"agents.resamples": 500})
    subprocess.run([sys.executable, str(ROOT / "stages/agents.py")], cwd=tmp_path, check=True)
    return tmp_path


def test_the_stage_writes_its_metrics_and_tables(compared: Path) -> None:
    metrics = json.loads((compared / "metrics/agents.json").read_text())
    assert metrics["over_environments"]["environments"] == len({run.environment for run in PARAMS.agent.values()})
    with (compared / "plots/agents/profile.csv").open() as stream:
        assert {row["algorithm"] for row in csv.DictReader(stream)} == {"ppo", "dqn"}
    with (compared / "plots/agents/aggregate.csv").open() as stream:
        assert {*PARAMS.agent, "ppo", "dqn"} == {row["agent"] for row in csv.DictReader(stream)}


def test_every_key_of_the_comparison_is_explained() -> None:
    def keys(numbers: dict[str, Any]) -> set[str]:
        below = (keys(value) for value in numbers.values() if isinstance(value, dict))
        return set(numbers).union(*below)

    named = {*several(), *PLACES, "ppo", "dqn"}
    explained = set(re.findall(r"\w+", " ".join(re.findall(r"`([^`\n]+)`", (ROOT / "docs/agents.md").read_text()))))
    found = keys(compare_agents(several(), SETTINGS))
    assert {key for key in found - named if ">" not in key} <= explained


# --- the chapter ----------------------------------------------------------------------------------------------


def chapter(root: Path, metrics: dict[str, dict[str, Any]]) -> Any:
    """The chapter about these runs."""
    write(root, metrics)
    (root / "metrics/agents.json").write_text(json.dumps(compare_agents(metrics, SETTINGS)))
    return report.chapter({"agent": metrics}, Results(root))


def test_the_finding_says_shown_only_where_the_test_says_so(tmp_path: Path) -> None:
    few = {name: of for name, of in several().items() if name.startswith("navigation")}
    one, many, three = (tmp_path / name for name in ("one", "many", "three"))
    assert said(chapter(one, one_seed())).endswith(
        "PPO beats DQN in 100.0 % of the pairs of runs in one environment, from 1 seed of PPO and 1 seed of DQN: "
        "not shown, one seed has no spread to measure it by."
    )
    assert "over 2 environments (95 % interval 100.0 to 100.0, exact test p < 0.001): shown." in (
        said(chapter(many, several()))
    )
    assert said(chapter(three, few)).endswith("p = 0.100): not shown, and no result of so few seeds could show it.")


def test_the_finding_says_from_how_many_seeds_each_environment_was_solved(tmp_path: Path) -> None:
    finding = said(chapter(tmp_path, several()))
    assert finding.startswith(
        "CartPole-v1 is solved, by a mean return of 475 in greedy episodes on new seeds, by "
        "cartpole-ppo from 5 of 5 seeds (95 % interval 57 to 100 %), "
        "cartpole-dqn from 0 of 5 seeds (95 % interval 0 to 43 %) and "
        "cartpole-ppo-small from 2 of 3 seeds (95 % interval 21 to 94 %). "
        "In dla/Navigation-v0 success ends of the greedy episodes on new seeds "
        "90.0 % of navigation-ppo (mean of 3 seeds, 95 % interval 80.0 to 100.0) and "
    )
    assert "interval 20.0 to 60.0), and without training 20.0 % of random actions and 50.0 % of turn." in finding
    assert "mine" not in finding  # it has neither a threshold nor success


def test_one_seed_without_threshold_or_success_is_no_finding(tmp_path: Path) -> None:
    assert said(chapter(tmp_path, {"mine-ppo": trained("mine", "ppo", 7)})) == "No environment says what solves it."


def test_baselines_stand_beside_the_agents(tmp_path: Path) -> None:
    blocks = chapter(tmp_path, several()).blocks
    (table,) = (block for block in blocks if block.kind == "table" and block.caption.startswith("dla/Navigation-v0"))
    assert [row[0] for row in table.rows] == ["navigation-ppo", "navigation-dqn", "random actions", "turn"]
    assert table.rows[2][3] == "-8.0"
    (chart,) = (block for block in blocks if block.kind == "chart" and block.caption.startswith("dla/Navigation-v0"))
    assert "Dashed: random actions, turn." in chart.caption
    assert "sampled" not in json.dumps(chart.spec)  # the curve is the greedy one


def test_weights_that_are_not_those_of_the_end_are_said(tmp_path: Path) -> None:
    metrics = several()
    metrics["cartpole-dqn"]["seeds"]["3"]["kept_at"] = 400
    captions = [block.caption for block in chapter(tmp_path, metrics).blocks if block.kind == "table"]
    cartpole = next(caption for caption in captions if caption.startswith("CartPole-v1"))
    assert cartpole.endswith(
        "Of cartpole-dqn it is the weights of the point that was best on validation that are tested."
    )
    assert sum("best on validation" in caption for caption in captions) == 1


def test_what_an_environment_does_not_define_has_no_column(tmp_path: Path) -> None:
    tables = {}
    for block in chapter(tmp_path, several()).blocks:
        if block.kind == "table":
            tables[block.caption.split(":")[0]] = block
    assert {name: tables[name].header[5:] for name in ("CartPole-v1", "dla/Navigation-v0", "mine")} == {
        "CartPole-v1": ("solved at step",),
        "dla/Navigation-v0": ("success",),
        "mine": (),
    }
    assert all(len(row) == len(table.header) for table in tables.values() for row in table.rows)


def test_a_seed_that_was_solved_before_training_says_so(tmp_path: Path) -> None:
    metrics = one_seed()
    metrics["cartpole-ppo"]["seeds"]["1"]["solved_at"] = 0
    tables = [block for block in chapter(tmp_path, metrics).blocks if block.kind == "table"]
    assert [row[5] for row in tables[0].rows[:2]] == ["0", "never"]
