"""Classifiers of texts: on frozen features, each kind of head, and on counted words."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score
from sklearn.multiclass import OneVsRestClassifier

from dla.core.artifacts import read_metrics, read_table, write_tensors
from dla.core.errors import UserError
from dla.params.file import load_params
from dla.text.classify import fit_head, restore_head
from dla.text.evaluation.results import write_results
from dla.text.evaluation.scores import calibration_error, classification
from dla.text.features import read_labelled
from dla.text.heads import logreg
from dla.text.heads.mlp import softmax
from dla.text.linear import fit_best, fit_linear
from dla.text.perceptron import PerceptronSettings, build_perceptron
from dla.text.settings import HEADS, SCORERS, WordCounts
from dla.text.tfidf import fit_words, read_words
from dla.training.curves import COLUMNS
from dla.training.runtime import CPU

from .conftest import ROOT
from .texts import RUNTIME, SILENT, TEXTS

PARAMS = load_params(ROOT / "params.yaml")


@pytest.mark.parametrize("classes", [2, 3])
def test_coefficients_are_one_vs_rest_regression_of_scikit_learn(classes: int) -> None:
    generator = np.random.default_rng(0)
    labels = generator.integers(0, classes, 300)
    vectors = (generator.normal(size=(300, 5)) + np.eye(classes, 5)[labels]).astype(np.float32)
    expected = OneVsRestClassifier(LogisticRegression(C=2.0, max_iter=500)).fit(vectors, labels)
    found = fit_linear(vectors, labels, 2.0, 500, scale=False)
    np.testing.assert_allclose(found.probabilities(vectors), expected.predict_proba(vectors), atol=1e-5)


def test_scaling_is_folded_into_the_coefficients() -> None:
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 3, 300)
    vectors = generator.normal(size=(300, 5)) + np.eye(3, 5)[labels]
    stretched = vectors * np.array([1, 10, 100, 0.1, 1]) + 7
    as_it_was = fit_linear(vectors, labels, 1.0, 500, scale=True).probabilities(vectors)
    np.testing.assert_allclose(
        fit_linear(stretched, labels, 1.0, 500, scale=True).probabilities(stretched), as_it_was, atol=1e-3
    )


def test_c_is_the_one_that_is_right_most_often_on_validation_and_of_equals_the_smallest() -> None:
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 3, 60)
    vectors = generator.normal(size=(60, 30)) + np.eye(3, 30)[labels]  # few rows: a large C learns them by heart
    held_out = generator.integers(0, 3, 2000)
    validation = generator.normal(size=(2000, 30)) + np.eye(3, 30)[held_out], held_out
    rights = {
        c: (fit_linear(vectors, labels, c, 500, scale=True).probabilities(validation[0]).argmax(1) == held_out).mean()
        for c in (0.01, 1.0, 100.0)
    }
    best = max(rights, key=lambda c: rights[c])
    assert len(set(rights.values())) == 3
    assert fit_best((vectors, labels), validation, (100.0, 1.0, 0.01), 500, scale=True)[1] == best
    assert fit_best((vectors, labels), (vectors[:1], labels[:1]), (100.0, 1.0), 500, scale=True)[1] == 1.0


@pytest.fixture
def features(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Features of texts of three classes, an own mean each."""
    monkeypatch.chdir(tmp_path)
    generator = np.random.default_rng(0)
    tensors: dict[str, Any] = {}
    for split, count in {"train": 1024, "validation": 128, "test": 128}.items():
        labels = generator.integers(0, 3, count)
        tensors[f"{split}.labels"] = labels
        tensors[f"{split}.features"] = (generator.normal(7, 9, (count, 12)) + 40 * np.eye(3, 12)[labels]).astype("f4")
    write_tensors(tmp_path / "features.safetensors", tensors, {"classes": ["a", "b", "c"]})
    return tmp_path / "features.safetensors"


RUNS = {head.name: head for head in PARAMS.classify.values()}  # params.yaml has one of every kind


@pytest.mark.parametrize("name", HEADS.names())
def test_a_head_learns_and_is_restored_from_its_weights(name: str, features: Path) -> None:
    trained = fit_head("mine", RUNS[name], features, RUNTIME, SILENT)
    test, _ = read_labelled(features, "test")
    probabilities = trained.probabilities(test.vectors)
    assert probabilities.shape == (128, 3)
    np.testing.assert_allclose(probabilities.sum(1), 1, rtol=1e-5)
    assert (probabilities.argmax(1) == test.labels).mean() > 0.6
    restored = restore_head(RUNS[name], trained.weights, 12, 3, features)
    np.testing.assert_allclose(restored(test.vectors), probabilities, rtol=1e-5)
    with pytest.raises(UserError, match=r"features.safetensors: .*; delete it and run"):
        restore_head(RUNS[name], trained.weights, 11, 3, features)


