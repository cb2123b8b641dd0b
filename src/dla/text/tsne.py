"""t-SNE: features in the plane, and how much of their neighbourhoods is left there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from openTSNE import TSNE
from sklearn.manifold import trustworthiness
from sklearn.model_selection import cross_val_score
from sklearn.neighbors import KNeighborsClassifier

from dla.core.errors import UserError
from dla.figures import new_figure
from dla.text.settings import Scatter

COLUMNS = ("x", "y", "class", "text")
NEIGHBOURS = 10
FEWEST = 50  # texts: four of five folds of fewer leave a class no ten neighbours
JUDGED = 5000  # points at most that trustworthiness is measured on: it compares all pairs


def choose(count: int, settings: Scatter) -> NDArray[Any]:
    """Rows of random texts, at most `points` of `count`, in order.

    Raises
    ------
    UserError
        If there are too few texts for the measures.
    """
    if count < FEWEST:
        raise UserError(f"t-SNE: split {settings.split} of {settings.features} has {count} texts, {FEWEST} are needed")
    generator = np.random.default_rng(settings.seed)
    return np.sort(generator.permutation(count)[: settings.points])


def embed_in_plane(vectors: NDArray[Any], settings: Scatter, threads: int) -> NDArray[Any]:
    """Coordinates (N, 2) of vectors (N, D)."""
    perplexity = min(settings.perplexity, (len(vectors) - 1) / 3)
    tsne = TSNE(perplexity=perplexity, initialization="pca", random_state=settings.seed, n_jobs=threads)
    return np.asarray(tsne.fit(vectors))


def plane_metrics(vectors: NDArray[Any], plane: NDArray[Any], labels: NDArray[Any]) -> dict[str, float]:
    """Trustworthiness (Venna and Kaski 2001), and accuracy of the ten nearest neighbours in space and plane."""
    some = slice(JUDGED)
    return {
        "n": len(vectors),
        "trustworthiness": float(trustworthiness(vectors[some], plane[some], n_neighbors=NEIGHBOURS)),
        "neighbour_accuracy_plane": _neighbour_accuracy(plane, labels),
        "neighbour_accuracy_space": _neighbour_accuracy(vectors, labels),
    }


def _neighbour_accuracy(points: NDArray[Any], labels: NDArray[Any]) -> float:
    return float(cross_val_score(KNeighborsClassifier(NEIGHBOURS), points, labels, cv=5).mean())


def rows(
    plane: NDArray[Any], labels: NDArray[Any], classes: Sequence[str], texts: Sequence[str]
) -> Iterator[dict[str, Any]]:
    """Rows of `COLUMNS`."""
    for (x, y), label, text in zip(plane.tolist(), labels, texts, strict=True):
        yield {"x": round(x, 3), "y": round(y, 3), "class": classes[label], "text": text}


def figure(plane: NDArray[Any], labels: NDArray[Any], classes: Sequence[str], title: str) -> Figure:
    """The plane, one colour per class."""
    with new_figure(6, 6.5) as drawing:
        axes = drawing.subplots()
        for number, name in enumerate(classes):
            x, y = plane[labels == number].T
            axes.scatter(x, y, s=6, alpha=0.7, linewidths=0, label=name)
        axes.set(title=title, xticks=[], yticks=[], aspect="equal")
        drawing.legend(markerscale=3, frameon=False, loc="outside lower center", ncols=len(classes))
    return drawing
