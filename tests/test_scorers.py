"""Answers to questions with four options: what scores the options, and what it is trained for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torch.nn import functional as F

from dla.core.artifacts import write_tensors
from dla.params.file import load_params
from dla.text.evaluation.scores import answer_metrics, chosen_options
from dla.text.losses import RankingLoss, hits
from dla.text.rank import answer, fit_scorer
from dla.text.scorers import cosine, longest
from dla.text.scorers.mlp import option_vectors
from dla.text.settings import SCORERS
from dla.training.curves import COLUMNS

from .conftest import ROOT
from .texts import RUNTIME, SILENT

PARAMS = load_params(ROOT / "params.yaml")


def test_a_random_scorer_is_right_in_a_quarter() -> None:
    generator = np.random.default_rng(0)
    scores, answers = generator.normal(size=(4000, 4)), generator.integers(0, 4, 4000)
    found = answer_metrics(scores, answers, answers % 2, ["middle", "high"])
    assert found["lower"] <= 0.25 <= found["upper"]
    assert found["middle"]["n"] + found["high"]["n"] == found["n"] == 4000
    assert stats.binomtest(round(found["accuracy"] * 4000), 4000, 0.25).pvalue > 0.01


def test_levels_without_a_question_are_left_out() -> None:
    found = answer_metrics(np.eye(4), np.arange(4), np.ones(4, np.int64), ["middle", "high"])
    assert "middle" not in found
    assert found["high"]["n"] == found["n"] == 4


@pytest.fixture
def features(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Features of questions in every formulation, whose right option is longest and nearest and lies in a direction."""
    monkeypatch.chdir(tmp_path)
    generator = np.random.default_rng(0)
    tensors: dict[str, Any] = {}
    for split, count in {"train": 1024, "validation": 64, "test": 64}.items():
        answers, right = generator.integers(0, 4, count), np.zeros((count, 4), bool)
        right[np.arange(count), answers] = True
        direction = np.eye(12)[0]
        options = generator.normal(size=(count, 4, 12)) + 4 * right[..., None] * direction
        known = {
            "articles": (direction + 0.1 * generator.normal(size=(2, 12))).astype("f4"),
            "article": np.arange(count) % 2,
            "questions": (direction + 0.1 * generator.normal(size=(count, 12))).astype("f4"),
            "options": options.astype("f4"),
            "features": options.astype("f4"),
            "lengths": np.where(right, 20, generator.integers(1, 20, (count, 4))),
            "answers": answers,
            "levels": np.arange(count) % 2,
        }
        tensors |= {f"{split}.{name}": values for name, values in known.items()}
    write_tensors(tmp_path / "features.safetensors", tensors, {"source": "embedded", "levels": ["middle", "high"]})
    return tmp_path / "features.safetensors"


RUNS = {scorer.name: scorer for scorer in PARAMS.rank.values()}  # params.yaml has one of every kind


@pytest.mark.parametrize("name", SCORERS.names())
def test_a_scorer_answers_questions(name: str, features: Path) -> None:
    scorer = fit_scorer("mine", RUNS[name], features, RUNTIME, SILENT)
    answers = answer("mine", scorer, features)
    metrics = answers.metrics()
    assert metrics["test"]["lower"] > 0.25
    assert metrics["test"]["middle"]["n"] == metrics["test"]["high"]["n"] == 32
    assert metrics["data"] == "embedded"
    assert set(metrics) == {"data", "validation", "test", *scorer.chosen}
    rows = list(answers.predictions())
    assert sum(row["actual"] == row["predicted"] for row in rows) / len(rows) == metrics["test"]["accuracy"]
    curve = answers.curve()
    assert all(sorted(row) == sorted(COLUMNS) and row["run"] == "mine" for row in curve)
    assert "validation" in {row["split"] for row in curve}


def test_of_equally_long_options_the_first_is_the_longest() -> None:
    assert longest.score({"lengths": np.array([[3, 9, 9, 2], [1, 2, 3, 4]])}).argmax(1).tolist() == [1, 3]


def test_the_nearest_option_is_that_of_the_smallest_angle() -> None:
    features = np.eye(4, dtype=np.float32)
    tensors = {
        "articles": features[:1],
        "article": np.array([0, 0]),
        "questions": features[[0, 1]],
        "options": np.stack([features[[1, 2, 0, 3]], features[[3, 1, 2, 2]]]),
    }
    assert cosine.score(tensors).argmax(1).tolist() == [2, 1]


