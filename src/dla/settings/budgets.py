"""Upper limits on the work that the rest of params.yaml asks for."""

from __future__ import annotations

from typing import Literal

from pydantic.dataclasses import dataclass

from dla.parsing import STRICT
from dla.settings.values import Count


@dataclass(frozen=True, config=STRICT)
class DataBudget:
    """Where data come from."""

    source: Literal["embedded", "hub"]


@dataclass(frozen=True, config=STRICT)
class TrainCaps:
    """Upper limits on a run; what is left out is not limited."""

    epochs: Count | None = None
    examples: Count | None = None  # training images
    batch_size: Count | None = None
    width: Count | None = None  # of every layer


@dataclass(frozen=True, config=STRICT)
class GradientCaps:
    """Upper limits on the study of gradients."""

    steps: Count | None = None
    window: Count | None = None
    batch_size: Count | None = None
    width: Count | None = None


@dataclass(frozen=True, config=STRICT)
class ExplanationCaps:
    """Upper limits on an explanation."""

    scored: Count | None = None


@dataclass(frozen=True, config=STRICT)
class EmbeddingCaps:
    """Upper limits on what is encoded."""

    examples: Count | None = None
    max_tokens: Count | None = None


@dataclass(frozen=True, config=STRICT)
class HeadCaps:
    """Upper limits on what is trained on features."""

    epochs: Count | None = None


@dataclass(frozen=True, config=STRICT)
class FineTuningCaps:
    """Upper limits on the training of an encoder."""

    epochs: Count | None = None
    batch_size: Count | None = None
    examples: Count | None = None
    max_tokens: Count | None = None


@dataclass(frozen=True, config=STRICT)
class LanguageModelCaps:
    """Upper limits on the training of a language model of characters."""

    epochs: Count | None = None
    steps: Count | None = None
    batch_size: Count | None = None
    context: Count | None = None
    layers: Count | None = None
    heads: Count | None = None
    width: Count | None = None


@dataclass(frozen=True, config=STRICT)
class GenerationCaps:
    """Upper limits on what is written."""

    length: Count | None = None


@dataclass(frozen=True, config=STRICT)
class AgentCaps:
    """Upper limits on the training of an agent."""

    seeds: Count | None = None  # how many, the first ones
    steps: Count | None = None
    episodes: Count | None = None


@dataclass(frozen=True, config=STRICT)
class ScatterCaps:
    """Upper limits on t-SNE."""

    points: Count | None = None


@dataclass(frozen=True, config=STRICT)
class Budget:
    """How much of the full workflow is run."""

    data: DataBudget
    train: dict[str, TrainCaps]  # by the name of the model, so that editing one leaves the runs of the others alone
    pair: TrainCaps
    gradients: GradientCaps
    cam: ExplanationCaps
    embed: dict[str, EmbeddingCaps]  # by name
    classify: HeadCaps
    finetune: dict[str, FineTuningCaps]  # by name
    tsne: ScatterCaps
    rank: HeadCaps
    lm: LanguageModelCaps
    generate: GenerationCaps
    agent: dict[str, AgentCaps]  # by name
