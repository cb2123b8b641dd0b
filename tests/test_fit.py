"""The training loop: it learns, counts right, leaves modes as they were, and says so when a loss is lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from dla.core.errors import UserError
from dla.language.lm import NextToken
from dla.text.losses import RankingLoss
from dla.training.checkpoint import Checkpoint
from dla.training.epoch import CrossEntropy, evaluate, mode
from dla.training.fit import Epoch, Fitted, fit
from dla.training.optim import Steps, build_optimizer, learning_rate_at
from dla.training.runtime import Plan
from dla.training.settings import Training

PLAN = Plan(torch.device("cpu"), torch.float32, False, "for a test")


def settings(**changes: Any) -> Training:
    values: dict[str, Any] = {
        "epochs": 3,
        "batch_size": 8,
        "optimizer": "adam",
        "learning_rate": 0.01,
    }
    return Training(**(values | changes))


class Batches:
    """Points of the plane, labelled by the side of a line they are on."""

    def __init__(self, sizes: tuple[int, ...] = (8, 8, 8, 5)) -> None:
        generator = torch.Generator().manual_seed(0)
        inputs = [torch.randn(size, 2, generator=generator) for size in sizes]
        self.batches = [(x, (x[:, 0] > x[:, 1]).long()) for x in inputs]

    def __len__(self) -> int:
        return len(self.batches)

    def epoch(self, number: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        return iter(self.batches)


def net() -> nn.Sequential:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, 2))


@pytest.fixture
def checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checkpoint:
    monkeypatch.chdir(tmp_path)
    return Checkpoint({"run": "test"}, [])


def train(checkpoint: Checkpoint, model: nn.Module, **changes: Any) -> Fitted:
    return fit(model, (Batches(), Batches()), settings(**changes), PLAN, checkpoint)


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw", "muon"])
@pytest.mark.parametrize("schedule", ["constant", "cosine", "linear", "one-cycle"])
def test_it_learns_with_every_optimizer_and_schedule(checkpoint: Checkpoint, optimizer: str, schedule: str) -> None:
    changes = {"sgd": {"learning_rate": 0.5}, "muon": {"learning_rate": 0.05, "adam_share": 1.0}}
    how = changes.get(optimizer, {"learning_rate": 0.05})
    fitted = train(checkpoint, net(), optimizer=optimizer, schedule=schedule, epochs=20, **how)
    assert fitted.kept.validation.accuracy > 0.9


def test_every_answer_counts_once_although_batches_differ_in_size() -> None:
    model = net()
    batches = Batches((7, 1))
    scores = evaluate(model, model, batches, CrossEntropy(), PLAN)
    inputs, targets = (torch.cat(parts) for parts in zip(*batches.batches, strict=True))
    with mode(model, training=False), torch.no_grad():
        logits = model(inputs)
    assert scores.loss == pytest.approx(float(nn.functional.cross_entropy(logits, targets)), rel=1e-6)
    assert scores.accuracy == float((logits.argmax(1) == targets).double().mean())


@pytest.mark.parametrize("training", [True, False])
def test_validation_leaves_the_mode_as_it_was(training: bool) -> None:
    model = net().train(training)
    evaluate(model, model, Batches(), CrossEntropy(), PLAN)
    assert model.training is training


def test_every_epoch_trains_with_dropout_on(checkpoint: Checkpoint) -> None:
    """The laboratories' loop validated once and trained without dropout ever after."""
    modes: list[bool] = []
    model = net()
    model[2].register_forward_hook(lambda module, inputs, output: modes.append(module.training))
    train(checkpoint, model)
    assert modes == ([True] * 4 + [False] * 4) * 3


@pytest.mark.parametrize("lost", ["validation loss", "largest weight"])
def test_what_is_lost_outside_of_training_is_an_error_too(checkpoint: Checkpoint, lost: str) -> None:
    """A net can learn from finite losses and end in weights, or in a validation, that are none."""
    model = net()
    validation = Batches()
    if lost == "validation loss":
        validation.batches[0][0][0] = float("nan")
    else:
        model.register_buffer("statistic", torch.tensor([float("inf")]))
    with pytest.raises(UserError, match=rf"the {lost} became (nan|inf) in epoch 1: take a smaller learning_rate"):
        fit(model, (Batches(), validation), settings(), PLAN, checkpoint)


def test_the_kept_weights_are_those_of_the_named_epoch(checkpoint: Checkpoint) -> None:
    for keep in ("best", "last"):
        model = net()
        fitted = train(checkpoint, model, keep=keep, epochs=6, learning_rate=0.3)
        checkpoint.discard()
        assert evaluate(model, model, Batches(), CrossEntropy(), PLAN) == fitted.kept.validation
        if keep == "best":
            assert fitted.kept.validation.accuracy == max(e.validation.accuracy for e in fitted.history)
        else:
            assert fitted.kept_epoch == 6