@pytest.mark.parametrize("name", HEADS.names())
def test_a_heads_curve_has_both_splits_and_ends_where_validation_chose(name: str, features: Path) -> None:
    trained = fit_head("mine", RUNS[name], features, RUNTIME, SILENT)
    assert {(row["run"], row["split"]) for row in trained.curve} == {("mine", "train"), ("mine", "validation")}
    assert all(tuple(sorted(row)) == tuple(sorted(COLUMNS)) for row in trained.curve)
    assert trained.chosen


@pytest.mark.parametrize("module", [f"{found.package}.{name}" for found in (HEADS, SCORERS) for name in found.names()])
def test_a_stage_imports_torch_only_for_what_trains_a_net(module: str) -> None:
    stage = "classify" if module.startswith(HEADS.package) else "rank"
    code = (
        f"import sys; sys.path.insert(0, 'stages'); import {stage}; from {module} import Settings\n"
        "from dla.training.settings import Training\n"
        "print('torch' in sys.modules, issubclass(Settings, Training))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    imported, needed = done.stdout.split()
    assert imported == needed, done.stderr


@pytest.mark.parametrize("standardize", [True, False])
def test_features_are_standardised_if_the_settings_say_so(standardize: bool, features: Path) -> None:
    head = replace(RUNS["mlp"], standardize=standardize, epochs=1)  # type: ignore[call-arg]
    mean = fit_head("mlp", head, features, RUNTIME, SILENT).weights["0.mean"]
    assert bool((mean == 0).all()) != standardize


def test_coefficients_are_of_the_features_as_they_come(features: Path) -> None:
    raw = logreg.Settings(name="logreg", features="x", c=(1.0,), standardize=False, iterations=5000)
    train, _ = read_labelled(features, "train")
    trained = fit_head("raw", raw, features, RUNTIME, SILENT)
    solver = OneVsRestClassifier(LogisticRegression(max_iter=5000)).fit(train.vectors, train.labels)
    expected = np.concatenate([estimator.coef_ for estimator in solver.estimators_])
    np.testing.assert_allclose(trained.weights["weights"], expected, atol=1e-4)


def test_a_word_counter_read_back_says_the_same() -> None:
    settings = WordCounts(data="ag_news", longest=2, rarest=1, c=(1.0,), iterations=200)
    labels = np.array([0, 1, 2, 3, 0, 2])
    counter, _ = fit_words(settings, (TEXTS, labels), (TEXTS, labels))
    again = read_words(counter.tensors(), settings)
    np.testing.assert_array_equal(again.probabilities(TEXTS), counter.probabilities(TEXTS))
    np.testing.assert_allclose(counter.probabilities(["no word of it"]).sum(1), 1)


def test_scores_of_a_classifier() -> None:
    labels = np.array([0, 0, 1, 1])
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6], [0.3, 0.7]])
    found = classification(labels, probabilities, ("no", "yes"))
    assert found["accuracy"] == accuracy_score(labels, probabilities.argmax(1)) == 0.75
    assert found["per_class"]["no"] == {"precision": 1.0, "recall": 0.5, "f1": pytest.approx(2 / 3)}
    assert found["macro"]["recall"] == 0.75
    assert found["lower"] < 0.75 < found["upper"]


def test_a_classifier_keeps_what_it_predicts_for_every_test_case(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    labels, probabilities = np.array([0, 1, 1]), np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]])
    predicted = dict.fromkeys(("validation", "test"), (labels, probabilities))
    write_results("words", {"classes": ["no", "yes"], "source": "embedded"}, predicted, {"c": 0.1})
    rows = read_table(Path("plots/confusion/words.csv"))
    assert [tuple(row.values()) for row in rows] == [(0, "no", "no"), (1, "yes", "no"), (2, "yes", "yes")]
    assert read_metrics(Path("metrics/classify/words.json"))["c"] == 0.1


def test_calibration_error_of_a_model_that_is_too_sure() -> None:
    assert calibration_error(np.array([True, False, True, False]), np.full(4, 0.9)) == pytest.approx(0.4)
    assert calibration_error(np.array([True, True]), np.ones(2)) == 0


def test_probabilities_of_a_net_are_those_of_its_logits() -> None:
    net = torch.nn.Linear(3, 4)
    vectors = torch.randn(5, 3)
    np.testing.assert_allclose(softmax(net, vectors, CPU), net(vectors).softmax(-1).detach().numpy(), rtol=1e-6)


def test_the_last_layer_tells_scores_apart_that_bfloat16_cannot() -> None:
    training: Any = {"epochs": 1, "batch_size": 8, "optimizer": "sgd", "learning_rate": 0.1}
    net = build_perceptron(PerceptronSettings(widths=(16,), seed=1, **training), torch.zeros(8), torch.ones(8), 1)
    vectors = torch.randn(1, 8) + torch.linspace(0, 1e-3, 64)[:, None]
    with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
        hidden = torch.nn.Sequential(net[0], *list(net[1].children())[:-1])(vectors)
        scores = net(vectors)
    assert scores.dtype == torch.float32
    assert len(hidden.unique(dim=0)) == len(scores.unique())
