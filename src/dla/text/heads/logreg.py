"""One-vs-rest logistic regression on frozen features."""

from __future__ import annotations

from pathlib import Path

from pydantic.dataclasses import dataclass
from sklearn.metrics import log_loss

from dla.core.parsing import STRICT
from dla.core.values import Count
from dla.text.classify import Probabilities, TrainedHead, Weights
from dla.text.features import read_labelled
from dla.text.linear import Linear, fit_best, require_shapes
from dla.text.settings import Candidates, HeadSettings


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Settings(HeadSettings):
    """One-vs-rest logistic regression on frozen features."""

    c: Candidates  # scikit-learn's C, the inverse of the regularisation's strength; of several validation chooses
    standardize: bool = True  # every feature to mean 0 and variance 1 first
    iterations: Count  # of L-BFGS, at most


def fit(name: str, settings: Settings, features: Path, *_: object) -> TrainedHead:
    """Fit logistic regression. Its curve has one point: what L-BFGS ends in."""
    splits = {split: read_labelled(features, split)[0] for split in ("train", "validation")}
    train, validation = ((rows.vectors, rows.labels) for rows in splits.values())
    linear, c = fit_best(train, validation, settings.c, settings.iterations, scale=settings.standardize)
    curve = []
    for split, rows in splits.items():
        probabilities = linear.probabilities(rows.vectors)
        loss, accuracy = log_loss(rows.labels, probabilities), float((probabilities.argmax(1) == rows.labels).mean())
        curve.append({"run": name, "epoch": 1, "split": split, "loss": loss, "accuracy": accuracy, "learning_rate": ""})
    return TrainedHead(linear.probabilities, {"weights": linear.weights, "biases": linear.biases}, curve, {"c": c})


def restore(_: Settings, weights: Weights, width: int, classes: int, path: Path) -> Probabilities:
    """The classifier with these weights."""
    require_shapes(weights, {"weights": (classes, width), "biases": (classes,)}, path)
    return Linear(weights["weights"], weights["biases"]).probabilities