def test_the_lowest_loss_may_be_another_epoch_than_the_best_accuracy(checkpoint: Checkpoint) -> None:
    fitted = train(checkpoint, net(), keep="lowest-loss", epochs=20, learning_rate=1.0)
    losses = [epoch.validation.loss for epoch in fitted.history]
    best = max(fitted.history, key=lambda epoch: (epoch.validation.accuracy, -epoch.validation.loss))
    assert fitted.kept.validation.loss == min(losses)
    assert best.validation.loss > min(losses)


def test_a_run_without_progress_stops_early_and_resumed_stays_stopped(checkpoint: Checkpoint) -> None:
    fitted = train(checkpoint, net(), patience=2, epochs=50, learning_rate=1.0)
    assert len(fitted.history) == fitted.kept_epoch + 2 < 50
    assert train(checkpoint, net(), patience=2, epochs=50, learning_rate=1.0) == fitted


def test_weights_differ_from_epoch_to_epoch_so_keeping_matters(checkpoint: Checkpoint) -> None:
    history = train(checkpoint, net(), epochs=6, learning_rate=0.3).history
    assert len({epoch.validation.loss for epoch in history}) == 6


@pytest.mark.parametrize("total", [7, 10, 100])
def test_one_cycle_is_torchs(total: int) -> None:
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    theirs = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.1, total_steps=total)
    wanted = settings(schedule="one-cycle", learning_rate=0.1)
    for step in range(total):
        assert learning_rate_at(wanted, step, total) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-9)
        optimizer.step()
        if step < total - 1:
            theirs.step()


def test_linear_falls_by_equal_steps_to_nothing() -> None:
    wanted = settings(schedule="linear", learning_rate=0.1)
    assert [learning_rate_at(wanted, step, 4) for step in range(5)] == pytest.approx([0.1, 0.075, 0.05, 0.025, 0.0])


def test_cosine_falls_from_the_peak_to_nothing() -> None:
    rates = [learning_rate_at(settings(schedule="cosine"), step, 100) for step in range(100)]
    assert rates[0] == 0.01
    assert rates == sorted(rates, reverse=True)
    assert rates[50] == pytest.approx(0.005)
    assert rates[99] < 1e-5


def test_cosine_falls_to_the_share_that_is_left() -> None:
    wanted = settings(schedule="cosine", last_rate=0.1)
    rates = [learning_rate_at(wanted, step, 100) for step in range(101)]
    assert rates == sorted(rates, reverse=True)
    assert (rates[0], rates[100]) == pytest.approx((0.01, 0.001))


@pytest.mark.parametrize("optimizer", ["adam", "adamw"])
def test_the_memory_of_squares_is_as_long_as_asked(optimizer: str) -> None:
    (group,) = build_optimizer(net(), settings(optimizer=optimizer, beta2=0.95)).param_groups
    assert group["betas"] == (0.9, 0.95)


@pytest.mark.parametrize(
    ("name", "torchs"),
    [
        ("sgd", lambda parameters: torch.optim.SGD(parameters, 0.01, momentum=0.9, nesterov=True, fused=True)),
        ("adam", lambda parameters: torch.optim.Adam(parameters, 0.01, fused=True)),
        ("adamw", lambda parameters: torch.optim.AdamW(parameters, 0.01, weight_decay=0.0, fused=True)),
    ],
)
def test_optimizers_step_as_torchs_do_also_after_a_restart(
    name: str, torchs: Callable[[Iterator[nn.Parameter]], torch.optim.Optimizer]
) -> None:
    wanted = settings(optimizer=name, momentum=0.9 if name == "sgd" else 0.0)
    first, second = net().eval(), net().eval()
    ours, theirs = build_optimizer(first, wanted), torchs(second.parameters())
    for x, _ in Batches().batches:
        for model, optimizer in ((first, ours), (second, theirs)):
            model(x).square().sum().backward()
            optimizer.step()
            optimizer.zero_grad()
        state = ours.state_dict()
        ours = build_optimizer(first, wanted)
        ours.load_state_dict(state)
    torch.testing.assert_close(list(first.parameters()), list(second.parameters()), rtol=0, atol=0)


def test_clipping_bounds_the_step() -> None:
    model = nn.Linear(2, 1, bias=False)
    nn.init.zeros_(model.weight)
    wanted = settings(optimizer="sgd", learning_rate=1.0, gradient_clip=0.5)
    (model(torch.tensor([[30.0, 40.0]]))).sum().backward()
    Steps(wanted, build_optimizer(model, wanted), first=0, total=1).step()
    torch.testing.assert_close(model.weight.detach(), torch.tensor([[-0.3, -0.4]]))


