"""Classifiers on frozen features; each kind is a module of dla.text.heads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from dla.text.settings import HEADS, HeadSettings
from dla.training.settings import Runtime, Tracking

Probabilities = Callable[[NDArray[Any]], NDArray[Any]]  # of vectors (N, D), (N, classes)
Weights = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class TrainedHead:
    """A trained classifier of vectors."""

    probabilities: Probabilities
    weights: Weights
    curve: list[dict[str, Any]]  # rows of `curves.COLUMNS`
    chosen: dict[str, Any]  # on validation, by the name that it has in the metrics


def fit_head(name: str, settings: HeadSettings, features: Path, runtime: Runtime, log: Tracking) -> TrainedHead:
    """Fit a classifier on the training texts' features; validation chooses what is to be chosen.

    Raises
    ------
    UserError
        If the features are missing or broken, or the training diverges.
    """
    trained: TrainedHead = HEADS.module(settings.name).fit(name, settings, features, runtime, log)
    return trained


def restore_head(settings: HeadSettings, weights: Weights, width: int, classes: int, path: Path) -> Probabilities:
    """The classifier that was fitted, from its weights.

    Parameters
    ----------
    width : of the vectors
    path : of the weights, for the error

    Raises
    ------
    UserError
        If the weights are of another classifier.
    """
    probabilities: Probabilities = HEADS.module(settings.name).restore(settings, weights, width, classes, path)
    return probabilities
