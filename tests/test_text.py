"""Features of texts, encoders that are trained for a task, and classifiers of raw texts."""

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
from torch.nn import functional as F

from dla.cli.main import main
from dla.core.artifacts import read_texts, write_tensors, write_texts
from dla.core.errors import UserError
from dla.core.success import until_success
from dla.data import embedded
from dla.data import encoder as data_encoder
from dla.text.batches import TokenBatches
from dla.text.embed import embed
from dla.text.encode import Encoder, batches_by_tokens, encode, pad, pool, read_encoder, show_mean, tokenize
from dla.text.features import SHOWN, pack_beginnings, read_beginnings
from dla.text.finetune import finetune
from dla.text.joint import EXCERPTS, Ending, nearest_sentences, tokenize_jointly
from dla.text.settings import Embedding, FineTuning, WordCounts
from dla.text.tasks import task_of
from dla.text.tfidf import fit_words
from dla.training.runtime import CPU

from .encoders import write_distilbert, write_gpt2
from .texts import RUNTIME, SILENT, TEXTS


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small encoder of random weights."""
    path = tmp_path_factory.mktemp("encoder") / "tiny"
    path.mkdir()
    write_distilbert(path)
    return path


@pytest.fixture(scope="session")
def encoder(folder: Path) -> Encoder:
    return read_encoder(folder)


@pytest.fixture(scope="session")
def gpt2(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    """A small GPT-2: a decoder, whose tokenizer has no token for padding and adds none."""
    path = tmp_path_factory.mktemp("encoder") / "gpt2"
    path.mkdir()
    write_gpt2(path)
    return read_encoder(path)


def test_the_encoder_of_the_demo_brings_near_each_other_what_says_the_same(tmp_path: Path) -> None:
    embedded.write("minilm", tmp_path / "minilm")
    minilm = read_encoder(tmp_path / "minilm")
    said = ["Draw a line.", "Plot a curve.", "Fit the classifier to the training data.", "Train the model."]
    vectors = encode(minilm, tokenize(minilm.tokenizer, said, 64), "mean", CPU, tmp_path / "shards")
    cosines = np.corrcoef(vectors)
    assert min(cosines[0, 1], cosines[2, 3]) > cosines[:2, 2:].max()


def test_a_package_that_is_not_installed_is_an_error_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_encoder, "PACKAGE", "not_installed_here")
    with pytest.raises(UserError, match=r"the installed package not-installed-here has no model/config.json"):
        embedded.write("minilm", tmp_path / "minilm")
    assert not (tmp_path / "minilm").exists()


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


def prepared_texts(path: Path, count: int) -> Path:
    rows = {
        "split": [split for split in ("train", "validation", "test") for _ in range(count)],
        "text": [f"{TEXTS[i % len(TEXTS)]} {i} " + "\nmore" * i for i in range(3 * count)],
        "label": [i % 2 for i in range(3 * count)],
    }
    write_texts(path, rows, {"classes": ["plots", "graphs"], "source": "embedded"})
    return path


def test_features_of_texts_hold_how_each_begins(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    prepared = prepared_texts(tmp_path / "texts.parquet", 12)
    tensors, metadata = embed(SETTINGS, prepared, folder, RUNTIME)
    write_tensors(tmp_path / "features.safetensors", tensors, metadata)
    table = read_texts(prepared)[0]
    for split in ("train", "test"):
        texts = [row["text"] for row in table.to_pylist() if row["split"] == split]
        beginnings = read_beginnings(tmp_path / "features.safetensors", split)
        assert any(len(text) > SHOWN for text in texts)
        for text, beginning in zip(texts, beginnings, strict=True):
            assert len(beginning) <= SHOWN
            assert beginning == text or (beginning.endswith("…") and text.startswith(beginning[:-1]))
    assert metadata["embed"]["data"] == "ag_news"


def test_beginnings_that_are_damaged_are_an_error(tmp_path: Path) -> None:
    write_tensors(tmp_path / "x.safetensors", {"test.beginnings": pack_beginnings(["a", "b"])[:-1]})
    with pytest.raises(UserError, match=r"x.safetensors: the beginnings of the texts of test are damaged; delete it"):
        read_beginnings(tmp_path / "x.safetensors", "test")


@pytest.mark.parametrize(("prepare", "choices"), [(prepared_texts, ["plots", "graphs"]), (prepared_questions, "ABCD")])
def test_an_encoder_is_trained_for_the_task_of_its_data(
    prepare: Any, choices: Any, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    how: Any = {"seed": 1, "epochs": 1, "batch_size": 4, "optimizer": "adamw", "learning_rate": 1e-3}
    settings = FineTuning(group="texts", data="mine", encoder="tiny", max_tokens=32, **how)
    trained = finetune("mine", settings, prepare(tmp_path / "mine.parquet", 8), folder, RUNTIME, SILENT)
    assert list(trained.task.choices) == list(choices)
    assert trained.logits["test"].shape == (8, len(choices))
    right = (trained.targets("test") == trained.predictions("test")).mean()
    assert trained.metrics()["test"]["accuracy"] == right
    trained.write(tmp_path / "written")
    assert getattr(transformers, trained.task.architecture).from_pretrained(tmp_path / "written")


def test_of_two_options_with_the_highest_score_none_is_chosen_and_of_two_classes_the_first() -> None:
    logits = np.array([[1.0, 2.0, 2.0, 0.0]])
    assert task_of({"source": "hub"}).predictions(logits).tolist() == [-1]
    assert task_of({"source": "hub", "classes": list("abcd")}).predictions(logits).tolist() == [1]


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
