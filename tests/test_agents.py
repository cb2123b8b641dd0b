"""Agents and the room they navigate: geometry, bookkeeping of episodes, what is learned from, exact resume."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces
from gymnasium.utils.env_checker import check_env
from PIL import Image
from torch import nn
from torch.nn import functional as F

from dla.cli.main import main
from dla.core.artifacts import read_table
from dla.core.errors import UserError
from dla.core.success import until_success
from dla.rl.algorithms.dqn import DQN, QNet, ReplayBuffer, Steps, Transitions, q_targets
from dla.rl.algorithms.ppo import PPO, ActorCritic, Minibatch, Normal, Rollout, Softmax, estimate_advantages
from dla.rl.base.adam import Adam
from dla.rl.base.policy import PolicyNet
from dla.rl.environments.navigation import VectorNavigation
from dla.rl.environments.place import Place
from dla.rl.environments.rooms import BEAMS, FORWARD, LEFT, RANGE, RIGHT, ROBOT, SIDE, STRIDE, Rooms
from dla.rl.environments.vector import Episode, Transition
from dla.rl.evaluate import evaluate, judge, play, summary, write_gif
from dla.rl.results import load_agent, write_agents
from dla.rl.settings import AgentSettings
from dla.rl.train import train_agent
from tests.agent_runs import dqn, ppo

# --- the room -------------------------------------------------------------------------------------------------


def room(**changes: Any) -> Rooms:
    """One room without obstacles, the robot in the middle looking along the first axis."""
    rooms = Rooms.empty(1)
    rooms.robot[:] = SIDE / 2
    rooms.centres[:] = -100.0
    for name, value in changes.items():
        getattr(rooms, name)[:] = value
    return rooms


def test_beams_end_at_walls() -> None:
    ranges = room(robot=[7.0, 6.0]).ranges()[0]
    assert ranges[8] == pytest.approx(3.0)  # ahead
    assert ranges[0] == RANGE  # right: the wall is 6 m away
    assert ranges[16] == pytest.approx(4.0)  # left
    assert ranges[12] == pytest.approx(3.0 * 2**0.5)


def test_beams_end_at_the_near_side_of_obstacles() -> None:
    rooms = room()
    rooms.centres[0, 0], rooms.radii[0, 0] = [8.0, 5.0], 0.5
    rooms.centres[0, 1], rooms.radii[0, 1] = [2.0, 5.0], 0.5  # behind the robot
    ranges = rooms.ranges()[0]
    assert ranges[8] == pytest.approx(2.5)
    assert (ranges[[0, 4, 12, 16]] == RANGE).all()
    rooms.heading[:] = np.pi
    assert rooms.ranges()[0, 8] == pytest.approx(2.5)


def test_ranges_are_those_of_walking_along_the_beams() -> None:
    rooms = Rooms.empty(1)
    rooms.furnish(0, np.random.default_rng(3))
    for beam, found in zip(BEAMS, rooms.ranges()[0], strict=True):
        angle = rooms.heading[0] + beam
        steps = np.arange(0, RANGE, 1e-3)[:, None] * [np.cos(angle), np.sin(angle)] + rooms.robot[0]
        apart = np.linalg.norm(steps[:, None] - rooms.centres[0], axis=2)
        hit = ((steps < 0) | (steps > SIDE)).any(1) | (apart < rooms.radii[0]).any(1)
        assert found == pytest.approx(hit.argmax() * 1e-3 if hit.any() else RANGE, abs=2e-3)


def test_actions_move_and_turn() -> None:
    rooms = room()
    rooms.move(np.array([FORWARD]))
    assert rooms.robot[0] == pytest.approx([5 + STRIDE, 5])
    for _ in range(6):
        rooms.move(np.array([LEFT]))
    rooms.move(np.array([FORWARD]))
    assert rooms.robot[0] == pytest.approx([5 + STRIDE, 5 + STRIDE])
    rooms.move(np.array([RIGHT]))
    assert rooms.heading[0] == pytest.approx(np.pi / 2 - np.pi / 12)


@pytest.mark.parametrize(
    ("goal", "bearing"), [([8, 5], 0), ([5, 8], np.pi / 2), ([5, 2], -np.pi / 2), ([2, 4.99], -np.pi)]
)
def test_the_bearing_is_counted_from_where_the_robot_looks(goal: list[float], bearing: float) -> None:
    assert room(goal=goal).bearing()[0] == pytest.approx(bearing, abs=0.01)
    assert room(goal=goal, heading=1.0).bearing()[0] == pytest.approx(
        (bearing - 1 + np.pi) % (2 * np.pi) - np.pi, abs=0.01
    )


def test_a_collision_is_to_touch() -> None:
    assert not room().collided()[0]
    assert room(robot=[SIDE - ROBOT + 0.01, 5]).collided()[0]
    rooms = room()
    rooms.centres[0, 0], rooms.radii[0, 0] = [6.0, 5.0], 0.8
    assert rooms.collided()[0]


def test_the_robot_knows_how_it_turned_last() -> None:
    """Left and right again ends where it began, but for what was done last: a policy can tell the two apart."""
    single: Any = gymnasium.make("dla/Navigation-v0").unwrapped
    begun, _ = single.reset(seed=1)
    seen = [single.step(action)[0] for action in (LEFT, RIGHT, FORWARD)]
    assert [begun[-1], *(observation[-1] for observation in seen)] == [0, 1, -1, 0]
    np.testing.assert_allclose(seen[1][:-1], begun[:-1], atol=1e-5)
    single.step(LEFT)
    assert single.reset(seed=1)[0][-1] == 0


@pytest.mark.parametrize("seed", range(20))
def test_every_room_can_be_walked(seed: int) -> None:
    rooms = Rooms.empty(1)
    rooms.furnish(0, np.random.default_rng(seed))
    apart = (
        np.linalg.norm(rooms.centres[0][:, None] - rooms.centres[0], axis=2) - rooms.radii[0] - rooms.radii[0][:, None]
    )
    assert (apart[~np.eye(len(apart), dtype=bool)] > 2 * ROBOT).all()
    assert not rooms.collided()[0]
    assert rooms.distance()[0] > 3


def test_gymnasium_finds_nothing_wrong_with_it(recwarn: pytest.WarningsRecorder) -> None:
    check_env(gymnasium.make("dla/Navigation-v0", render_mode="rgb_array").unwrapped)
    assert [str(warning.message) for warning in recwarn] == []


def test_many_rooms_are_single_rooms_side_by_side() -> None:
    vector = VectorNavigation(3, max_episode_steps=40)
    observations, _ = vector.reset(seed=5)
    singles = [gymnasium.make("dla/Navigation-v0", max_episode_steps=40) for _ in range(3)]
    alone = [single.reset(seed=5 + i)[0] for i, single in enumerate(singles)]
    np.testing.assert_array_equal(observations, alone)
    generator = np.random.default_rng(0)
    over = np.zeros(3, bool)
    for _ in range(120):
        chosen = generator.choice([FORWARD, FORWARD, LEFT, RIGHT], 3)
        observations, rewards, terminated, truncated, info = vector.step(chosen)
        for i, single in enumerate(singles):
            begun = (single.reset()[0], 0.0, False, False, {"success": False}) if over[i] else None
            expected = begun or single.step(chosen[i])
            np.testing.assert_allclose(observations[i], expected[0], atol=1e-6)
            assert rewards[i] == pytest.approx(expected[1])
            assert (terminated[i], truncated[i], info["success"][i]) == (*expected[2:4], expected[4]["success"])
        over = terminated | truncated
    assert vector.rooms.robot.shape == (3, 2)


def test_reaching_the_goal_pays_and_ends_the_episode() -> None:
    single: Any = gymnasium.make("dla/Navigation-v0").unwrapped
    single.reset(seed=1)
    single.rooms = room(goal=[5.6, 5.0])
    _, reward, terminated, _, info = single.step(FORWARD)
    assert (round(reward, 6), terminated, info["success"]) == (10 + STRIDE, True, True)
    single.rooms = room(robot=[SIDE - ROBOT - 0.1, 5], goal=[5, 5])
    _, reward, terminated, _, info = single.step(FORWARD)
    assert (round(reward, 6), terminated, info["success"]) == (-10 - STRIDE, True, False)


# --- episodes -------------------------------------------------------------------------------------------------


def test_the_step_that_resets_is_not_real_and_counts_for_nothing() -> None:
    environments = Place("test/Counter-v0").make(2)
    environments.reset(seed=0)
    steps = [environments.step(np.zeros((2, 2), np.float32)) for _ in range(8)]
    assert [step.observations[0, 0] for step in steps] == [1, 2, 3, 0, 1, 2, 3, 0]
    assert [bool(step.truncated[0]) for step in steps] == [False, False, True, False, False, False, True, False]
    assert [bool(step.real[0]) for step in steps] == [True, True, True, False, True, True, True, False]
    assert environments.take_ended() == [Episode(total=3.0, length=3, success=None)] * 4
    assert environments.take_ended() == []


def test_an_unknown_environment_is_an_error() -> None:
    with pytest.raises(UserError, match=r"environment 'CartPol-v1': .*CartPole"):
        Place("CartPol-v1").make(2)


@pytest.mark.parametrize("name", ["CartPole-v1", "dla/Navigation-v0"])
def test_a_saved_state_goes_on_as_if_nothing_had_happened(name: str) -> None:
    environments = Place(name).make(4)
    environments.reset(seed=1)
    generator = np.random.default_rng(0)
    actions = [generator.integers(0, environments.action_space.n, 4) for _ in range(200)]  # type: ignore[attr-defined]
    for chosen in actions[:100]:
        environments.step(chosen)
    state = environments.state_dict()
    assert state is not None
    kept = torch.utils._pytree.tree_map(lambda node: node.copy() if isinstance(node, np.ndarray) else node, state)
    expected = [environments.step(chosen).observations for chosen in actions[100:]]
    other = Place(name).make(4)
    other.load_state_dict(kept)
    np.testing.assert_array_equal([other.step(chosen).observations for chosen in actions[100:]], expected)


# --- what is learned from -------------------------------------------------------------------------------------


def rollout(rewards: list[float], values: list[float], terminated: list[int], done: list[int]) -> Rollout:
    columns = (torch.tensor(column, dtype=torch.float32)[:, None] for column in (rewards, values, terminated, done))
    paid, valued, ended, over = columns
    nothing = torch.zeros(len(rewards), 1)
    return Rollout(torch.zeros(len(values), 1, 1), nothing, nothing, paid, valued, ended, over, nothing == 0)


def test_advantages_are_those_worked_out_by_hand() -> None:
    """With discount 0.5 and lambda 0.5: errors 1 + 0.5 x 4 - 2 = 1, 2 + 0.5 x 6 - 4 = 1, 3 + 0.5 x 8 - 6 = 1."""
    found = estimate_advantages(rollout([1, 2, 3], [2, 4, 6, 8], [0, 0, 0], [0, 0, 0]), 0.5, 0.5)
    assert found[:, 0].tolist() == [1 + 0.25 * (1 + 0.25), 1.25, 1]


def test_termination_ends_the_value_and_truncation_does_not() -> None:
    ended = estimate_advantages(rollout([1, 2, 3], [2, 4, 6, 8], [0, 1, 0], [0, 1, 0]), 0.5, 0.5)
    assert ended[:, 0].tolist() == [1 + 0.25 * -2, 2 - 4, 1]
    cut = estimate_advantages(rollout([1, 2, 3], [2, 4, 6, 8], [0, 0, 0], [0, 1, 0]), 0.5, 0.5)
    assert cut[:, 0].tolist() == [1 + 0.25 * 1, 2 + 0.5 * 6 - 4, 1]


def test_targets_are_those_worked_out_by_hand() -> None:
    following = torch.tensor([[1.0, 3.0], [5.0, 2.0], [7.0, 4.0]])
    wanted = q_targets(torch.ones(3), torch.tensor([0.5, 0, 0.5]), following, torch.tensor([1, 0, 1]))
    assert wanted.tolist() == [1 + 0.5 * 3, 1, 1 + 0.5 * 4]


def step_of(values: list[float], *, terminated: bool = False, truncated: bool = False, real: bool = True) -> Transition:
    """A step of two copies to observations `values`, each its reward too; of the second copy it is as told."""
    column = np.array(values, np.float32)
    over, cut = np.array([False, terminated]), np.array([False, truncated])
    return Transition(column[:, None], column, over, cut, np.array([True, real]))


def summed(n: int, steps: list[Transition]) -> list[tuple[float, ...]]:
    """What is learned from: observation, action, rewards, observation after and discount, in the order it is ready."""
    memory, found = Steps(n, 2, 1, discount=0.5), []
    seen = torch.zeros(2, 1)
    for number, step in enumerate(steps):
        found.append(memory.add(seen, torch.tensor([number, 10 + number]), step))
        seen = torch.from_numpy(step.observations)
    found += memory.finish()
    rows = [torch.cat([column.float().view(-1) for column in pair]) for one in found for pair in zip(*one, strict=True)]
    return [tuple(row.tolist()) for row in rows]


def test_what_is_learned_from_one_step_is_that_step() -> None:
    steps = [step_of([1, 2], terminated=True), step_of([3, 4], real=False), step_of([5, 6], truncated=True)]
    assert summed(1, steps) == [
        (0, 0, 1, 1, 0.5),
        (0, 10, 2, 2, 0),
        (1, 1, 3, 3, 0.5),
        (3, 2, 5, 5, 0.5),
        (4, 12, 6, 6, 0.5),  # truncated: its value goes on
    ]


def test_rewards_of_several_steps_are_those_summed_by_hand() -> None:
    steps = [step_of([1, 2]), step_of([3, 4]), step_of([5, 6]), step_of([7, 8])]
    assert [row for row in summed(3, steps) if row[1] < 10] == [
        (0, 0, 1 + 3 / 2 + 5 / 4, 5, 1 / 8),
        (1, 1, 3 + 5 / 2 + 7 / 4, 7, 1 / 8),
        (3, 2, 5 + 7 / 2, 7, 1 / 4),  # cut off by the end of the steps
        (5, 3, 7, 7, 1 / 2),
    ]


@pytest.mark.parametrize(("how", "left"), [("terminated", (0, 0)), ("truncated", (1 / 4, 1 / 2))])
def test_a_sum_ends_with_its_episode(how: str, left: tuple[float, float]) -> None:
    steps = [step_of([1, 2]), step_of([3, 4], **{how: True}), step_of([5, 6], real=False), step_of([7, 8])]
    assert [row for row in summed(3, steps) if row[1] >= 10] == [
        (0, 10, 2 + 4 / 2, 4, left[0]),
        (2, 11, 4, 4, left[1]),
        (6, 13, 8, 8, 1 / 2),  # of the episode after; the reset between them taught nothing
    ]


def test_the_buffer_forgets_the_oldest() -> None:
    buffer = ReplayBuffer(4, 1)
    for number in range(3):
        column = torch.tensor([2.0 * number, 2.0 * number + 1])
        buffer.add(Transitions(column[:, None], column.long(), column, column[:, None], column / 10))
        assert buffer.count == min(2 * number + 2, 4)
    observations, actions, rewards, following, discounts = buffer.sample(500)
    assert observations.shape == following.shape == (500, 1)
    assert set(rewards.tolist()) == {2, 3, 4, 5}
    for column in (observations[:, 0], actions, following[:, 0], 10 * discounts):
        torch.testing.assert_close(column.float(), rewards)


def test_a_softmax_samples_by_its_probabilities() -> None:
    torch.manual_seed(0)
    policy = Softmax(2, 3)
    hidden = torch.tensor([[0.5, -1.0]]).expand(20_000, 2)
    with torch.no_grad():
        policy.logits.weight.normal_()
        actions = policy.sample(hidden)
        expected = policy.logits(hidden[:1]).softmax(-1)[0]
    np.testing.assert_allclose(np.bincount(actions, minlength=3) / 20_000, expected, atol=0.015)
    chances, entropy = policy.evaluate(hidden, actions)
    torch.testing.assert_close(chances.exp(), expected[actions])
    torch.testing.assert_close(entropy[0], torch.distributions.Categorical(expected).entropy())


def test_a_normal_policy_has_the_density_of_the_normal_distribution() -> None:
    policy = Normal(2, spaces.Box(-1, 1, (3,), np.float32))
    hidden = torch.randn(5, 2)
    actions = policy.sample(hidden)
    theirs = torch.distributions.Normal(policy.mean(hidden), policy.log_std.exp())
    chances, entropy = policy.evaluate(hidden, actions)
    torch.testing.assert_close(chances, theirs.log_prob(actions).sum(-1))
    torch.testing.assert_close(entropy, theirs.entropy().sum(-1))
    assert np.abs(policy.as_actions(10 * actions.detach())).max() <= 1


RUNS = {
    "ppo": ppo(),
    "ppo with value clipping": ppo(value_clip=True),
    "dqn": dqn(),
    "double dueling dqn": dqn(double=True, dueling=True),
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("run", RUNS.values(), ids=RUNS)
def test_patience_is_learned(folder: Path, run: AgentSettings) -> None:
    """At first nearly every episode ends at once with 0.1; who learns gets 1."""
    agent = train_agent("chain", run, seed=1)
    assert agent.rows[1]["return"] < 0.9  # sampled, before training
    assert agent.evaluation["greedy"].returns == [1.0] * 10
    assert agent.evaluation["greedy"].lengths == [4] * 10
    assert agent.solved_at(threshold=0.9) is not None


@pytest.mark.parametrize("double", [False, True])
def test_double_q_learning_values_with_the_target_what_the_net_chooses(double: bool) -> None:
    torch.manual_seed(0)
    environments = Place("test/Chain-v0").make(2)
    environments.reset(seed=0)
    learner = DQN(dqn(double=double, batch_size=1), environments)
    with torch.no_grad():
        learner.target.advantages.bias.copy_(torch.tensor([5.0, 0.0]))
        learner.net.advantages.bias.copy_(torch.tensor([0.0, 5.0]))
    state = torch.eye(5)[:1]
    after, online = learner.target(state), learner.net(state)
    assert after.argmax() != online.argmax()
    batch = Transitions(state, torch.tensor([0]), torch.tensor([2.0]), state, torch.tensor([0.99]))
    chosen = online.argmax() if double else after.argmax()
    wanted = 2 + 0.99 * after[0, chosen]
    loss, value = learner.update(batch, after)
    assert value.item() == online[0, 0].item()
    assert loss.item() == pytest.approx(F.smooth_l1_loss(online[0, 0], wanted).item())


def test_dueling_values_are_those_of_wang() -> None:
    torch.manual_seed(0)
    environments = Place("test/Chain-v0").make(2)
    net = QNet(dqn(dueling=True), environments.observation_space, environments.action_space)
    found = net(torch.eye(5))
    assert net.value is not None
    torch.testing.assert_close(found.mean(1), net.value(net.hidden(torch.eye(5)))[:, 0])  # equation 9
    advantages = net.advantages(net.hidden(torch.eye(5)))
    torch.testing.assert_close(found[:, 0] - found[:, 1], advantages[:, 0] - advantages[:, 1])


def test_epsilon_falls_and_learning_starts_when_it_should() -> None:
    run = dqn(steps=1000, learning_starts=40, train_every=8, target_every=80, exploration=0.2, epsilon=0.1)
    environments = Place(run.environment).make(run.copies)
    learner = DQN(run, environments)
    assert [run.epsilon_after(step) for step in (0, 100, 200, 999)] == pytest.approx([1.0, 0.55, 0.1, 0.1])
    diagnostics = [update.diagnostics for update in learner.run(environments, environments.reset(seed=0), range(12))]
    assert [8 * (i + 1) for i, update in enumerate(diagnostics) if "loss" in update] == list(range(40, 104, 8))
    same = [all(map(torch.equal, learner.net.parameters(), learner.target.parameters()))]
    for _ in learner.run(environments, environments.reset(seed=0), range(12, 20)):
        same.append(all(map(torch.equal, learner.net.parameters(), learner.target.parameters())))
    assert same == [False] * 8 + [True]  # after 160 steps


def minibatch(count: int) -> Minibatch:
    log_probabilities, values, advantages, returns = torch.randn(4, count)
    seen, actions = torch.randn(count, 5), torch.randint(2, (count,))
    return Minibatch(seen, actions, log_probabilities, values, advantages, returns)


@pytest.mark.parametrize("clips", [False, True])
def test_the_values_loss_is_clipped_if_asked(clips: bool) -> None:
    torch.manual_seed(0)
    learner = PPO(ppo(value_clip=clips, clip=0.1), Place("test/Chain-v0").make(2))
    batch = minibatch(50)
    values = learner.net.values(batch.observations).detach()
    plain = (values - batch.returns) ** 2
    near = batch.values + (values - batch.values).clip(-0.1, 0.1)
    expected = torch.maximum(plain, (near - batch.returns) ** 2) if clips else plain
    assert learner.update(batch)[1].item() == pytest.approx(expected.mean().item(), rel=1e-5)
    assert (expected.mean() > plain.mean()).item() == clips


@pytest.mark.parametrize("clip", [None, 0.1])
def test_adam_steps_as_torchs_does(clip: float | None) -> None:
    torch.manual_seed(0)
    ours, theirs = (nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 1)) for _ in range(2))
    theirs.load_state_dict(ours.state_dict())
    adam, reference = Adam(ours, 0.1, clip, epsilon=1e-5), torch.optim.Adam(theirs.parameters(), 0.1, eps=1e-5)
    for batch in torch.randn(20, 8, 3):
        adam.step(ours(batch).square().mean())
        reference.zero_grad()
        theirs(batch).square().mean().backward()
        if clip is not None:
            nn.utils.clip_grad_norm_(theirs.parameters(), clip)
        reference.step()
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(one, other)


def test_the_rate_falls_to_nothing_and_gradients_are_clipped() -> None:
    run = ppo(steps=800, learning_rate=0.5, gradient_clip=1e-3)
    environments = Place(run.environment).make(run.copies)
    learner = PPO(run, environments)
    rates = []
    for _ in learner.run(environments, environments.reset(seed=0), range(4)):
        rates.append(learner.optimizer.learning_rate)
        norm = torch.cat([p.grad.flatten() for p in learner.net.parameters() if p.grad is not None]).norm()
        assert norm.item() <= 1e-3 * 1.001
    assert rates == pytest.approx([0.5, 0.375, 0.25, 0.125])


@pytest.mark.parametrize("algorithm", [DQN, PPO])
def test_what_an_agent_cannot_observe_or_do_is_an_error(algorithm: Any) -> None:
    environments = Place("test/Chain-v0").make(2)
    run = dqn() if algorithm is DQN else ppo()
    box, numbers = environments.observation_space, spaces.Discrete(3)
    net = QNet if algorithm is DQN else ActorCritic
    for observed, done in ((numbers, numbers), (box, spaces.Discrete(3, start=1)), (box, spaces.MultiBinary(2))):
        with pytest.raises(UserError, match=r"agents here|DQN acts in"):
            net(run, observed, done)  # type: ignore[arg-type]


# --- evaluation -----------------------------------------------------------------------------------------------


def right(observations: Any) -> Any:
    """Goes to the right, always."""
    return np.ones(len(observations), np.int64)


def test_every_copy_is_judged_by_its_first_episode() -> None:
    found = evaluate({"right": right}, Place("test/Chain-v0"), 7, seed=1)["right"]
    assert (found.returns, found.lengths) == ([1.0] * 7, [4] * 7)
    assert found.metrics() == {"mean": 1, "std": 0, "n": 7, "length": 4}


def test_the_interval_is_students() -> None:
    found = summary([1.0, 2.0, 3.0, 4.0], possible=(-10.0, 10.0))
    assert (found["mean"], found["n"]) == (2.5, 4)
    assert found["upper"] - found["mean"] == pytest.approx(3.182446 * found["std"] / 2)  # t of 3 degrees of freedom


def test_an_episode_becomes_a_gif(folder: Path) -> None:
    class Forward(PolicyNet):
        def act(self, observations: torch.Tensor) -> torch.Tensor:
            return torch.zeros(len(observations), dtype=torch.int64)

    shown = list(play(Forward(), Place("dla/Navigation-v0"), seed=2, mode="rgb_array"))
    assert shown[0].total == 0
    assert shown[-1].total != 0
    assert [moment.over for moment in shown] == [False] * (len(shown) - 1) + [True]
    write_gif(folder / "episode.gif", [moment.frame for moment in shown])
    with Image.open(folder / "episode.gif") as picture:
        assert getattr(picture, "is_animated")  # noqa: B009 (a picture of one frame has none)
        assert max(picture.size) <= 320
    assert (folder / "episode.gif").stat().st_size < 2_000_000


def test_discrete_learners_refuse_continuous_actions() -> None:
    environments = Place("test/Counter-v0").make(2)
    with pytest.raises(UserError, match=r"DQN acts in Discrete spaces.*take ppo"):
        DQN(dqn(environment="test/Counter-v0"), environments)
    assert isinstance(PPO(ppo(environment="test/Counter-v0"), environments).net.policy, Normal)


# --- what a stage leaves, and dla play ------------------------------------------------------------------------


@pytest.fixture
def trained(project: Path) -> Path:
    run = dqn(environment="dla/Navigation-v0", steps=800, learning_starts=100, seeds=(1, 2), episodes=5)
    with until_success():
        write_agents("walker", run, [train_agent("walker", run, seed) for seed in run.seeds])
    return project


def test_a_saved_agent_acts_as_the_trained_one(trained: Path) -> None:
    run = dqn(environment="dla/Navigation-v0", steps=800, learning_starts=100, seeds=(1, 2), episodes=5)
    net, read = load_agent("walker", seed=2)
    assert read == run
    again = judge(net, run, "test", seed=2)
    kept = json.loads((trained / "metrics/agent/walker.json").read_text())
    for policy in ("greedy", "sampled"):
        assert kept["seeds"]["2"][policy] == again[policy].metrics()
    assert [kept[name]["n"] for name in ("return", "sampled_return", "success_rate")] == [2] * 3
    greedy = kept["seeds"]["2"]["greedy"]
    assert greedy["success_lower"] <= greedy["success_rate"]
    rows = read_table(trained / "plots/agent/walker.csv")
    assert {row["seed"] for row in rows} == {1, 2}
    assert max(row["step"] for row in rows) == 800
    assert not list(trained.glob(".checkpoints/*"))


def test_play_prints_a_line_per_episode_and_draws_a_gif(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["play", "walker", "--episodes", "2", "--seed", "5", "--render", "gif", "two.gif"]) == 0
    told = capsys.readouterr()
    lines = told.out.splitlines()
    assert [line.split()[:2] for line in lines] == [["seed", "5"], ["seed", "6"]]
    assert told.err == "written: two.gif\n"
    with Image.open(trained / "two.gif") as picture:
        assert picture.format == "GIF"
    assert main(["play", "walker", "--episodes", "2", "--seed", "5"]) == 0
    assert capsys.readouterr().out.splitlines() == lines
    assert main(["play", "walker", "--seed", "5", "--render", "human"]) == 0
    assert capsys.readouterr().out.splitlines() == lines[:1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["wlaker"], "'wlaker' is no name under agent in params.yaml; trained: walker; did you mean walker?"),
        (["walker", "--render", "gif"], "--render gif: takes human, or gif and a FILE"),
    ],
)
def test_play_says_in_one_line_what_is_wrong(
    trained: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main(["play", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_a_seed_below_zero_is_refused_in_words(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["play", "walker", "--seed", "-1"])
    assert "argument --seed: '-1' is not a whole number from 0" in capsys.readouterr().err
