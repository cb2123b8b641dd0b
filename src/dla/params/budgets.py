"""Upper limits on the work that the rest of params.yaml asks for, and settings cut down to them."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field
from pydantic.dataclasses import dataclass

from dla.core.parsing import STRICT
from dla.core.values import Count, Length, Several
from dla.rl.settings import Agent
from dla.vision.settings import ImageRun

T = TypeVar("T")


@dataclass(frozen=True, config=STRICT)
class DataBudget:
    """Where data come from."""

    source: Literal["embedded", "hub"]  # embedded: what the dependencies carry; hub: what `sources` names


@dataclass(frozen=True, config=STRICT)
class TrainCaps:
    """Upper limits on a run; what is left out is not limited."""

    epochs: Count | None = None
    examples: Several | None = None  # training images
    batch_size: Several | None = None
    width: Count | None = None  # of every layer


@dataclass(frozen=True, config=STRICT)
class GradientCaps:
    """Upper limits on the study of gradients."""

    steps: Count | None = None
    window: Count | None = None
    batch_size: Several | None = None
    width: Count | None = None


@dataclass(frozen=True, config=STRICT)
class ExplanationCaps:
    """Upper limits on an explanation."""

    pictures: Count | None = None
    scored: Count | None = None


@dataclass(frozen=True, config=STRICT)
class EmbeddingCaps:
    """Upper limits on what is encoded."""

    examples: Count | None = None
    max_tokens: Length | None = None


@dataclass(frozen=True, config=STRICT)
class HeadCaps:
    """Upper limits on what is trained on features."""

    epochs: Count | None = None
    batch_size: Count | None = None


@dataclass(frozen=True, config=STRICT)
class FineTuningCaps:
    """Upper limits on the training of an encoder."""

    epochs: Count | None = None
    batch_size: Several | None = None
    examples: Count | None = None
    max_tokens: Length | None = None


@dataclass(frozen=True, config=STRICT)
class LanguageModelCaps:
    """Upper limits on the training of a language model of characters."""

    epochs: Count | None = None
    steps: Count | None = None
    batch_size: Several | None = None
    context: Length | None = None
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
    points: Count | None = None
    validation_episodes: Count | None = None
    checkpoints: Count | None = None


@dataclass(frozen=True, config=STRICT)
class ScatterCaps:
    """Upper limits on t-SNE."""

    points: Annotated[int, Field(ge=50)] | None = None  # fewer have no ten neighbours in four of five folds


@dataclass(frozen=True, config=STRICT)
class Budget:
    """How much of the full workflow is run."""

    data: DataBudget
    train: dict[str, TrainCaps]  # by the name of the model, so that editing one leaves the runs of the others alone
    pair: TrainCaps
    gradients: GradientCaps
    cam: ExplanationCaps
    embed: dict[str, EmbeddingCaps]
    classify: dict[str, HeadCaps]
    finetune: dict[str, FineTuningCaps]
    tsne: ScatterCaps
    rank: dict[str, HeadCaps]
    lm: LanguageModelCaps
    generate: GenerationCaps
    agent: dict[str, AgentCaps]


# --- settings cut down to their limits, never made larger -----------------------------------------------------------


def cap_run(run: ImageRun, caps: TrainCaps) -> ImageRun:
    """An image run cut down to `caps`."""
    return replace(
        run,
        epochs=_cap(run.epochs, caps.epochs),
        batch_size=_cap(run.batch_size, caps.batch_size),
        examples=_cap(run.examples, caps.examples),
        model=_cap_width(run.model, caps.width),
    )


def cap_agent(run: Agent, caps: AgentCaps) -> Agent:
    """An agent's run cut down to `caps`: of its seeds the first ones are left."""
    return replace(
        run,
        seeds=run.seeds[: caps.seeds],
        steps=_cap(run.steps, caps.steps),
        episodes=_cap(run.episodes, caps.episodes),
        points=_cap(run.points, caps.points),
        validation_episodes=_cap(run.validation_episodes, caps.validation_episodes),
        checkpoints=_cap(run.checkpoints, caps.checkpoints),
    )


def cap_all(settings: T, caps: Any) -> T:
    """Every setting that `caps` limits, cut down to it."""
    limited: dict[str, Any] = {
        field.name: _cap(getattr(settings, field.name), getattr(caps, field.name)) for field in fields(caps)
    }
    return replace(settings, **limited)  # type: ignore[type-var]


def _cap(value: Any, limit: int | None) -> Any:
    """The smaller of both, None being no limit."""
    return limit if value is None else value if limit is None else min(value, limit)


def _cap_width(model: Any, limit: int | None) -> Any:
    if hasattr(model, "widths"):
        return replace(model, widths=tuple(_cap(width, limit) for width in model.widths))
    return replace(model, width=_cap(model.width, limit))
