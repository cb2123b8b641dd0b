"""Our arithmetic against others': estimates and updates from the same weights and data.

`Formulas` are those that Stable-Baselines3 publishes (version 2.9.2), written anew with nothing of ours but the numbers
that go in. Where Stable-Baselines3 itself is installed, it is asked too:

    pip install 'stable-baselines3>=2.9,<3' && pytest tests/test_agents_reference.py
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F

from dla.rl.algorithms import dqn, ppo
from dla.rl.algorithms.dqn import DQN, Transitions
from dla.rl.algorithms.ppo import PPO, Minibatch, Rollout, estimate_advantages
from dla.rl.environments.place import Place

DISCOUNT, LAMBDA, CLIP, RATE, NORM = 0.97, 0.9, 0.2, 3e-3, 0.5
VALUE, ENTROPY = 0.5, 0.01  # coefficients of the loss
Weights = dict[str, torch.Tensor]


class Episodes:
    """Steps of one copy, those between episodes left out."""

    def __init__(self, rollout: Rollout, copy: int) -> None:
        real = rollout.real[:, copy]
        self.rewards = rollout.rewards[real, copy].numpy().copy()
        self.values = rollout.values[:-1][real, copy].numpy()
        self.over = rollout.done[real, copy].numpy()
        self.last = rollout.values[-1:, copy].numpy()
        cut = (rollout.done - rollout.terminated)[real, copy].numpy()
        self.rewards += np.float32(DISCOUNT) * cut * rollout.values[1:][real, copy].numpy()  # as if paid at the cut


class Reference(Protocol):
    """What both can be asked for."""

    def estimate(self, episodes: Episodes) -> NDArray[Any]: ...

    def update_policy(self, before: Weights, batch: Minibatch) -> Weights: ...

    def update_values(self, before: Weights, batches: list[Transitions]) -> Weights: ...


def mlp(weights: Weights, names: list[str], activation: type[nn.Module]) -> nn.Sequential:
    """The layers of these names with an activation between."""
    layers: list[nn.Module] = []
    for name in names:
        outputs, inputs = weights[f"{name}.weight"].shape
        layer = nn.Linear(inputs, outputs)
        layer.load_state_dict({part: weights[f"{name}.{part}"] for part in ("weight", "bias")})
        layers += [layer, activation()]
    return nn.Sequential(*layers[:-1])


def read_back(nets: Mapping[str, tuple[nn.Sequential, list[str]]]) -> Weights:
    found: Weights = {}
    for net, names in nets.values():
        layers = [layer for layer in net if isinstance(layer, nn.Linear)]
        for name, layer in zip(names, layers, strict=True):
            found |= {f"{name}.weight": layer.weight.detach(), f"{name}.bias": layer.bias.detach()}
    return found


class Formulas:
    """Plain NumPy and torch."""

    def estimate(self, episodes: Episodes) -> NDArray[Any]:
        found, carried = np.zeros_like(episodes.values), np.float32(0)
        following = np.append(episodes.values[1:], episodes.last)
        for t in reversed(range(len(found))):
            goes_on = np.float32(1) - episodes.over[t]
            delta = episodes.rewards[t] + DISCOUNT * following[t] * goes_on - episodes.values[t]
            carried = delta + DISCOUNT * LAMBDA * goes_on * carried
            found[t] = carried
        return found

    def update_policy(self, before: Weights, batch: Minibatch) -> Weights:
        nets = {"actor": ["actor.0", "policy.logits"], "critic": ["critic.0", "value"]}
        made = {key: (mlp(before, names, nn.Tanh), names) for key, names in nets.items()}
        parameters = [parameter for net, _ in made.values() for parameter in net.parameters()]
        optimizer = torch.optim.Adam(parameters, RATE, eps=1e-5)
        policy = torch.distributions.Categorical(logits=made["actor"][0](batch.observations))
        ratio = (policy.log_prob(batch.actions) - batch.log_probabilities).exp()
        gain = (batch.advantages - batch.advantages.mean()) / (batch.advantages.std() + 1e-8)
        policy_loss = -torch.minimum(gain * ratio, gain * ratio.clamp(1 - CLIP, 1 + CLIP)).mean()
        value_loss = F.mse_loss(made["critic"][0](batch.observations).flatten(), batch.returns)
        (policy_loss - ENTROPY * policy.entropy().mean() + VALUE * value_loss).backward()
        nn.utils.clip_grad_norm_(parameters, NORM)
        optimizer.step()
        return read_back(made)

    def update_values(self, before: Weights, batches: list[Transitions]) -> Weights:
        names = ["hidden.0", "hidden.2", "advantages"]
        net, target = mlp(before, names, nn.ReLU), mlp(before, names, nn.ReLU)
        optimizer = torch.optim.Adam(net.parameters(), RATE)
        for number, batch in enumerate(batches):
            if number % 20 == 0:
                target.load_state_dict(net.state_dict())
            with torch.no_grad():
                wanted = batch.rewards + batch.discounts * target(batch.following).max(1).values
            values = net(batch.observations).gather(1, batch.actions[:, None]).squeeze(1)
            optimizer.zero_grad()
            F.smooth_l1_loss(values, wanted).backward()
            nn.utils.clip_grad_norm_(net.parameters(), NORM)
            optimizer.step()
        return read_back({"net": (net, names)})


class StableBaselines:
    """Stable-Baselines3, from which nothing is taken but what it does with the numbers that go in."""

    def __init__(self) -> None:
        self.sb3 = pytest.importorskip("stable_baselines3")

    def quiet(self, model: Any) -> Any:
        model.set_logger(self.sb3.common.logger.Logger(None, []))
        return model

    def load(self, module: nn.Module, names: dict[str, str], weights: Weights) -> None:
        renamed = {f"{names[key.rpartition('.')[0]]}.{key.rpartition('.')[2]}": value for key, value in weights.items()}
        assert set(renamed) == set(module.state_dict())
        module.load_state_dict(renamed)

    def save(self, module: nn.Module, names: dict[str, str]) -> Weights:
        found = module.state_dict()
        return {
            f"{ours}.{part}": found[f"{name}.{part}"] for ours, name in names.items() for part in ("weight", "bias")
        }

    def estimate(self, episodes: Episodes) -> NDArray[Any]:
        from gymnasium import spaces

        size = len(episodes.values)
        box = spaces.Box(-1, 1, (1,))
        buffer = self.sb3.common.buffers.RolloutBuffer(size, box, box, "cpu", LAMBDA, DISCOUNT)
        buffer.rewards[:, 0], buffer.values[:, 0] = episodes.rewards, episodes.values
        buffer.episode_starts[1:, 0] = episodes.over[:-1]
        buffer.compute_returns_and_advantage(torch.from_numpy(episodes.last), episodes.over[-1:])
        found: NDArray[Any] = buffer.advantages[:, 0]
        return found

    def update_policy(self, before: Weights, batch: Minibatch) -> Weights:
        names = {
            **{"actor.0": "mlp_extractor.policy_net.0", "critic.0": "mlp_extractor.value_net.0"},
            **{"policy.logits": "action_net", "value": "value_net"},
        }
        size = len(batch.actions)
        model = self.quiet(
            self.sb3.PPO(
                *("MlpPolicy", "CartPole-v1"),
                **{"n_steps": size, "batch_size": size, "n_epochs": 1, "learning_rate": RATE, "clip_range": CLIP},
                **{"ent_coef": ENTROPY, "vf_coef": VALUE, "max_grad_norm": NORM, "device": "cpu"},
                policy_kwargs={"net_arch": {"pi": [16], "vf": [16]}},
            )
        )
        self.load(model.policy, names, before)
        buffer = model.rollout_buffer
        buffer.observations[:, 0], buffer.actions[:, 0, 0] = batch.observations, batch.actions
        buffer.log_probs[:, 0], buffer.values[:, 0] = batch.log_probabilities, batch.values
        buffer.advantages[:, 0], buffer.returns[:, 0] = batch.advantages, batch.returns
        buffer.full = True
        model.train()
        return self.save(model.policy, names)

    def update_values(self, before: Weights, batches: list[Transitions]) -> Weights:
        names = {"hidden.0": "q_net.0", "hidden.2": "q_net.2", "advantages": "q_net.4"}
        model = self.quiet(
            self.sb3.DQN(
                *("MlpPolicy", "CartPole-v1"),
                **{"learning_rate": RATE, "max_grad_norm": NORM, "gamma": DISCOUNT, "buffer_size": 100},
                **{"policy_kwargs": {"net_arch": [16, 16]}, "device": "cpu"},
            )
        )
        self.load(model.q_net, names, before)
        for number, batch in enumerate(batches):
            if number % 20 == 0:
                model.q_net_target.load_state_dict(model.q_net.state_dict())
            columns = (batch.rewards, (batch.discounts == 0).float())
            rewards, over = (column[:, None] for column in columns)
            samples = self.sb3.common.buffers.ReplayBufferSamples(
                batch.observations, batch.actions[:, None], batch.following, over, rewards
            )
            model.replay_buffer.sample = lambda *_, samples=samples, **__: samples
            model.train(gradient_steps=1, batch_size=len(batch.actions))
        return self.save(model.q_net, names)


@pytest.fixture(params=[Formulas, StableBaselines], ids=["formulas", "stable-baselines3"])
def reference(request: pytest.FixtureRequest) -> Reference:
    made: Reference = request.param()
    return made


COMMON: dict[str, Any] = {
    **{"environment": "CartPole-v1", "seeds": (1,), "steps": 1000, "copies": 2, "discount": DISCOUNT},
    **{"learning_rate": RATE, "gradient_clip": NORM, "episodes": 1, "points": 1, "validation_episodes": 1},
    **{"checkpoints": 1},
}


def test_advantages_are_theirs(reference: Reference) -> None:
    generator = np.random.default_rng(0)
    length, copies = 200, 20
    over, real = np.zeros((length, copies), bool), np.ones((length, copies), bool)
    for t in range(length):
        real[t] = ~over[t - 1] if t else True  # the step after an episode's last resets
        over[t] = (generator.random(copies) < 0.1) & real[t]
    terminated = over & (generator.random((length, copies)) < 0.5)
    rewards = generator.normal(size=(length, copies)) * real
    columns = [torch.tensor(column, dtype=torch.float32) for column in (rewards, terminated, over)]
    paid, ended, done = columns
    values = torch.from_numpy(generator.normal(size=(length + 1, copies)).astype(np.float32))
    nothing = torch.zeros(length, copies)
    rollout = Rollout(nothing, nothing, nothing, paid, values, ended, done, torch.from_numpy(real))
    found = estimate_advantages(rollout, DISCOUNT, LAMBDA)
    for copy in range(copies):
        theirs = reference.estimate(Episodes(rollout, copy))
        np.testing.assert_allclose(found[rollout.real[:, copy], copy], theirs, rtol=1e-5, atol=1e-6)


def same(found: Weights, theirs: Weights, before: Weights) -> None:
    """Every weight is theirs, and the step from those before was much larger than the tolerance."""
    assert set(found) == set(theirs)
    for name, value in found.items():
        torch.testing.assert_close(value, theirs[name], rtol=0, atol=1e-6)
        assert (value - before[name]).abs().max() > 1e-3


def test_an_update_of_ppo_is_theirs(reference: Reference) -> None:
    torch.manual_seed(0)
    settings: dict[str, Any] = {
        **{**COMMON, "algorithm": "ppo", "widths": (16,), "rollout": 16, "epochs": 1, "minibatches": 1},
        **{"gae_lambda": LAMBDA, "clip": CLIP, "value_coefficient": VALUE, "entropy_coefficient": ENTROPY},
    }
    run = ppo.Settings(**settings)
    learner = PPO(run, Place(run.environment).make(run.copies))
    before = {name: value.clone() for name, value in learner.net.state_dict().items()}
    values, advantages, returns = torch.randn(3, 64)
    log_probabilities = -0.7 + 0.3 * torch.randn(64)  # some ratios are clipped
    seen, actions = torch.randn(64, 4), torch.randint(2, (64,))
    batch = Minibatch(seen, actions, log_probabilities, values, advantages, returns)
    theirs = reference.update_policy(before, batch)
    learner.update(batch)
    same(learner.net.state_dict(), theirs, before)


def test_sixty_updates_of_dqn_are_theirs(reference: Reference) -> None:
    torch.manual_seed(0)
    settings: dict[str, Any] = {
        **{**COMMON, "algorithm": "dqn", "widths": (16, 16), "buffer": 100, "batch_size": 32, "learning_starts": 10},
        **{"train_every": 2, "target_every": 100, "epsilon": 0.1, "exploration": 0.5},
    }
    run = dqn.Settings(**settings)
    learner = DQN(run, Place(run.environment).make(run.copies))
    before = {name: value.clone() for name, value in learner.net.state_dict().items()}
    batches = [
        Transitions(
            torch.randn(32, 4),
            torch.randint(2, (32,)),
            3 * torch.randn(32),
            torch.randn(32, 4),
            DISCOUNT * (torch.rand(32) < 0.8).float(),
        )
        for _ in range(60)
    ]
    theirs = reference.update_values(before, batches)
    for number, batch in enumerate(batches):
        if number % 20 == 0:
            learner.target.load_state_dict(learner.net.state_dict())
        with torch.no_grad():
            after = learner.target(batch.following)
        learner.update(batch, after)
    same(learner.net.state_dict(), theirs, before)
