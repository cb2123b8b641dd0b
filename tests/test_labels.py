"""Frozen features against counted words by the number of labelled texts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dla.core.artifacts import write_tensors, write_texts
from dla.core.errors import UserError
from dla.params.file import load_params
from dla.text.heads.logreg import Settings
from dla.text.labels import COUNTED, FROZEN, Texts, crossing, draw, label_curve, read_both, summarise
from dla.text.settings import LabelCurve, WordCounts

from .conftest import ROOT

CURVE = LabelCurve(
    frozen=Settings(name="logreg", features="texts", c=(1.0,), standardize=False, iterations=100),
    counted=WordCounts(data="texts", longest=1, rarest=1, c=(10.0,), iterations=100),
    sizes=(12, 100, 500),
    draws=8,
    confidence=0.95,
    seed=1,
)
WORDS = 60  # of each class, of which a text has two: few texts leave most of them unseen


def texts(count: int, seed: int) -> Texts:
    """Texts of two classes, whose words never lie and whose vectors say the class at once but are wrong at times."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 2, count)
    said = [" ".join(f"word{label}x{i}" for i in generator.integers(0, WORDS, 2)) for label in labels]
    sides = np.where(generator.random(count) < 0.15, 1 - labels, labels)
    vectors = np.stack([2.0 * sides - 1, generator.normal(0, 0.1, count)], 1).astype(np.float32)
    return Texts(said, vectors, labels)


SPLITS = {split: texts(*size) for split, size in {"train": (200, 1), "validation": (50, 2), "test": (300, 3)}.items()}


def test_features_that_say_it_at_once_win_at_few_labels_and_words_that_never_lie_at_many() -> None:
    summary = summarise(list(label_curve(SPLITS, CURVE)), CURVE.confidence)
    assert list(summary["sizes"]) == ["12", "100", "200"]  # of 500 there are 200
    assert summary["sizes"]["12"]["difference"]["low"] > 0 > summary["sizes"]["100"]["difference"]["high"]
    assert summary["crossing"]["frozen_shown_to"] == 12
    assert summary["crossing"]["counted_shown_from"] == 100
    assert 12 < summary["crossing"]["labels"] < 100


def test_all_texts_are_one_draw_of_which_nothing_is_shown() -> None:
    rows = list(label_curve(SPLITS, CURVE))
    assert [row["draw"] for row in rows if row["labels"] == 200] == [1, 1]
    assert "shown" not in summarise(rows, CURVE.confidence)["sizes"]["200"]["difference"]


def test_both_methods_see_the_same_draws_and_the_same_seed_draws_them_again() -> None:
    rows = list(label_curve(SPLITS, CURVE))
    assert rows == list(label_curve(SPLITS, CURVE))
    pairs = [[(row["labels"], row["draw"]) for row in rows if row["method"] == method] for method in (FROZEN, COUNTED)]
    assert pairs[0] == pairs[1]


@pytest.mark.parametrize("size", [3, 10, 37, 100])
def test_of_the_first_texts_of_a_draw_each_class_has_its_share(size: int) -> None:
    labels = np.repeat([0, 1, 2], [50, 30, 20])
    order = draw(labels, [1, 2])
    assert sorted(order) == list(range(100))
    counts = np.bincount(labels[order[:size]], minlength=3)
    assert counts.min() >= 1
    assert np.abs(counts - size * np.array([0.5, 0.3, 0.2])).max() <= 1


def test_draws_differ() -> None:
    assert draw(SPLITS["train"].labels, [1, 0]).tolist() != draw(SPLITS["train"].labels, [1, 1]).tolist()


@pytest.mark.parametrize(
    ("means", "labels"),
    [([0.2, 0.1, -0.1], 316), ([-0.1, 0.1, -0.1], 316), ([0.2, 0.1, 0.1], None), ([-0.2, -0.1, -0.1], None)],
)
def test_the_curves_cross_behind_the_last_size_at_which_frozen_features_are_ahead(
    means: list[float], labels: int | None
) -> None:
    differences = {size: {"mean": mean} for size, mean in zip((10, 100, 1000), means, strict=True)}
    assert crossing(differences)["labels"] == labels


def test_too_few_labels_for_the_classes_are_an_error() -> None:
    with pytest.raises(UserError, match=r"sizes\[0\] = 1 is less than the 2 classes"):
        list(label_curve(SPLITS, LabelCurve(**{**vars(CURVE), "sizes": (1, 60)})))


def test_a_head_that_is_no_regression_is_an_error() -> None:
    with pytest.raises(UserError, match=r"frozen.name = 'mlp' is no logistic regression"):
        list(
            label_curve(
                SPLITS, LabelCurve(**{**vars(CURVE), "frozen": load_params(ROOT / "params.yaml").classify["mlp"]})
            )
        )


def write_both(folder: Path, labels: dict[str, list[int]], embedded: dict[str, list[int]]) -> tuple[Path, Path]:
    """Prepared texts with some labels, and features with others."""
    prepared, features = folder / "texts.parquet", folder / "features.safetensors"
    rows = [(split, f"{split} {i}", label) for split, chosen in labels.items() for i, label in enumerate(chosen)]
    facts = {"classes": ["a", "b"], "source": "embedded"}
    write_texts(prepared, dict(zip(("split", "text", "label"), map(list, zip(*rows, strict=True)), strict=True)), facts)
    tensors = {f"{split}.labels": np.array(chosen) for split, chosen in embedded.items()}
    tensors |= {f"{split}.features": np.zeros((len(chosen), 3), np.float32) for split, chosen in embedded.items()}
    write_tensors(features, tensors, facts)
    return prepared, features


LABELS = {"train": [0, 1, 1, 0], "validation": [1, 0], "test": [0, 0]}


def test_texts_are_those_that_the_features_are_of(tmp_path: Path) -> None:
    splits, facts = read_both(*write_both(tmp_path, LABELS, {**LABELS, "train": [0, 1, 1]}))
    assert splits["train"].texts == ["train 0", "train 1", "train 2"]
    assert facts["source"] == "embedded"


def test_features_of_other_texts_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="the features of test are not of the texts"):
        read_both(*write_both(tmp_path, LABELS, {**LABELS, "test": [0, 1]}))
