"""What a model that scores four options can be trained for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch.nn import functional as F

MARGIN = 1.0  # of the laboratory
RankingLossName = Literal["margin", "ratio", "softplus-ratio", "softmax"]


class RankingLoss:
    """An objective for scores (B, options) of which one should be the highest.

    margin : mean of max(0, 1 - (right - wrong)) over the wrong options
    ratio : the laboratory's: sum of right / wrong over the wrong options' raw scores. It is lowest where the right
        option's score is low beside positive others, has no lower bound where a wrong score is near 0, and turns its
        direction where one is negative: which option it lifts to the top is left to chance.
    softplus-ratio : ours: mean of wrong / right, all made positive by softplus, so that it falls as the right option
        rises or a wrong one sinks, down to 0
    softmax : cross-entropy over the options

    An answer is right if it alone has the highest score: a tie is not a hit.
    """

    def __init__(self, kind: RankingLossName, label_smoothing: float = 0.0) -> None:
        self.kind = kind
        self.label_smoothing = label_smoothing  # of softmax alone

    def __call__(
        self, model: Callable[..., Any], batch: tuple[torch.Tensor, torch.Tensor]
    ) -> tuple[torch.Tensor, torch.Tensor, int]:
        inputs, answers = batch
        scores = model(inputs)
        return self.loss(scores, answers), hits(scores.detach(), answers).sum(), answers.numel()

    def loss(self, scores: torch.Tensor, answers: torch.Tensor) -> torch.Tensor:
        """Mean loss of scores (B, options) with the right option's number (B,)."""
        if self.kind == "softmax":
            return F.cross_entropy(scores, answers, label_smoothing=self.label_smoothing)
        # Masks instead of indices: nothing here waits for the device.
        is_right, right = _right(scores, answers)
        if self.kind == "ratio":
            return (right / scores.masked_fill(is_right, torch.inf)).sum(1).mean()
        wrong = ~is_right / (scores.shape[1] - 1)
        if self.kind == "margin":
            return (F.relu(MARGIN - (right - scores)) * wrong).sum(1).mean()
        quotient = (F.softplus(scores) * wrong).sum(1) / F.softplus(right[:, 0]).clamp(min=1e-3)
        return quotient.mean()


def hits(scores: torch.Tensor, answers: torch.Tensor) -> torch.Tensor:
    """Whether the answer alone has the highest of scores (B, options), (B,) bool."""
    is_right, right = _right(scores, answers)
    return ((right > scores) | is_right).all(1)


def _right(scores: torch.Tensor, answers: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Which option is right, (B, options) bool, and its score (B, 1)."""
    is_right = F.one_hot(answers, scores.shape[1]).bool()
    return is_right, scores.masked_fill(~is_right, 0).sum(1, keepdim=True)
