"""What is true of every algorithm: a new one is tested as soon as it has a run in params.yaml."""

from __future__ import annotations

import re
import textwrap
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from gymnasium.vector.utils import batch_space

from dla.cli.main import main
from dla.core.artifacts import read_metrics, read_table, write_tensors
from dla.core.contents import REMEDY
from dla.core.parameters import read_block
from dla.core.success import until_success
from dla.rl import algorithms
from dla.rl.base.algorithm import Algorithm, build
from dla.rl.base.normalization import NormalizingSettings
from dla.rl.environments.place import Place
from dla.rl.environments.vector import Environments
from dla.rl.evaluate import actions, judge
from dla.rl.results import load_agent, load_net, write_agents
from dla.rl.settings import ALGORITHMS, Agent, AgentSettings
from dla.rl.train import Progress, TrainedAgent, train_agent
from dla.training.checkpoint import Checkpoint
from tests.agent_runs import dqn, ppo, short

from .conftest import ROOT

pytestmark = pytest.mark.usefixtures("project")
every_algorithm = pytest.mark.parametrize("algorithm", ALGORITHMS.names())


def same(first: TrainedAgent, second: TrainedAgent) -> bool:
    weights = all(np.array_equal(first.weights[name], second.weights[name]) for name in first.weights)
    return weights and first.rows == second.rows and first.evaluation == second.evaluation


@every_algorithm
def test_every_weight_learns_and_an_update_says_what_it_was_like(algorithm: str) -> None:
    settings = short(algorithm)
    environments = Place.of(settings).make(settings.copies)
    learner = build(settings, environments)
    before = {name: value.clone() for name, value in learner.net.named_parameters()}
    updates = list(learner.run(environments, environments.reset(seed=0), range(8)))
    assert all(not torch.equal(value, before[name]) for name, value in learner.net.named_parameters())
    assert set(updates[-1].diagnostics) == set(learner.diagnostics)
    assert "loss" in learner.diagnostics  # by which a training that diverges is recognised


@every_algorithm
def test_actions_are_those_that_the_environment_takes(algorithm: str) -> None:
    settings = short(algorithm)
    environments = Place.of(settings).make(50)
    net, space = build(settings, environments).net, batch_space(environments.action_space, 50)
    seen = environments.reset(seed=1)
    with torch.no_grad():
        assert space.contains(actions(net, seen))
        assert space.contains(actions(net, seen, torch.Generator().manual_seed(0)))


@every_algorithm
def test_the_same_seed_gives_the_same_bits(algorithm: str) -> None:
    settings, agents = short(algorithm), []
    for seed in (1, 1, 2):
        with until_success():
            agents.append(train_agent("agent", settings, seed))
    assert same(agents[0], agents[1])
    assert not same(agents[0], agents[2])


NORMALIZING = [name for name in ALGORITHMS.names() if issubclass(ALGORITHMS.module(name).Settings, NormalizingSettings)]
NORMALIZED = {"normalize_observations": True, "normalize_rewards": True}
SOON = {"episodes": 5, "checkpoints": 4, "points": 7}
KILLED = {
    **{algorithm: short(algorithm) for algorithm in ALGORITHMS.names()},
    **{f"{algorithm}, normalized": short(algorithm, **NORMALIZED) for algorithm in NORMALIZING},
    "ppo, best": ppo(environment="CartPole-v1", steps=3200, keep="best", **SOON),
    "dqn, 3 steps": dqn(environment="CartPole-v1", steps=2400, n_steps=3, **SOON),
    "ppo, Navigation": ppo(environment="dla/Navigation-v0", steps=3200, **SOON),
    "ppo, Counter": ppo(environment="test/Counter-v0", steps=3200, **SOON),  # its state cannot be saved
}


@pytest.mark.parametrize("settings", KILLED.values(), ids=KILLED)
def test_a_killed_run_ends_in_the_same_bits(monkeypatch: pytest.MonkeyPatch, settings: AgentSettings) -> None:
    with until_success():
        whole = train_agent("agent", settings, seed=3)

    class KilledError(Exception):
        pass

    advance = Progress.advance

    def until_half(progress: Progress, checkpoint: Checkpoint) -> None:
        if progress.part == 2:
            raise KilledError
        advance(progress, checkpoint)

    with monkeypatch.context() as patched:
        patched.setattr(Progress, "advance", until_half)
        with pytest.raises(KilledError):
            train_agent("agent", settings, seed=3)
    torch.manual_seed(99)
    assert same(train_agent("agent", settings, seed=3), whole)


