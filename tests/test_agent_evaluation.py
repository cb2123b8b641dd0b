"""How agents are judged while they train and at the end, what beside, and when that is given up."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from PIL import Image

from dla.cli.main import main
from dla.core.errors import UserError
from dla.rl.algorithms.dqn import DQN, QNet
from dla.rl.base.algorithm import build
from dla.rl.base.normalization import ReturnScale, Standardize
from dla.rl.baselines import RULES, baselines
from dla.rl.environments.place import Place
from dla.rl.environments.vector import Transition
from dla.rl.evaluate import actions, evaluate, judge
from dla.rl.results import load_agent, write_agents
from dla.rl.seeds import PARTS, SPAN, first_seed
from dla.rl.settings import AgentSettings
from dla.rl.train import TrainedAgent, train_agent
from tests.agent_runs import Seeds, dqn, ppo


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


# --- the learning curve ---------------------------------------------------------------------------------------


def test_training_validation_and_test_share_no_seed() -> None:
    generator = np.random.default_rng(0)
    for copies in (1, 20, 100_000):
        for number in [0, 1, SPAN - 1, SPAN, *map(int, generator.integers(0, 2**62, 50))]:
            for i, part in enumerate(PARTS):
                first = first_seed(part, number, copies)
                assert i * SPAN <= first
                assert first + copies <= (i + 1) * SPAN <= 2**32


def test_training_takes_no_seed_of_an_evaluation() -> None:
    Seeds.seen.clear()
    run = ppo(environment="test/Seeds-v0", steps=2000, points=3, checkpoints=2)
    train_agent("seeds", run, seed=7)
    parts = [seed // SPAN for seed in Seeds.seen]
    training, validation, test = range(3)
    assert parts == [
        *[validation] * 6,  # before training: greedy and sampled, three episodes each
        *[training] * 8,
        *[validation] * 6,
        *[training] * 8,  # its state cannot be saved, so other episodes begin after a checkpoint
        *[validation] * 6 * 2,
        *[test] * 20,
    ]


def test_judging_draws_no_random_number_of_torch() -> None:
    run = ppo(environment="CartPole-v1")
    net = build(run, Place(run.environment).make(1)).net
    before = torch.get_rng_state()
    judged = judge(net, run, "validation", seed=1)
    assert torch.equal(torch.get_rng_state(), before)
    assert judge(net, run, "validation", seed=1) == judged
    other = judge(net, run, "validation", seed=1, step=5)
    assert other["greedy"] == judged["greedy"]  # the same episodes
    assert other["sampled"] != judged["sampled"]


def test_dqn_samples_as_it_explores_in_the_end() -> None:
    run = dqn(epsilon=0.3)
    environments = Place(run.environment).make(1)
    net = QNet(run, environments.observation_space, environments.action_space)
    seen = np.tile(np.eye(5, dtype=np.float32)[0], (20_000, 1))
    with torch.no_grad():
        best = actions(net, seen[:1])[0]
        found = actions(net, seen, torch.Generator().manual_seed(0))
    assert (found != best).mean() == pytest.approx(0.3 / 2, abs=0.01)  # of random actions half are the best


def agent_with(returns: list[float]) -> TrainedAgent:
    rows = [
        {"step": 100 * i, "policy": policy, "return": value if policy == "greedy" else 1000.0}
        for i, value in enumerate(returns)
        for policy in ("greedy", "sampled")
    ]
    steps = 100 * (len(returns) - 1)
    return TrainedAgent(1, steps, steps, {}, rows, {})


def test_solved_is_the_first_point_of_the_greedy_curve_that_reaches_the_threshold() -> None:
    assert agent_with([0, 10, 30, 20]).solved_at(25) == 200
    assert agent_with([0, 10, 30, 20]).solved_at(40) is None
    assert agent_with([30, 10, 20, 25]).solved_at(25) == 300  # what was not trained has solved nothing


def test_the_area_is_the_mean_of_the_greedy_curve() -> None:
    assert agent_with([0, 10, 30, 20]).area() == pytest.approx((5 + 20 + 25) / 3)


# --- divergence -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("run", "remedy"),
    [
        (ppo(learning_rate=1e20), "or a smaller gradient_clip than 0.5"),
        (dqn(learning_rate=1e30), "or set gradient_clip"),
        (ppo(environment="test/Counter-v0", learning_rate=1e20), "or a smaller gradient_clip"),
    ],
    ids=["ppo", "dqn", "continuous ppo"],
)
def test_an_agent_that_diverged_is_an_error(run: AgentSettings, remedy: str) -> None:
    with pytest.raises(
        UserError, match=r"^agent\.wild: (the training loss|a weight) became (nan|-?inf) by step"
    ) as told:
        train_agent("wild", run, seed=1)
    assert f"take a smaller learning_rate than {run.learning_rate}" in str(told.value)
    assert remedy in str(told.value)


@pytest.mark.parametrize("keep", ["best", "last"])
def test_rewards_that_are_no_numbers_are_an_error_before_any_training(keep: Literal["best", "last"]) -> None:
    with pytest.raises(UserError, match="a return was no number at step 0 of seed 1: see that each reward is one"):
        train_agent("unpaid", ppo(environment="test/Unpaid-v0", keep=keep), seed=1)


# --- normalization --------------------------------------------------------------------------------------------


def test_moments_of_batches_are_those_of_all() -> None:
    torch.manual_seed(0)
    vectors = torch.randn(500, 3) * torch.tensor([1.0, 5.0, 0.1]) + torch.tensor([0.0, -4.0, 100.0])
    standardize = Standardize(3)
    torch.testing.assert_close(standardize(torch.ones(1, 3)), torch.ones(1, 3))  # nothing seen yet
    for batch in vectors.split([1, 99, 0, 150, 250]):
        standardize.see(batch)
    torch.testing.assert_close(standardize.mean, vectors.double().mean(0))
    torch.testing.assert_close(standardize.variance, vectors.double().var(0, correction=0))
    found = standardize(vectors)
    torch.testing.assert_close(found.mean(0), torch.zeros(3), atol=1e-4, rtol=0)
    torch.testing.assert_close(found.std(0, correction=0), torch.ones(3), atol=1e-4, rtol=0)
    assert standardize(torch.full((1, 3), 1e9)).tolist() == [[10.0] * 3]


def paid(rewards: list[float], over: list[bool], real: list[bool]) -> Transition:
    column = np.array(rewards, np.float32)
    ends = np.array(over)
    return Transition(column[:, None], column, ends, np.zeros_like(ends), np.array(real))


def test_rewards_are_scaled_by_the_spread_of_discounted_returns() -> None:
    scale = ReturnScale(2, discount=0.5)
    scale.see(paid([1, 8], [False, True], [True, True]))
    scale.see(paid([1, 0], [True, False], [True, False]))  # the second copy is reset, which counts for nothing
    scale.see(paid([0, 2], [False, False], [False, True]))
    assert scale(torch.tensor(3.0)).item() == pytest.approx(3 / np.std([1, 8, 1.5, 2]))


def test_returns_are_told_as_the_environment_pays_them() -> None:
    run = ppo(environment="CartPole-v1", steps=2000, points=2, normalize_rewards=True)
    agent = train_agent("normal", run, 1)
    assert max(row["return"] for row in agent.rows) > 1
    assert agent.evaluation["greedy"].returns == [float(length) for length in agent.evaluation["greedy"].lengths]


def test_both_nets_of_dqn_see_the_same() -> None:
    run = dqn(normalize_observations=True)
    environments = Place(run.environment).make(run.copies)
    learner = DQN(run, environments)
    list(learner.run(environments, environments.reset(seed=0), range(3)))
    assert learner.target.standardize is learner.net.standardize
    assert learner.target.hidden[0] is learner.net.hidden[0]


@pytest.mark.parametrize("change", [dqn, ppo], ids=["dqn", "ppo"])
def test_patience_is_learned_with_normalization(change: Any) -> None:
    agent = train_agent("chain", change(normalize_observations=True, normalize_rewards=True), seed=1)
    assert agent.evaluation["greedy"].returns == [1.0] * 10


# --- episodes without an end ----------------------------------------------------------------------------------


def nothing(observations: Any) -> Any:
    return np.zeros((len(observations), 2), np.float32)


def test_an_episode_without_an_end_is_cut_off_and_counted() -> None:
    found = evaluate({"still": nothing}, Place("test/Endless-v0", max_episode_steps=12), 3, seed=1)["still"]
    assert (found.returns, found.lengths, found.cut_off) == ([12.0] * 3, [12] * 3, 3)
    assert found.metrics()["cut_off"] == 3
    found = evaluate({"still": nothing}, Place("test/Counter-v0", max_episode_steps=2), 3, seed=1)["still"]
    assert (found.lengths, found.cut_off) == ([3] * 3, 0)  # its own limit holds
    assert "cut_off" not in found.metrics()


def test_the_limit_that_the_constructor_is_given_holds() -> None:
    assert Place("CartPole-v1").limit == 500
    assert Place("CartPole-v1", {"max_episode_steps": 30}).limit == 30
    assert Place("test/Endless-v0").limit == 1000


def test_training_playing_and_metrics_say_that_episodes_were_cut_off(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = ppo(environment="test/Endless-v0", steps=400, points=1, episodes=2, max_episode_steps=15)
    write_agents("endless", run, [train_agent("endless", run, 1)])
    assert "6 episodes cut off after 15 steps" in capsys.readouterr().out
    kept = json.loads((project / "metrics/agent/endless.json").read_text())
    assert [kept["seeds"]["1"][policy]["cut_off"] for policy in ("greedy", "sampled")] == [2, 2]
    assert kept["baselines"]["random"]["cut_off"] == 2
    assert main(["play", "endless"]) == 0
    assert capsys.readouterr().out.endswith("steps 15  return 15.00  cut off: the environment sets no limit\n")


# --- what an agent must beat ----------------------------------------------------------------------------------


def test_random_and_the_rule_navigate_as_measured() -> None:
    """Of 400 rooms random actions reach the goal in 1 to 3 %, and turning to it does in nearly half."""
    found = baselines(ppo(environment="dla/Navigation-v0", episodes=400), seed=1)
    rates = {name: one.metrics()["success_rate"] for name, one in found.items()}
    assert rates["random"] < 0.05
    assert 0.4 < rates["rule"] < 0.55


@pytest.mark.parametrize(
    ("name", "random", "rule"), [("CartPole-v1", 40, 300), ("Acrobot-v1", -400, -100), ("LunarLander-v3", -50, 200)]
)
def test_rules_are_better_than_random_actions(name: str, random: float, rule: float) -> None:
    found = {key: one.metrics()["mean"] for key, one in baselines(ppo(environment=name, episodes=8), seed=1).items()}
    assert found["random"] < random
    assert found["rule"] > rule


def test_random_actions_stand_beside_every_agent(project: Path) -> None:
    for name in ("test/Chain-v0", "dla/Navigation-v0"):
        run = ppo(environment=name, steps=400, points=1, episodes=4)
        write_agents("agent", run, [train_agent("agent", run, 1)])
        kept = json.loads((project / "metrics/agent/agent.json").read_text())
        assert kept["baselines"]["random"]["n"] == 4
        assert ("rule" in kept["baselines"]) == (name in RULES)
    assert kept["baselines"]["rule"]["rule"] == "turn to the goal"


def test_the_first_test_episodes_of_random_actions_are_those_of_the_greedy_agent() -> None:
    Seeds.seen.clear()
    run = ppo(environment="test/Seeds-v0", steps=400, points=1)
    train_agent("seeds", run, 3)
    judged = [seed for seed in Seeds.seen if seed // SPAN == PARTS.index("test")]
    Seeds.seen.clear()
    baselines(run, 3)
    assert Seeds.seen == judged[: run.episodes]


# --- any environment ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "kwargs", "inputs"),
    [
        ("FrozenLake-v1", {"map_name": "8x8"}, 64),
        ("Taxi-v4", {}, 500),
        ("Blackjack-v1", {"natural": True}, 32 + 11 + 2),
    ],
)
@pytest.mark.parametrize("change", [dqn, ppo], ids=["dqn", "ppo"])
def test_what_is_observed_is_flattened(
    project: Path, change: Any, name: str, kwargs: dict[str, Any], inputs: int
) -> None:
    run = change(environment=name, kwargs=kwargs, steps=600, points=1, episodes=3)
    write_agents("table", run, [train_agent("table", run, 1)])
    net, read = load_agent("table")
    assert read == run
    assert {value.shape[1] for value in net.state_dict().values() if value.ndim == 2} >= {inputs}
    assert main(["play", "table"]) == 0
    with Image.open(project / "plots/agent/table.gif") as picture:
        assert picture.format == "GIF"


def test_a_lake_without_slips_is_crossed() -> None:
    run = ppo(environment="FrozenLake-v1", kwargs={"is_slippery": False}, steps=16_000, widths=(32,))
    agent = train_agent("lake", run, 1)
    assert agent.evaluation["greedy"].returns == [1.0] * 10


MODULE = """
import gymnasium
from gymnasium.envs.classic_control.cartpole import CartPoleEnv
gymnasium.register("mine/Pole-v0", entry_point=CartPoleEnv, max_episode_steps=20)
"""


def test_an_environment_may_come_from_a_module_of_the_folder(folder: Path) -> None:
    (folder / "my_environments.py").write_text(MODULE)
    agent = train_agent("mine", ppo(environment="my_environments:mine/Pole-v0", steps=400, points=1), 1)
    assert max(agent.evaluation["greedy"].lengths) <= 20


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"environment": "no_such_module:X-v0"}, "No module named 'no_such_module'; install it, or name a module"),
        ({"environment": "CartPole-v1", "kwargs": {"colour": 1}}, "with kwargs {'colour': 1}: TypeError: .*'colour'"),
        ({"environment": "FrozenLake-v1", "kwargs": {"map_name": "9x9"}}, "'9x9'; see `kwargs`"),
        ({"environment": "CarRacing-v3"}, "observes pictures, .*wrap it so that it observes numbers"),
        ({"environment": "CartPol-v1"}, "Did you mean: `CartPole`"),
    ],
)
def test_an_environment_that_will_not_do_is_an_error_that_names_the_run(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(UserError, match=rf"^agent\.mine: environment '{changes['environment']}'.*{told}"):
        train_agent("mine", ppo(**changes), 1)


def test_an_environment_that_cannot_be_drawn_has_a_recording_that_says_so(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = ppo(steps=400, points=1)
    write_agents("blind", run, [train_agent("blind", run, 1)])
    with Image.open(project / "plots/agent/blind.gif") as picture:
        assert np.ptp(np.asarray(picture.convert("L"))) > 0  # there are words on it
    assert main(["play", "blind", "--render", "gif", "blind.gif"]) == 2
    assert "environment 'test/Chain-v0': cannot be drawn as rgb_array" in capsys.readouterr().err
