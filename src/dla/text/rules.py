"""Answers to questions without any training: what a trained scorer has to beat."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dla.core.artifacts import read_tensors
from dla.text.rank import TrainedRanker
from dla.text.settings import Rule

Tensors = dict[str, NDArray[Any]]


def longest(tensors: Tensors) -> NDArray[Any]:
    """Characters of every option (N, 4); of equally long ones the first counts as the longest."""
    return tensors["lengths"] - np.arange(4) / 4


def cosine(tensors: Tensors) -> NDArray[Any]:
    """Cosine of every option's features with the sum of article's and question's, (N, 4)."""
    asked = tensors["articles"][tensors["article"]] + tensors["questions"]
    norms = np.linalg.norm(tensors["options"], axis=-1) * np.linalg.norm(asked, axis=-1)[:, None]
    scores: NDArray[Any] = np.einsum("nod,nd->no", tensors["options"], asked) / np.maximum(norms, 1e-12)
    return scores


RULES = {"longest": longest, "cosine": cosine}


def apply_rule(name: str, rule: Rule, features: Path) -> TrainedRanker:
    """What the rule makes of validation and test, as a scorer that has no weights.

    Raises
    ------
    UserError
        If the features are missing or broken.
    """
    metadata = read_tensors(features, "none.")[1]
    splits = {split: read_tensors(features, f"{split}.")[0] for split in ("validation", "test")}
    return TrainedRanker(
        name,
        None,
        {},
        metadata["source"],
        {split: RULES[rule.name](tensors) for split, tensors in splits.items()},
        {split: tensors["answers"] for split, tensors in splits.items()},
        {split: tensors["levels"] for split, tensors in splits.items()},
        metadata["levels"],
    )
