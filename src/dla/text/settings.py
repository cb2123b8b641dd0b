"""Features of a frozen language model, what is learned from them, and encoders trained end to end."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from pydantic.dataclasses import dataclass

from dla.core.parsing import STRICT, Found
from dla.core.values import Bounded, Count, Key, Label, Length, Name, Positive, Seed, Several
from dla.training.settings import Training

# What is left of an article that is too long, beside question and option: as much of its beginning as there is room
# for, or the sentences that share most words with both.
Excerpt = Literal["beginning", "nearest"]

Candidates = Annotated[tuple[Positive, ...], Field(min_length=1)]


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Embedding:
    """Features of every text of a data set from a frozen language model."""

    data: Name  # a key of `data`, of kind texts or questions
    encoder: Name  # a key of `sources` of type model
    # What becomes one vector: text: a text; separate: an article, a question, an option each; joint: all three at once.
    formulation: Literal["text", "separate", "joint"]
    pooling: Literal["cls", "mean", "last"]  # the first token's vector, the mean over all tokens, the last token's
    max_tokens: Length  # what is longer is cut
    excerpt: Excerpt = "beginning"  # jointly; else what is cut is always the end
    examples: Count | None = None  # training rows; all of them if left out


HEADS = Found("dla.text.heads", "name")


@dataclass(frozen=True, config=STRICT, kw_only=True)
class HeadSettings:
    """What the settings of every classifier of frozen features have."""

    name: Key  # a module of dla.text.heads
    features: Name  # a key of `embed`, of formulation text


Head = Annotated[HeadSettings, HEADS]


@dataclass(frozen=True, config=STRICT, kw_only=True)
class WordCounts:
    """Logistic regression on TF-IDF: what counting words comes to, without any language model."""

    data: Name  # a key of `data` of kind texts
    longest: Annotated[int, Field(ge=1, le=5)]  # words of the longest n-gram that is counted
    rarest: Count  # texts that a counted n-gram occurs in, at least
    c: Candidates  # scikit-learn's C, the inverse of the regularisation's strength; of several validation chooses
    iterations: Count  # of L-BFGS, at most


def _ascending(sizes: tuple[int, ...]) -> tuple[int, ...]:
    if list(sizes) != sorted(set(sizes)):
        raise ValueError(f"{list(sizes)} does not ascend")
    return sizes


@dataclass(frozen=True, config=STRICT, kw_only=True)
class LabelCurve:
    """Frozen features against counted words, by the number of labelled texts."""

    frozen: Head  # a logistic regression
    counted: WordCounts  # of the texts that the features are of
    sizes: Annotated[tuple[Count, ...], Field(min_length=2), AfterValidator(_ascending)]  # labelled texts
    draws: Several  # of as many random texts
    confidence: Annotated[float, Field(gt=0.5, lt=1)]  # level of the intervals, and of what is called shown
    seed: Seed  # of the draws


@dataclass(frozen=True, config=STRICT, kw_only=True)
class FineTuning(Training):
    """The encoder itself, trained end to end: on texts as a classifier, on questions as a multiple-choice model."""

    group: Label  # the plot of `dvc plots show` that it is drawn in
    data: Name  # a key of `data`, of kind texts or questions
    encoder: Name  # a key of `sources` of type model
    max_tokens: Length  # what is longer is cut
    excerpt: Excerpt = "beginning"  # of an article
    # What the model's head sees: cls: the first token's vector, as BERT has it; mean: over all tokens, as encoders
    # of sentences have it, which never trained the first.
    pooling: Literal["cls", "mean"] = "cls"
    examples: Count | None = None  # training rows; all of them if left out
    parts: Count = 1  # epochs that one pass over the data is divided into: validation and checkpoint come as often
    curriculum: bool = False  # the first pass goes from questions of level middle to high (Bengio et al. 2009)
    seed: Seed


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Scatter:
    """t-SNE of one split's features."""

    features: Name  # a key of `embed`, of formulation text
    split: Literal["train", "validation", "test"]
    points: Annotated[int, Field(ge=50), Bounded]  # random texts of the split
    perplexity: Annotated[float, Field(ge=1), Bounded]  # about how many neighbours a point has
    seed: Seed  # of the choice of points and of t-SNE


SCORERS = Found("dla.text.scorers", "name")


@dataclass(frozen=True, config=STRICT, kw_only=True)
class ScorerSettings:
    """What the settings of every scorer of answers have."""

    name: Key  # a module of dla.text.scorers
    features: Name  # a key of `embed`, of the formulation that the scorer takes

    @property
    def formulation(self) -> Literal["separate", "joint"]:
        """Of the features that it takes."""
        return "separate"

    @property
    def is_control(self) -> bool:
        """Whether what it gets right says nothing of reading, as of a rule, which has learned nothing."""
        return True


AnswerScorer = Annotated[ScorerSettings, SCORERS]
