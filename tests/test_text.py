"""Features, classifiers and rankings of texts."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score
from sklearn.multiclass import OneVsRestClassifier
from torch.nn import functional as F

from dla.cli.main import main
from dla.core.artifacts import read_metrics, read_table, read_texts, write_tensors, write_texts
from dla.core.errors import UserError
from dla.core.success import until_success
from dla.data import embedded
from dla.text.batches import TokenBatches
from dla.text.classify import softmax, train_logreg, train_mlp
from dla.text.embed import embed
from dla.text.encode import Encoder, batches_by_tokens, encode, pad, pool, read_encoder, show_mean, tokenize
from dla.text.joint import EXCERPTS, Ending, nearest_sentences, tokenize_jointly
from dla.text.linear import fit_best, fit_linear
from dla.text.losses import RankingLoss, hits
from dla.text.perceptron import perceptron
from dla.text.rank import option_vectors
from dla.text.results import write_results
from dla.text.rules import apply_rule
from dla.text.scores import answer_metrics, calibration_error, chosen_options, classification
from dla.text.settings import Embedding, LogisticRegressionHead, MLPHead, Rule, WordCounts
from dla.text.tfidf import fit_words, read_words
from dla.training.runtime import CPU
from dla.training.settings import Runtime, Tracking

RUNTIME = Runtime(device="cpu", precision="float32", compile="never", threads=1)
SILENT = Tracking(tensorboard=False, wandb=False)
TEXTS = [
    "Draw a line.",
    "Return the rolling mean of a window, one value per row, where the window has as many rows as it says.",
    "Fit the classifier.",
    "Shortest path between two nodes of a weighted graph, found with the algorithm of Dijkstra.",
    "Plot.",
    "Fit the classifier.",
]


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's encoder."""
    path = tmp_path_factory.mktemp("encoder") / "tiny"
    embedded.write("tiny-distilbert", path)
    return path


@pytest.fixture(scope="session")
def encoder(folder: Path) -> Encoder:
    return read_encoder(folder)