def test_a_rule_is_a_control_and_so_is_what_sees_the_option_alone() -> None:
    controls = {name for name, scorer in PARAMS.rank.items() if scorer.is_control}
    assert controls == {"option", "longest", "cosine"}


def test_a_tie_is_not_a_hit() -> None:
    scores = np.array([[1.0, 1.0, 0.0, 0.0], [2.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]])
    answers = np.array([0, 0, 0])
    assert answer_metrics(scores, answers, answers, ["middle", "high"])["accuracy"] == pytest.approx(1 / 3)
    assert chosen_options(scores).tolist() == [-1, 0, -1]
    assert hits(torch.from_numpy(scores), torch.from_numpy(answers)).tolist() == [False, True, False]


def test_ranking_losses_are_what_they_are_called() -> None:
    generator = torch.Generator().manual_seed(0)
    scores, answers = torch.randn(7, 4, generator=generator), torch.randint(4, (7,), generator=generator)
    right = scores[torch.arange(7), answers]
    wrong = torch.stack([torch.cat([row[:i], row[i + 1 :]]) for row, i in zip(scores, answers, strict=True)])
    margin = F.margin_ranking_loss(right[:, None].expand(7, 3), wrong, torch.ones(7, 3), margin=1.0)
    torch.testing.assert_close(RankingLoss("margin").loss(scores, answers), margin)
    torch.testing.assert_close(RankingLoss("softmax").loss(scores, answers), F.cross_entropy(scores, answers))
    ratio = (right[:, None] / wrong).sum(1).mean()  # the laboratory's: over raw scores, minimised
    torch.testing.assert_close(RankingLoss("ratio").loss(scores, answers), ratio)
    quotient = (F.softplus(wrong).mean(1) / F.softplus(right)).mean()
    torch.testing.assert_close(RankingLoss("softplus-ratio").loss(scores, answers), quotient)


def gained(kind: Any, scores: torch.Tensor) -> float:
    """How far a small step down the loss moves the first option, which is right, ahead of the mean of the others."""
    parameter = scores.clone().requires_grad_()
    RankingLoss(kind).loss(parameter, torch.zeros(len(scores), dtype=torch.int64)).backward()
    assert parameter.grad is not None
    step = -parameter.grad[0]
    return float(step[0] - step[1:].mean())


def test_the_laboratorys_ratio_sinks_the_right_option_among_positive_scores_and_ours_lifts_it() -> None:
    scores = torch.tensor([[1.0, 1.1, 0.9, 1.2]])
    assert gained("ratio", scores) < 0
    assert gained("ratio", -scores) > 0  # the sign of the scores decides, which nothing else does
    for kind in ("softplus-ratio", "margin", "softmax"):
        assert gained(kind, scores) > 0
        assert gained(kind, -scores) > 0


@pytest.mark.parametrize("scale", [-1e4, 0.0, 1e4])
@pytest.mark.parametrize("kind", ["margin", "softplus-ratio", "softmax"])
def test_no_ranking_loss_leaves_the_finite(kind: Any, scale: float) -> None:
    scores = torch.full((3, 4), scale, requires_grad=True)
    loss = RankingLoss(kind).loss(scores, torch.tensor([0, 1, 2]))
    loss.backward()
    assert torch.isfinite(loss)
    assert scores.grad is not None
    assert torch.isfinite(scores.grad).all()


def test_interaction_sets_products_beside_the_vectors() -> None:
    tensors = {
        "articles": torch.tensor([[1.0, 2.0], [3.0, 4.0]]),
        "article": torch.tensor([1, 0]),
        "questions": torch.tensor([[5.0, 6.0], [7.0, 8.0]]),
        "options": torch.arange(16.0).view(2, 4, 2),
    }
    made = option_vectors(tensors, "interaction")(torch.tensor([0]))
    assert made.shape == (1, 4, 10)
    assert made[0, 1].tolist() == [3, 4, 5, 6, 2, 3, 6, 12, 10, 18]
    assert option_vectors(tensors, "option")(torch.tensor([1]))[0].tolist() == tensors["options"][1].tolist()
    mean = option_vectors(tensors, "mean")(torch.tensor([1]))
    torch.testing.assert_close(mean[0, 0], torch.tensor([(1 + 7 + 8) / 3, (2 + 8 + 9) / 3]))
