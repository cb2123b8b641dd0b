"""How many labels do frozen features save? Logistic regression on them and on counted words, by labelled texts.

A draw is a random order of the training texts, of which both methods see the first 20, 50, ...: they are compared draw
by draw. Validation chooses the C of every fit, of either method among its own candidates.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dla.core.artifacts import Metadata
from dla.core.errors import UserError
from dla.statistics.paired import Paired, compare, describe
from dla.text.features import read_labelled
from dla.text.heads import logreg
from dla.text.linear import fit_best
from dla.text.prepared import numbers, read_splits
from dla.text.settings import HeadSettings, LabelCurve, WordCounts
from dla.text.tfidf import fit_words

COLUMNS = ("method", "labels", "draw", "accuracy")
FROZEN, COUNTED = "frozen features", "counted words"
Row = dict[str, Any]  # of `COLUMNS`


@dataclass(frozen=True)
class Texts:
    """Texts of one split, their vectors (N, D) and their classes (N,)."""

    texts: Sequence[str]
    vectors: NDArray[Any]
    labels: NDArray[Any]

    def take(self, rows: NDArray[Any]) -> Texts:
        """Those of the given numbers."""
        return Texts([self.texts[i] for i in rows], self.vectors[rows], self.labels[rows])


def read_both(prepared: Path, features: Path) -> tuple[dict[str, Texts], Metadata]:
    """The texts and features of every split, and the data set's facts.

    Raises
    ------
    UserError
        If either is missing or broken, or the features are not of these texts.
    """
    tables, _ = read_splits(prepared)
    splits: dict[str, Texts] = {}
    for split, table in tables.items():
        labelled, facts = read_labelled(features, split)
        rows = table.slice(0, len(labelled.labels))  # `embed` may have taken the first training texts alone
        if not np.array_equal(numbers(rows, "label"), labelled.labels):
            raise UserError(f"{features}: the features of {split} are not of the texts in {prepared}; dvc repro embed")
        splits[split] = Texts(rows["text"].to_pylist(), labelled.vectors, labelled.labels)
    return splits, facts


def label_curve(splits: Mapping[str, Texts], settings: LabelCurve) -> Iterator[Row]:
    """Rows of `COLUMNS`: accuracy on test of both methods for every number of labelled texts and every draw.

    Where a size is beyond the training texts all are taken, once: every draw would be the same.

    Raises
    ------
    UserError
        If the smallest size leaves a class without a text.
    """
    train, validation, test = (splits[split] for split in ("train", "validation", "test"))
    classes = len(np.unique(train.labels))
    if settings.sizes[0] < classes:
        raise UserError(f"labels: sizes[0] = {settings.sizes[0]} is less than the {classes} classes; take more")
    orders = [draw(train.labels, [settings.seed, number]) for number in range(settings.draws)]
    for size in dict.fromkeys(min(size, len(train.labels)) for size in settings.sizes):
        for number, order in enumerate(orders if size < len(train.labels) else orders[:1], 1):
            labelled = train.take(order[:size])
            row = {"labels": size, "draw": number}
            yield {"method": FROZEN, **row, "accuracy": _frozen(settings.frozen, labelled, validation, test)}
            yield {"method": COUNTED, **row, "accuracy": _counted(settings.counted, labelled, validation, test)}


def draw(labels: NDArray[Any], seed: Sequence[int]) -> NDArray[Any]:
    """A random order (N,) of texts with these classes (N,), of whose first ones each class has its share.

    However many are taken, of every class there are within one as many as its share, and one at least if there are as
    many as classes.
    """
    order = np.random.default_rng(seed).permutation(len(labels))
    place = np.empty(len(labels))
    for label in np.unique(labels):
        of_class = labels[order] == label
        place[of_class] = np.arange(of_class.sum()) / of_class.sum()
    return order[np.argsort(place, kind="stable")]


def _frozen(settings: HeadSettings, train: Texts, validation: Texts, test: Texts) -> float:
    if not isinstance(settings, logreg.Settings):
        raise UserError(f"labels: frozen.name = {settings.name!r} is no logistic regression; take logreg")
    first, second = ((rows.vectors, rows.labels) for rows in (train, validation))
    linear, _ = fit_best(first, second, settings.c, settings.iterations, scale=settings.standardize)
    return _accuracy(linear.probabilities(test.vectors), test)


def _counted(settings: WordCounts, train: Texts, validation: Texts, test: Texts) -> float:
    counter, _ = fit_words(settings, (train.texts, train.labels), (validation.texts, validation.labels))
    return _accuracy(counter.probabilities(test.texts), test)


def _accuracy(probabilities: NDArray[Any], test: Texts) -> float:
    return float((probabilities.argmax(1) == test.labels).mean())


# --- what the rows say --------------------------------------------------------------------------------------------


def summarise(rows: Sequence[Row], confidence: float) -> dict[str, Any]:
    """Mean and interval of both methods for every size, their difference over the draws, and where they cross.

    Differences are frozen minus counted. Which are shown is said for all sizes at once (Holm); all texts are one draw,
    of which nothing is.
    """
    accuracies: dict[int, dict[str, list[float]]] = {}
    for row in rows:
        accuracies.setdefault(row["labels"], {FROZEN: [], COUNTED: []})[row["method"]].append(row["accuracy"])
    pairs = {
        str(size): Paired(np.array(both[FROZEN]), np.array(both[COUNTED]), larger_is_better=True)
        for size, both in accuracies.items()
    }
    compared = compare({size: pair for size, pair in pairs.items() if len(pair.first) > 1}, confidence)
    sizes = {
        size: {
            "frozen": describe(pair.first, confidence),
            "counted": describe(pair.second, confidence),
            "difference": compared.get(size) or describe(pair.differences, confidence),
        }
        for size, pair in pairs.items()
    }
    return {"sizes": sizes, "crossing": crossing({int(size): found["difference"] for size, found in sizes.items()})}


def crossing(differences: Mapping[int, Mapping[str, Any]]) -> dict[str, int | None]:
    """Where counted words overtake frozen features, from the differences by size, in ascending order.

    Returns
    -------
    `labels` : where the straight line between the last size at which frozen features are ahead and the next is zero,
        sizes on a logarithmic scale; None if they are ahead at the last size, or at none
    `frozen_shown_to`, `counted_shown_from` : the largest size at which frozen features are shown to be better, and the
        smallest at which counted words are
    """
    sizes = list(differences)
    means = [differences[size]["mean"] for size in sizes]
    shown = {size: math.copysign(1, found["mean"]) for size, found in differences.items() if found.get("shown")}
    ahead = [i for i, mean in enumerate(means) if mean > 0]
    labels = None
    if ahead and (last := ahead[-1]) < len(sizes) - 1:
        share = means[last] / (means[last] - means[last + 1])
        labels = round(sizes[last] * (sizes[last + 1] / sizes[last]) ** share)
    return {
        "labels": labels,
        "frozen_shown_to": max((size for size, sign in shown.items() if sign > 0), default=None),
        "counted_shown_from": min((size for size, sign in shown.items() if sign < 0), default=None),
    }
