"""Features of a frozen language model, what is learned from them, and encoders trained end to end."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from dla.core.parsing import STRICT
from dla.core.values import Bounded, Count, Fraction, Label, Length, Name, Positive, Seed
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


@dataclass(frozen=True, config=STRICT, kw_only=True)
class LogisticRegressionHead:
    """One-vs-rest logistic regression on frozen features."""

    name: Literal["logreg"]
    features: Name  # a key of `embed`
    c: Candidates  # scikit-learn's C, the inverse of the regularisation's strength; of several validation chooses
    standardize: bool = True  # every feature to mean 0 and variance 1 first
    iterations: Count  # of L-BFGS, at most


@dataclass(frozen=True, config=STRICT, kw_only=True)
class MLPHead(Training):
    """A multilayer perceptron on frozen features."""

    name: Literal["mlp"]
    features: Name  # a key of `embed`
    widths: tuple[Count, ...]  # units of the hidden layers
    dropout: Fraction = 0.0  # after every hidden layer
    standardize: bool = True  # every feature to mean 0 and variance 1 first
    seed: Seed


Head = Annotated[LogisticRegressionHead | MLPHead, Field(discriminator="name")]


@dataclass(frozen=True, config=STRICT, kw_only=True)
class WordCounts:
    """Logistic regression on TF-IDF: what counting words comes to, without any language model."""

    data: Name  # a key of `data` of kind texts
    longest: Annotated[int, Field(ge=1, le=5)]  # words of the longest n-gram that is counted
    rarest: Count  # texts that a counted n-gram occurs in, at least
    c: Candidates  # scikit-learn's C, the inverse of the regularisation's strength; of several validation chooses
    iterations: Count  # of L-BFGS, at most


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

    data: Name  # that of the features; names what the stage depends on
    features: Name  # a key of `embed`
    split: Literal["train", "validation", "test"]
    points: Annotated[int, Field(ge=50), Bounded]  # random texts of the split
    perplexity: Annotated[float, Field(ge=1), Bounded]  # about how many neighbours a point has
    seed: Seed  # of the choice of points and of t-SNE


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Ranking(Training):
    """A perceptron that scores every option of a question; the highest score is the answer."""

    name: Literal["mlp"]
    features: Name  # a key of `embed`
    # What it sees of separate features: their mean; the option's alone; all side by side with their products. Joint
    # features it sees as they are.
    combine: Literal["mean", "option", "interaction", "joint"]
    # Of right against wrong scores: margin, ratio (the laboratory's), softplus-ratio (ours), or cross-entropy.
    loss: Literal["margin", "ratio", "softplus-ratio", "softmax"]
    widths: tuple[Count, ...]  # units of the hidden layers
    dropout: Fraction = 0.0  # after every hidden layer
    standardize: bool = True  # every feature to mean 0 and variance 1 first
    seed: Seed

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.label_smoothing and self.loss != "softmax":
            raise ValueError(f"label_smoothing = {self.label_smoothing} is for loss: softmax alone")

    @property
    def is_control(self) -> bool:
        """Whether it sees neither article nor question, so that what it gets right says nothing of reading."""
        return self.combine == "option"


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Rule:
    """An answer to every question without any training, which what is trained has to beat."""

    # longest: the option of most characters; cosine: the option whose features are nearest to article and question.
    name: Literal["longest", "cosine"]
    features: Name  # a key of `embed`, of formulation separate

    @property
    def is_control(self) -> bool:
        """Always: it has learned nothing."""
        return True


AnswerScorer = Annotated[Ranking | Rule, Field(discriminator="name")]