@pytest.fixture(scope="session")
def gpt2(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    """The demo's GPT-2: a decoder, whose tokenizer has no token for padding and adds none."""
    path = tmp_path_factory.mktemp("encoder") / "gpt2"
    embedded.write("tiny-gpt2", path)
    return read_encoder(path)


# --- encoding -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pooling", ["cls", "mean", "last"])
def test_padding_changes_no_feature(encoder: Encoder, pooling: Any, tmp_path: Path) -> None:
    together = encode(encoder, tokenize(encoder.tokenizer, TEXTS, 64), pooling, CPU, tmp_path / "together")
    for i, text in enumerate(TEXTS):
        alone = encode(encoder, tokenize(encoder.tokenizer, [text], 64), pooling, CPU, tmp_path / f"{i}")
        np.testing.assert_allclose(together[i], alone[0], atol=2e-6)


@pytest.mark.parametrize("pooling", ["mean", "last"])
def test_features_of_a_decoder_are_those_of_its_own_tokens(gpt2: Encoder, pooling: Any, tmp_path: Path) -> None:
    assert gpt2.model.config.model_type == "gpt2"
    made = encode(gpt2, tokenize(gpt2.tokenizer, TEXTS, 64), pooling, CPU, tmp_path)
    for text, vector in zip(TEXTS, made, strict=True):
        with torch.no_grad():
            hidden = gpt2.model(torch.tensor([gpt2.tokenizer(text)["input_ids"]])).last_hidden_state[0]
        np.testing.assert_allclose(vector, (hidden.mean(0) if pooling == "mean" else hidden[-1]).numpy(), atol=2e-6)


def test_an_empty_text_has_features_even_where_no_token_is_added(gpt2: Encoder, tmp_path: Path) -> None:
    tokens = tokenize(gpt2.tokenizer, ["", "a line"], 64)
    assert tokens[0]["input_ids"] == [gpt2.tokenizer.eos_token_id]
    assert np.isfinite(encode(gpt2, tokens, "mean", CPU, tmp_path)).all()


def test_features_are_those_of_transformers_in_the_order_of_the_texts(encoder: Encoder, tmp_path: Path) -> None:
    made = encode(encoder, tokenize(encoder.tokenizer, TEXTS, 64), "mean", CPU, tmp_path)
    for text, vector in zip(TEXTS, made, strict=True):
        inputs = encoder.tokenizer(text, return_tensors="pt")
        with torch.no_grad():
            expected = encoder.model(**inputs).last_hidden_state[0].mean(0)
        np.testing.assert_allclose(vector, expected.numpy(), atol=2e-6)


def test_pooling_takes_the_tokens_that_it_names() -> None:
    hidden = torch.arange(12.0).view(2, 3, 2)
    mask = torch.tensor([[1, 1, 0], [1, 1, 1]])
    assert pool(hidden, mask, "cls").tolist() == [[0, 1], [6, 7]]
    assert pool(hidden, mask, "last").tolist() == [[2, 3], [10, 11]]
    assert pool(hidden, mask, "mean").tolist() == [[1, 2], [8, 9]]


def test_batches_hold_at_most_so_many_tokens_and_every_sequence_once() -> None:
    lengths = np.random.default_rng(0).integers(1, 200, 500).tolist()
    batches = list(batches_by_tokens(lengths, 1000))
    assert sorted(i for batch in batches for i in batch) == list(range(500))
    assert all(len(batch) * max(lengths[i] for i in batch) <= 1000 for batch in batches)
    padded = sum(len(batch) * max(lengths[i] for i in batch) for batch in batches)
    assert padded < 1.1 * sum(lengths)


def test_a_sequence_longer_than_a_batch_may_be_is_a_batch_of_its_own() -> None:
    assert list(batches_by_tokens([5, 50, 5], 20)) == [[1], [0, 2]]


@pytest.mark.parametrize("excerpt", sorted(EXCERPTS))
def test_joint_truncation_keeps_question_and_option(encoder: Encoder, excerpt: str) -> None:
    article = "the graph has many nodes and edges " * 100
    endings = [Ending("which path is the shortest ?", "the one from a to b"), Ending("what is it about ?", "nodes")]
    leave = EXCERPTS[excerpt](encoder.tokenizer, [article, "short"])
    made = tokenize_jointly(encoder.tokenizer, leave, [0, 1], endings, 40)
    for tokens, ending in zip(made, map(str, endings), strict=True):
        assert len(tokens["input_ids"]) <= 40
        kept = encoder.tokenizer.decode(tokens["input_ids"], skip_special_tokens=True)
        assert kept.endswith(encoder.tokenizer.decode(encoder.tokenizer(ending)["input_ids"], skip_special_tokens=True))
    assert len(made[0]["input_ids"]) == 40
    whole = encoder.tokenizer("short", str(endings[1]))["input_ids"]
    assert made[1]["input_ids"] == whole


def test_a_question_that_does_not_fit_is_an_error(encoder: Encoder) -> None:
    with pytest.raises(UserError, match=r"question and option of \d+ tokens do not fit max_tokens = 12; raise it"):
        tokenize_jointly(
            encoder.tokenizer,
            EXCERPTS["beginning"](encoder.tokenizer, ["article"]),
            [0],
            [Ending("word " * 30, "")],
            12,
        )


def test_the_nearest_sentences_are_those_that_share_rare_words(encoder: Encoder) -> None:
    articles = [
        "The node has a name. The graph is plotted in red. The path of a walk has a length! Edges have weights.",
        "The node is here. The node is there.",
    ]
    leave = nearest_sentences(encoder.tokenizer, articles)
    room = len(encoder.tokenizer("The path of a walk has a length!", add_special_tokens=False)["input_ids"])
    asked = Ending("How long is the walk?", "its length is one")
    assert leave(0, asked, room) == "The path of a walk has a length!"
    assert leave(0, Ending("Which colour?", "red"), 1) == "The graph is plotted in red."  # one at least, to be cut
    assert leave(0, asked, 1000) == articles[0]  # in the article's order


def test_what_is_nearest_is_the_same_in_every_process(encoder: Encoder, tmp_path: Path) -> None:
    encoder.tokenizer.save_pretrained(tmp_path)
    code = (
        "import sys; from transformers import AutoTokenizer; from dla.text.joint import Ending, nearest_sentences\n"
        "words = [f'w{i}' for i in range(60)]\n"
        "article = ' '.join(' '.join(words[i::k]) + '.' for k in range(2, 9) for i in range(k))\n"
        "tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])\n"
        "leave = nearest_sentences(tokenizer, [article, 'w1 w2.', 'w3.'])\n"
        "print([leave(0, Ending(' '.join(words[::3]), ' '.join(words[i::5])), 99) for i in range(5)])"
    )
    seen = {
        subprocess.run(
            [sys.executable, "-c", code, str(tmp_path)],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(seen) == 1


@pytest.mark.parametrize("content", [None, {"config.json": "{"}, {"config.json": '{"model_type": "distilbert"}'}])
def test_a_folder_without_a_model_is_an_error(tmp_path: Path, content: dict[str, str] | None) -> None:
    if content is not None:
        (tmp_path / "encoder").mkdir()
        for name, text in content.items():
            (tmp_path / "encoder" / name).write_text(text)
    with pytest.raises(UserError, match=r"encoder: (is missing|holds no model)"):
        read_encoder(tmp_path / "encoder")


# --- the stage ------------------------------------------------------------------------------------------------

SETTINGS = Embedding(data="ag_news", encoder="tiny", formulation="text", pooling="mean", max_tokens=64)


def prepared_questions(path: Path, count: int) -> Path:
    generator = np.random.default_rng(0)
    words = ["graph", "node", "edge", "path", "line", "plot", "axis", "colour", "mean", "window", "row", "model"]

    def text(length: int) -> str:
        return " ".join(generator.choice(words, length))

    rows = count * 3
    write_texts(
        path,
        {
            "split": [split for split in ("train", "validation", "test") for _ in range(count)],
            "article": [text(30) if i % 2 == 0 else "the same article" for i in range(rows)],
            "question": [text(5) for _ in range(rows)],
            "options": [[text(4) for _ in range(4)] for _ in range(rows)],
            "answer": generator.integers(0, 4, rows).tolist(),
            "level": ["middle", "high", "high"] * count,
        },
        {"source": "embedded"},
    )
    return path


def test_separate_features_lie_where_their_texts_do(
    folder: Path, encoder: Encoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    prepared = prepared_questions(tmp_path / "race.parquet", 6)
    settings = replace(SETTINGS, data="race", formulation="separate", examples=4)
    with until_success():
        everything, metadata = embed(settings, prepared, folder, RUNTIME)
    tensors = {name.removeprefix("train."): found for name, found in everything.items() if name.startswith("train.")}
    rows = read_texts(prepared)[0].slice(0, 4).to_pylist()
    assert tensors["options"].shape == (4, 4, encoder.width)
    assert len(tensors["articles"]) == len({row["article"] for row in rows}) == 3  # shared by several questions: once
    for i, row in enumerate(rows):
        for name, text in (("questions", row["question"]), ("articles", row["article"])):
            found = tensors[name][tensors["article"][i] if name == "articles" else i]
            expected = encode(encoder, tokenize(encoder.tokenizer, [text], 64), "mean", CPU, tmp_path / f"{name}{i}")
            np.testing.assert_allclose(found, expected[0], atol=2e-6)
    assert [metadata["levels"][level] for level in tensors["levels"]] == [row["level"] for row in rows]
    assert tensors["answers"].tolist() == [row["answer"] for row in rows]
    assert tensors["lengths"].tolist() == [[len(option) for option in row["options"]] for row in rows]
    assert not any((tmp_path / ".checkpoints").iterdir())


def test_joint_features_are_those_of_the_pairs(
    folder: Path, encoder: Encoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    prepared = prepared_questions(tmp_path / "race.parquet", 3)
    settings = replace(SETTINGS, data="race", formulation="joint")
    tensors, _ = embed(settings, prepared, folder, RUNTIME)
    row = read_texts(prepared)[0].slice(6, 1).to_pylist()[0]
    for option, vector in zip(row["options"], tensors["test.features"][0], strict=True):
        inputs = encoder.tokenizer(row["article"], f"{row['question']} {option}", return_tensors="pt")
        with torch.no_grad():
            expected = encoder.model(**inputs).last_hidden_state[0].mean(0)
        np.testing.assert_allclose(vector, expected.numpy(), atol=2e-6)


KILLED = """
import os, signal, sys
from pathlib import Path
from dla.text.settings import Embedding
from dla.core.artifacts import write_tensors
from dla.core.success import until_success
from dla.training.settings import Runtime
from dla.text import encode, embed
encode.BATCH_TOKENS["cpu"], encode.SHARD_TOKENS = 40, 1
stop_after, shards = int(sys.argv[1]), []
write = encode.write_state
def counted(path, state):
    write(path, state)
    shards.append(path)
    if len(shards) == stop_after:
        os.kill(os.getpid(), signal.SIGKILL)
encode.write_state = counted
settings = Embedding(data="race", encoder="tiny", formulation="separate", pooling="mean", max_tokens=64)
with until_success():
    found = embed.embed(settings, Path("race.parquet"), Path(sys.argv[2]), Runtime("cpu", "float32", "never", 1))
    write_tensors(Path("features.safetensors"), *found)
print(len(shards))
"""


@pytest.mark.slow
def test_killed_it_goes_on_after_the_last_shard_and_ends_in_the_same_bits(folder: Path, tmp_path: Path) -> None:
    prepared_questions(tmp_path / "race.parquet", 8)

    def run(stop_after: int) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", KILLED, str(stop_after), str(folder)]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    whole = run(0)
    assert whole.returncode == 0, whole.stderr
    shards = int(whole.stdout.splitlines()[-1])
    expected = (tmp_path / "features.safetensors").read_bytes()
    (tmp_path / "features.safetensors").unlink()
    assert shards > 4
    assert run(3).returncode == -signal.SIGKILL
    assert not (tmp_path / "features.safetensors").exists()
    resumed = run(0)
    assert int(resumed.stdout.splitlines()[-1]) == shards - 3
    assert (tmp_path / "features.safetensors").read_bytes() == expected
    assert not os.listdir(tmp_path / ".checkpoints")  # noqa: PTH208 (any folder left is one too many)


# --- classifiers ----------------------------------------------------------------------------------------------


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


def test_features_are_standardised_if_the_settings_say_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    generator = np.random.default_rng(0)
    tensors: dict[str, Any] = {}
    for split in ("train", "validation"):
        tensors[f"{split}.labels"] = generator.integers(0, 2, 40)
        tensors[f"{split}.features"] = generator.normal(7, 9, (40, 5)).astype(np.float32)
    write_tensors(tmp_path / "features.safetensors", tensors, {"classes": ["a", "b"]})
    how: Any = {"features": "x", "widths": (4,), "seed": 1, "epochs": 1, "batch_size": 8, "optimizer": "sgd"}
    for standardize in (True, False):
        head = MLPHead(name="mlp", learning_rate=0.1, standardize=standardize, **how)
        mean = train_mlp("mlp", head, tmp_path / "features.safetensors", RUNTIME, SILENT).weights["0.mean"]
        assert bool((mean == 0).all()) != standardize
    raw = LogisticRegressionHead(name="logreg", features="x", c=(1.0,), standardize=False, iterations=500)
    found = train_logreg("raw", raw, tmp_path / "features.safetensors").weights["weights"]
    expected = LogisticRegression(max_iter=500).fit(tensors["train.features"], tensors["train.labels"])
    np.testing.assert_allclose(found[1:], expected.coef_, atol=1e-4)


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
    found = dict.fromkeys(("validation", "test"), (labels, probabilities))
    write_results("words", ["no", "yes"], "embedded", found, {"c": 0.1})
    rows = read_table(Path("plots/confusion/words.csv"))
    assert [tuple(row.values()) for row in rows] == [(0, "no", "no"), (1, "yes", "no"), (2, "yes", "yes")]
    assert read_metrics(Path("metrics/classify/words.json"))["c"] == 0.1


def test_calibration_error_of_a_model_that_is_too_sure() -> None:
    assert calibration_error(np.array([True, False, True, False]), np.full(4, 0.9)) == pytest.approx(0.4)
    assert calibration_error(np.array([True, True]), np.ones(2)) == 0


# --- ranking --------------------------------------------------------------------------------------------------


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


def test_rules_answer_without_training(tmp_path: Path) -> None:
    features = np.eye(4, dtype=np.float32)
    tensors = {
        "articles": features[:1],
        "article": np.array([0, 0]),
        "questions": features[[0, 1]],
        "options": np.stack([features[[1, 2, 0, 3]], features[[3, 1, 2, 2]]]),
        "lengths": np.array([[3, 9, 9, 2], [1, 2, 3, 4]]),
        "answers": np.array([2, 1]),
        "levels": np.array([0, 1]),
    }
    path = tmp_path / "features.safetensors"
    splits = {f"{split}.{name}": values for split in ("validation", "test") for name, values in tensors.items()}
    write_tensors(path, splits, {"source": "embedded", "levels": ["middle", "high"]})
    nearest = apply_rule("cosine", Rule(name="cosine", features="race"), path)
    assert nearest.metrics()["test"]["accuracy"] == 1.0
    assert next(iter(nearest.predictions())) == {"case": 0, "actual": "C", "predicted": "C"}
    longest = apply_rule("longest", Rule(name="longest", features="race"), path)
    assert [row["predicted"] for row in longest.predictions()] == ["B", "D"]  # of equally long ones the first
    assert longest.curve() == [{**longest.curve()[0], "run": "longest", "epoch": 1, "accuracy": 0.0}]
    assert "best_epoch" not in longest.metrics()


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


# --- batches of tokens ----------------------------------------------------------------------------------------


def test_every_sequence_comes_once_an_epoch_beside_others_of_its_length() -> None:
    sequences = [{"input_ids": list(range(2, 3 + i % 40))} for i in range(200)]
    batches = TokenBatches(sequences, torch.arange(200), 0, 8, seed=3)
    seen, padded = [], 0
    for inputs, rows in batches.epoch(1):
        assert inputs.shape[1] == 3
        seen += rows.tolist()
        padded += inputs.shape[0] * inputs.shape[2]
        for row, packed in zip(rows, inputs, strict=True):
            length = len(sequences[row]["input_ids"])
            assert packed[0, :length].tolist() == sequences[row]["input_ids"]
            assert packed[1].tolist() == [1] * length + [0] * (inputs.shape[2] - length)
    assert sorted(seen) == list(range(200))
    assert padded < 1.15 * sum(len(tokens["input_ids"]) for tokens in sequences)
    again = [rows.tolist() for _, rows in batches.epoch(1)]
    assert [row for rows in again for row in rows] == seen
    assert [rows.tolist() for _, rows in batches.epoch(2)] != again


def test_parts_of_a_pass_come_to_the_whole_of_it() -> None:
    sequences = [{"input_ids": [1] * (1 + i % 7)} for i in range(96)]
    batches = TokenBatches(sequences, torch.arange(96), 0, 8, 3, 3)
    assert len(batches) == 4
    passes = [[row for number in numbers for row in rows_of(batches, number)] for numbers in ((1, 2, 3), (4, 5, 6))]
    assert [sorted(rows) for rows in passes] == [list(range(96))] * 2
    assert passes[0] != passes[1]
    assert passes[0] == [
        row for rows in (rows_of(TokenBatches(sequences, torch.arange(96), 0, 8, 3), 1),) for row in rows
    ]


def rows_of(batches: TokenBatches, number: int) -> list[int]:
    return [row for _, rows in batches.epoch(number) for row in rows.tolist()]


def test_a_curriculum_climbs_in_its_first_pass_alone() -> None:
    difficulty = torch.arange(96) % 2
    sequences = [{"input_ids": [1] * (1 + i % 7)} for i in range(96)]
    batches = TokenBatches(sequences, torch.arange(96), 0, 8, 3, 2, difficulty)
    climbed = [int(difficulty[row]) for number in (1, 2) for row in rows_of(batches, number)]
    assert climbed == [0] * 48 + [1] * 48
    assert rows_of(batches, 1) != sorted(rows_of(batches, 1))
    assert {int(difficulty[row]) for row in rows_of(batches, 3)} == {0, 1}


def test_options_of_a_question_stay_together() -> None:
    sequences = [{"input_ids": [i] * (1 + i % 5)} for i in range(24)]
    for inputs, rows in TokenBatches(sequences, torch.arange(6), 0, 2).epoch(0):
        assert inputs.shape[:3] == (len(rows), 4, 3)
        assert inputs[:, :, 0, 0].tolist() == [[4 * row + option for option in range(4)] for row in rows.tolist()]


@pytest.mark.parametrize("kind", ["Bert", "DistilBert"])
def test_a_head_shown_the_mean_sees_all_tokens_and_no_padding(kind: str) -> None:
    names = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    if kind == "DistilBert":
        names = {"dim": 16, "n_layers": 1, "n_heads": 2, "hidden_dim": 16}
    config = getattr(transformers, f"{kind}Config")(vocab_size=32, **names)
    model = getattr(transformers, f"{kind}ForMultipleChoice")(config).eval()
    tokens = torch.tensor([[3, 4, 5, 0], [6, 7, 8, 9]])
    mask = torch.tensor([[1, 1, 1, 0], [1, 1, 1, 1]])
    hidden = model.base_model(input_ids=tokens, attention_mask=mask).last_hidden_state
    show_mean(model)
    found = model(input_ids=tokens[None], attention_mask=mask[None]).logits[0]
    means = torch.stack([hidden[0, :3].mean(0), hidden[1].mean(0)])
    expected = model.classifier(F.relu(model.pre_classifier(means)) if kind == "DistilBert" else means)
    torch.testing.assert_close(found, expected[:, 0])


def test_pad_fills_with_the_padding_token() -> None:
    made = pad([{"input_ids": [5], "token_type_ids": [1]}, {"input_ids": [6, 7], "token_type_ids": [0, 1]}], 9)
    assert made["input_ids"].tolist() == [[5, 9], [6, 7]]
    assert made["token_type_ids"].tolist() == [[1, 0], [0, 1]]
    assert made["attention_mask"].tolist() == [[1, 0], [1, 1]]


# --- dla classify ---------------------------------------------------------------------------------------------

Write = Callable[[str], str]


@pytest.fixture
def trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    settings = WordCounts(data="ag_news", longest=1, rarest=1, c=(10.0,), iterations=200)
    labelled = TEXTS, np.array([0, 1, 2, 3, 0, 2])
    counter, _ = fit_words(settings, labelled, labelled)
    facts = {"classes": ["plots", "tables", "models", "graphs"], "source": "embedded"}
    counts = {"data": "ag_news", "longest": 1, "rarest": 1, "c": [10.0], "iterations": 200}
    write_tensors(tmp_path / "models/text/words.safetensors", counter.tensors(), {**facts, "tfidf": counts})
    return tmp_path


def test_classify_prints_a_table(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["classify", "draw a line", "the shortest path", "--model", "words"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "draw a line"
    assert lines[1].split()[0] == "plots"
    assert lines[6].split()[0] == "graphs"


def test_classify_reads_a_file_or_standard_input(
    trained: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (trained / "texts.txt").write_text("draw a line\n\nthe shortest path\n", encoding="utf-8")
    assert main(["classify", "--file", "texts.txt", "--model", "words", "--json"]) == 0
    from_file = json.loads(capsys.readouterr().out)
    assert [found["classes"][0]["class"] for found in from_file] == ["plots", "graphs"]
    with (trained / "texts.txt").open(encoding="utf-8") as stream:
        monkeypatch.setattr("sys.stdin", stream)
        assert main(["classify", "--model", "words", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == from_file


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["x", "--model", "wrods"],
            "'wrods' is no name under tfidf or classify or finetune in params.yaml; trained: words",
        ),
        (["x", "--file", "texts.txt", "--model", "words"], "take either TEXT arguments or --file"),
        (["--file", "none.txt", "--model", "words"], "none.txt: cannot be read as text"),
        (["", "--model", "words"], "there is no text to classify"),
    ],
)
def test_classify_says_in_one_line_what_is_wrong(
    trained: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main(["classify", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_probabilities_of_a_net_are_those_of_its_logits() -> None:
    net = torch.nn.Linear(3, 4)
    vectors = torch.randn(5, 3)
    np.testing.assert_allclose(softmax(net, vectors, CPU), net(vectors).softmax(-1).detach().numpy(), rtol=1e-6)


def test_the_last_layer_tells_scores_apart_that_bfloat16_cannot() -> None:
    net = perceptron(torch.zeros(8), torch.ones(8), (16,), 1, 0.0)
    vectors = torch.randn(1, 8) + torch.linspace(0, 1e-3, 64)[:, None]
    with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
        hidden = torch.nn.Sequential(net[0], *list(net[1].children())[:-1])(vectors)
        scores = net(vectors)
    assert scores.dtype == torch.float32
    assert len(hidden.unique(dim=0)) == len(scores.unique())
