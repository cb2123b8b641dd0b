"""The option whose features are nearest to article and question: an answer without any training."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic.dataclasses import dataclass

from dla.core.parsing import STRICT
from dla.text.rank import Tensors, TrainedScorer
from dla.text.settings import ScorerSettings


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Settings(ScorerSettings):
    """The option whose features are nearest to those of article and question, without any training."""


def fit(*_: object) -> TrainedScorer:
    """The rule: there is nothing to fit."""
    return TrainedScorer(score)


def score(tensors: Tensors) -> NDArray[Any]:
    """Cosine of every option's features with the sum of article's and question's, (N, 4)."""
    asked = tensors["articles"][tensors["article"]] + tensors["questions"]
    norms = np.linalg.norm(tensors["options"], axis=-1) * np.linalg.norm(asked, axis=-1)[:, None]
    scores: NDArray[Any] = np.einsum("nod,nd->no", tensors["options"], asked) / np.maximum(norms, 1e-12)
    return scores