def test_weight_decay_spares_biases_and_gains() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(2, 2))
    decayed, spared = build_optimizer(model, settings(weight_decay=0.1)).param_groups
    assert (decayed["weight_decay"], len(decayed["params"])) == (0.1, 2)
    assert (spared["weight_decay"], len(spared["params"])) == (0.0, 4)


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
def test_without_weight_decay_nothing_decays(optimizer: str) -> None:
    (group,) = build_optimizer(net(), settings(optimizer=optimizer)).param_groups
    assert group["weight_decay"] == 0.0
    assert len(group["params"]) == len(list(net().parameters()))


def test_label_smoothing_is_in_the_loss() -> None:
    model = net().eval()
    batch = Batches().batches[0]
    plain, smooth = (CrossEntropy(amount)(model, batch)[0].item() for amount in (0.0, 0.2))
    expected = nn.functional.cross_entropy(model(batch[0]), batch[1], label_smoothing=0.2)
    assert smooth == expected.item() != plain


def test_validation_is_measured_without_smoothing_as_the_test_is(checkpoint: Checkpoint) -> None:
    model = net()
    fitted = train(checkpoint, model, label_smoothing=0.3)
    assert fitted.kept.validation == evaluate(model, model, Batches(), CrossEntropy(), PLAN)
    assert evaluate(model, model, Batches(), CrossEntropy(0.3), PLAN) == fitted.kept.validation


@pytest.mark.parametrize("objective", [RankingLoss("softmax", 0.3), NextToken(0.3)])
def test_no_objective_smooths_what_is_evaluated(objective: Any) -> None:
    plain = type(objective)("softmax") if isinstance(objective, RankingLoss) else NextToken()
    inputs, targets = torch.randn(4, 3, 5), torch.tensor([0, 1, 2, 0])
    if isinstance(objective, NextToken):
        targets = targets[:, None].expand(4, 3)
    else:
        inputs = inputs[:, 0]

    class One:
        def epoch(self, number: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
            return iter([(inputs, targets)])

    model = nn.Identity()
    assert evaluate(model, model, One(), objective, PLAN) == evaluate(model, model, One(), plain, PLAN)  # type: ignore[arg-type]
    assert objective.label_smoothing == 0.3  # what trains keeps its own


def test_a_lost_loss_is_an_error_that_says_what_to_do(checkpoint: Checkpoint) -> None:
    with pytest.raises(UserError, match=r"became (nan|inf) in epoch \d.*smaller learning_rate than 1e\+30"):
        train(checkpoint, net(), optimizer="sgd", learning_rate=1e30)


def test_observers_see_every_epoch_in_order(checkpoint: Checkpoint) -> None:
    seen: list[Epoch] = []
    fitted = fit(net(), (Batches(), Batches()), settings(), PLAN, checkpoint, observers=[seen.append])
    assert tuple(seen) == fitted.history
    rows = list(fitted.rows("name"))
    assert [(row["epoch"], row["split"]) for row in rows[:3]] == [
        (1, "train"),
        (1, "validation"),
        (2, "train"),
    ]


@pytest.mark.parametrize("optimizer", ["adam", "muon"])
def test_a_run_cut_short_goes_on_from_its_checkpoint_to_the_same_end(checkpoint: Checkpoint, optimizer: str) -> None:
    whole = net()
    expected = train(checkpoint, whole, epochs=4, schedule="one-cycle", optimizer=optimizer)
    checkpoint.discard()

    class KilledError(Exception):
        pass

    def kill(epoch: Epoch) -> None:
        if epoch.number == 2:
            raise KilledError

    with pytest.raises(KilledError):
        fit(
            net(),
            (Batches(), Batches()),
            settings(epochs=4, schedule="one-cycle", optimizer=optimizer),
            PLAN,
            checkpoint,
            observers=[kill],
        )
    torch.manual_seed(99)  # a new process begins with another random state
    resumed, seen = net(), []
    run = settings(epochs=4, schedule="one-cycle", optimizer=optimizer)
    fitted = fit(resumed, (Batches(), Batches()), run, PLAN, checkpoint, observers=[lambda e: seen.append(e.number)])
    assert seen == [3, 4]
    assert fitted == expected
    assert all(
        torch.equal(a, b) for a, b in zip(whole.state_dict().values(), resumed.state_dict().values(), strict=True)
    )


def test_a_broken_checkpoint_costs_its_epochs_and_nothing_else(checkpoint: Checkpoint) -> None:
    expected = train(checkpoint, net())
    checkpoint.path.write_bytes(checkpoint.path.read_bytes()[:100])
    torch.manual_seed(1)
    assert train(checkpoint, net()) == expected
