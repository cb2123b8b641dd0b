"""Text data: the embedded docstrings, their splits, and preparation."""

from __future__ import annotations

import re
from pathlib import Path

import datasets
import numpy as np
import pytest

from dla.core.artifacts import read_texts
from dla.core.errors import UserError
from dla.data import docstrings, embedded
from dla.data.kinds import questions, texts
from dla.params.file import load_params

from .conftest import ROOT

PARAMS = load_params(ROOT / "params.yaml")
AG_NEWS, RACE = PARAMS.data["ag_news"], PARAMS.data["race"]
assert isinstance(AG_NEWS, texts.Settings)
assert isinstance(RACE, questions.Settings)


@pytest.fixture(scope="module")
def ag_news(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("texts")
    embedded.write("docstring-libraries", folder / "raw")
    assert isinstance(AG_NEWS, texts.Settings)
    texts.prepare(folder / "raw", AG_NEWS, folder / "prepared.parquet", "embedded")
    return folder / "prepared.parquet"


@pytest.fixture(scope="module")
def race(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("questions")
    embedded.write("docstring-summaries", folder / "raw")
    assert isinstance(RACE, questions.Settings)
    questions.prepare(folder / "raw", RACE, folder / "prepared.parquet", "embedded")
    return folder / "prepared.parquet"


def test_no_text_names_the_library_it_is_from(ag_news: Path) -> None:
    table, facts = read_texts(ag_news)
    for text, label in zip(table["text"].to_pylist(), table["label"].to_pylist(), strict=True):
        names = docstrings.LIBRARIES[facts["classes"][label]]
        assert not re.search(rf"(?i)\b({'|'.join(map(re.escape, names))})\b", text)


def test_texts_have_no_code_and_no_markup(ag_news: Path) -> None:
    table, _ = read_texts(ag_news)
    assert not [text for text in table["text"].to_pylist() if ">>>" in text or "`" in text or "\n" in text]


def test_no_text_is_in_two_splits(ag_news: Path) -> None:
    table, _ = read_texts(ag_news)
    everything = [text.lower() for text in table["text"].to_pylist()]
    assert len(everything) > 3000
    assert len(set(everything)) == len(everything)


def test_no_module_is_in_two_splits() -> None:
    splits = docstrings.split_by_module(docstrings.collect(), docstrings.HELD_OUT)
    modules = [module for chosen in splits.values() for module in {docstring.module for docstring in chosen}]
    assert len(set(modules)) == len(modules)
    assert 0.1 < len(splits["test"]) / len(docstrings.collect()) < 0.3


def test_the_text_says_nothing_of_a_module_on_both_sides_of_an_empty_line() -> None:
    modules = {f"{found.summary} {found.body}": found.module for found in docstrings.collect()}
    pieces = [[modules[line] for line in piece.splitlines() if line] for piece in docstrings.text().split("\n\n")]
    assert all(len(set(piece)) == 1 for piece in pieces)
    assert len({piece[0] for piece in pieces}) == len(pieces) > 100


def test_validation_is_like_test_and_classes_are_of_one_size(ag_news: Path) -> None:
    table, facts = read_texts(ag_news)
    assert facts == {"classes": list(docstrings.LIBRARIES), "source": "embedded"}
    split, label = np.array(table["split"]), np.array(table["label"])
    train, validation = (np.bincount(label[split == name]) for name in ("train", "validation"))
    np.testing.assert_allclose(validation / (train + validation), 1 / 8, atol=0.05)  # a tenth, of what is not tested
    assert train.min() > 0.75 * train.max()


def test_a_question_has_one_right_summary_and_three_of_other_bodies(race: Path) -> None:
    table, _ = read_texts(race)
    summary_of = {found.body: (found.summary, found.library) for found in docstrings.collect()}
    library_of = {found.summary: found.library for found in docstrings.collect()}
    for row in table.to_pylist():
        summary, library = summary_of[row["article"]]
        assert row["options"][row["answer"]] == summary
        assert len(set(row["options"])) == 4
        wrong = [library_of[option] for option in row["options"] if option != summary]
        assert all((other == library) == (row["level"] == "high") for other in wrong)


def test_the_right_option_is_as_often_in_every_place(race: Path) -> None:
    table, _ = read_texts(race)
    counts = np.bincount(np.array(table["answer"]), minlength=4)
    assert counts.min() > 0.2 * counts.sum()


def test_no_article_of_test_is_in_train(race: Path) -> None:
    table, _ = read_texts(race)
    articles = {
        name: set(table.filter(np.array(table["split"]) == name)["article"].to_pylist())
        for name in ("train", "validation", "test")
    }
    assert not articles["train"] & articles["test"]
    assert not articles["train"] & articles["validation"]
    assert not articles["validation"] & articles["test"]


def test_training_questions_are_shuffled_and_both_levels_come_early(race: Path) -> None:
    table, _ = read_texts(race)
    train = table.filter(np.array(table["split"]) == "train")
    assert set(train["level"].to_pylist()[:20]) == {"middle", "high"}
    ids = train["id"].to_pylist()
    assert ids != sorted(ids)
    assert sorted(ids) == list(range(len(ids)))


@pytest.mark.slow
def test_embedded_texts_are_the_same_bytes_every_time(tmp_path: Path) -> None:
    for name in ("docstring-libraries", "docstring-summaries", "minilm"):
        for copy in ("a", "b"):
            docstrings.collect.cache_clear()
            embedded.write(name, tmp_path / copy / name)
        files = sorted((tmp_path / "a" / name).iterdir())
        assert files
        assert all(file.read_bytes() == (tmp_path / "b" / name / file.name).read_bytes() for file in files)


@pytest.mark.parametrize(("options", "answer"), [(["a", "b", "c"], "A"), (["a", "b", "c", "d"], "E")])
def test_a_question_that_is_none_is_an_error(tmp_path: Path, options: list[str], answer: str) -> None:
    row = {"example_id": "high1.txt", "article": "x", "question": "y", "options": options, "answer": answer}
    for split in ("train", "validation", "test"):
        datasets.Dataset.from_list([row]).to_parquet(tmp_path / f"{split}-00000.parquet")
    assert isinstance(RACE, questions.Settings)
    with pytest.raises(UserError, match="row 0 of train has"):
        questions.prepare(tmp_path, RACE, tmp_path / "out.parquet", "hub")