@every_algorithm
def test_a_point_of_the_curve_is_the_agent_of_that_moment_over_complete_episodes(algorithm: str) -> None:
    settings = short(algorithm)
    agent = train_agent("agent", settings, seed=1)
    assert [row["step"] for row in agent.rows[::2]] == [0, agent.steps // 2, agent.steps]
    assert [row["policy"] for row in agent.rows] == ["greedy", "sampled"] * 3
    again = judge(load_net(settings, agent.weights, Path("agent")), settings, "validation", 1, agent.steps)
    for row in agent.rows[-2:]:
        assert row["episodes"] == 2
        assert row.items() >= again[row["policy"]].means().items()
    assert agent.rows[-2]["loss"] != ""
    assert agent.rows[-1]["loss"] == ""  # of the sampled actions nothing is learned


@every_algorithm
def test_the_point_with_the_highest_greedy_return_may_be_kept(algorithm: str) -> None:
    settings = short(algorithm, points=8, learning_rate=0.3)  # a rate at which returns fall as often as they rise
    last, best = (train_agent("agent", replace(settings, keep=keep), 1) for keep in ("last", "best"))
    assert best.rows == last.rows
    curve = {row["step"]: row["return"] for row in best.greedy_rows()}
    assert curve[best.kept_at] == max(curve.values())
    assert all(value < curve[best.kept_at] for step, value in curve.items() if step > best.kept_at)
    again = judge(load_net(settings, best.weights, Path("agent")), settings, "validation", 1, best.kept_at)
    assert float(np.mean(again["greedy"].returns)) == curve[best.kept_at]
    assert last.kept_at == last.steps


@every_algorithm
def test_how_often_an_agent_is_judged_changes_nothing_that_it_learns(algorithm: str) -> None:
    seldom, often = (train_agent("agent", replace(short(algorithm), points=points), 1) for points in (1, 8))
    assert len(often.rows) > len(seldom.rows)
    for name, value in seldom.weights.items():
        np.testing.assert_array_equal(often.weights[name], value)


@every_algorithm
def test_a_saved_agent_acts_as_the_trained_one(project: Path, algorithm: str) -> None:
    settings = replace(short(algorithm), seeds=(1, 2))
    with until_success():
        agents = [train_agent("agent", settings, seed) for seed in settings.seeds]
        write_agents("agent", settings, agents)
    net, read = load_agent("agent", seed=2)
    assert read == settings
    assert judge(net, settings, "test", seed=2) == agents[1].evaluation
    assert {row["seed"] for row in read_table(project / "plots/agent/agent.csv")} == {1, 2}
    assert not list(project.glob(".checkpoints/*"))


@pytest.mark.parametrize("algorithm", NORMALIZING)
def test_what_was_seen_is_saved_with_the_net_and_frozen_when_it_is_judged(project: Path, algorithm: str) -> None:
    settings = short(algorithm, **NORMALIZED)
    agent = train_agent("normal", settings, 1)
    write_agents("normal", settings, [agent])
    net, _ = load_agent("normal")
    counts = [value for name, value in net.state_dict().items() if name.endswith("standardize.count")]
    assert [float(count) >= 1000 for count in counts] == [True]
    kept = {name: value.clone() for name, value in net.state_dict().items()}
    assert judge(net, settings, "test", 1) == agent.evaluation
    assert all(torch.equal(value, kept[name]) for name, value in net.state_dict().items())


@every_algorithm
def test_a_checkpoint_has_all_that_goes_on_and_nothing_crosses_from_one_call_to_the_next(algorithm: str) -> None:
    """One that ran on, and one that begins anew with the state of the first, learn the same from the same episodes."""
    settings = short(algorithm)

    def make() -> tuple[Algorithm, Environments]:
        environments = Place.of(settings).make(settings.copies)
        return build(settings, environments), environments

    (first, there), (other, elsewhere) = make(), make()
    list(first.run(there, there.reset(seed=0), range(4)))
    for name, part in other.saved().items():
        part.load_state_dict({key: _copied(value) for key, value in first.saved()[name].state_dict().items()})
    for learner, environments in ((first, there), (other, elsewhere)):
        torch.manual_seed(5)
        list(learner.run(environments, environments.reset(seed=1), range(4, 8)))
    for one, two in zip(first.net.parameters(), other.net.parameters(), strict=True):
        assert torch.equal(one, two)


def _copied(value: object) -> object:
    if isinstance(value, list):
        return [_copied(entry) for entry in value]
    return value.clone() if isinstance(value, torch.Tensor) else value


# --- a new one ------------------------------------------------------------------------------------------------


def test_the_algorithm_of_the_documentation_is_one_file_and_one_block(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (ROOT / "docs/agents.md").read_text()
    shown = re.findall(r'^    ```\w+ title="(.*?)"\n(.*?)^    ```', page, re.DOTALL | re.MULTILINE)
    (file, source), (params, block) = ((Path(title), textwrap.dedent(body)) for title, body in shown)
    (project / file).parent.mkdir(parents=True)
    (project / file).write_text(source)
    monkeypatch.setattr(algorithms, "__path__", [*algorithms.__path__, str((project / file).parent)])
    whole = (project / params).read_text()
    (project / params).write_text(whole.replace("\nagent:\n", f"\n{block}", 1))  # its runs follow the new one
    assert file.stem in ALGORITHMS.names()
    settings: AgentSettings = read_block(Agent, "agent", "cartpole-reinforce")
    agent = train_agent("cartpole-reinforce", settings, 1)
    write_agents("cartpole-reinforce", settings, [agent])
    random = read_metrics(project / "metrics/agent/cartpole-reinforce.json")["baselines"]["random"]
    assert np.mean(agent.evaluation["greedy"].returns) > 4 * random["mean"]
    capsys.readouterr()
    assert main(["play", "cartpole-reinforce"]) == 0
    assert capsys.readouterr().out.startswith("seed 0  steps ")


def test_an_agent_of_another_version_is_an_error_in_words(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = project / "models/agents/old.safetensors"
    write_tensors(path, {"1.x": np.zeros(1)}, {"agent": {"name": "ppo", "environment": "CartPole-v1"}})
    assert main(["play", "old"]) == 2
    assert f"agent.algorithm is missing; this version did not write it: {REMEDY}" in capsys.readouterr().err
