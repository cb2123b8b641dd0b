"""One-vs-rest logistic regression, by scikit-learn: its coefficients, and how strongly it is regularised."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.preprocessing import StandardScaler

from dla.core.contents import REMEDY
from dla.core.errors import UserError


@dataclass(frozen=True)
class Linear:
    """What a fitted classifier comes to: a score per class, which a sigmoid makes a probability."""

    weights: NDArray[Any]  # (classes, D) float32
    biases: NDArray[Any]  # (classes,) float32

    def probabilities(self, vectors: Any) -> NDArray[Any]:
        """Probabilities (N, classes) of vectors (N, D), dense or sparse, each row adding up to 1."""
        each = expit(np.asarray(vectors @ self.weights.T) + self.biases)
        return np.asarray(each / each.sum(1, keepdims=True))


def fit_best(
    train: tuple[Any, NDArray[Any]],
    validation: tuple[Any, NDArray[Any]],
    candidates: Sequence[float],
    iterations: int,
    *,
    scale: bool,
) -> tuple[Linear, float]:
    """The fit with the C that is right most often on validation, and that C; of equals the smallest, which is simplest.

    Parameters
    ----------
    train, validation : vectors (N, D) and labels (N,)
    candidates : values of C
    iterations, scale : as `fit_linear` takes them
    """
    vectors, labels = validation

    def right(fitted: tuple[Linear, float]) -> int:
        return int((fitted[0].probabilities(vectors).argmax(1) == labels).sum())

    return max(((fit_linear(*train, c, iterations, scale=scale), c) for c in sorted(candidates)), key=right)


def fit_linear(vectors: Any, labels: NDArray[Any], c: float, iterations: int, *, scale: bool) -> Linear:
    """Fit one classifier per class with L-BFGS.

    Parameters
    ----------
    vectors : (N, D), dense or sparse
    scale : bring every feature to mean 0 and variance 1 first; the coefficients are of the features as they came
    """
    scaler = StandardScaler().fit(vectors) if scale else None
    solver = LogisticRegression(C=c, max_iter=iterations)
    fitted = OneVsRestClassifier(solver, n_jobs=1).fit(scaler.transform(vectors) if scaler else vectors, labels)
    weights = np.concatenate([estimator.coef_ for estimator in fitted.estimators_])
    biases = np.concatenate([estimator.intercept_ for estimator in fitted.estimators_])
    if len(weights) == 1:  # of two classes scikit-learn fits the second alone: the first has the opposite score
        weights, biases = np.concatenate([-weights, weights]), np.concatenate([-biases, biases])
    if scaler:
        weights = weights / scaler.scale_
        biases = biases - weights @ scaler.mean_
    return Linear(weights.astype(np.float32), biases.astype(np.float32))


def require_shapes(tensors: Mapping[str, NDArray[Any]], shapes: Mapping[str, tuple[int, ...]], path: Path) -> None:
    """Raise a `UserError` unless the tensors of the file `path` have these shapes and are floating-point numbers."""
    for name, shape in shapes.items():
        if tensors[name].shape != shape or not np.issubdtype(tensors[name].dtype, np.floating):
            raise UserError(f"{path}: {name} have the shape {tensors[name].shape}, not {shape}; {REMEDY}")
