"""Image classifiers: runs, comparisons over seeds, gradients, explanations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Annotated, Any, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from dla.core.parsing import STRICT
from dla.core.values import Count, Distinct, Label, Name, Positive, Seed, Several
from dla.models.base.settings import Model
from dla.training.settings import Training


@dataclass(frozen=True, config=STRICT, kw_only=True)
class ImageTraining(Training):
    """Data, model, and how it is trained: an image classifier but for the seed."""

    data: Name  # a key of `data`
    model: Model
    examples: Several | None = None  # the first of the shuffled training images; all if left out
    crop_padding: Annotated[int, Field(ge=0, le=64)] = 0  # pixels around the picture before a random crop
    flip: bool = False  # mirror every training image in every other epoch
    cutout: Annotated[int, Field(ge=0, le=64)] = 0  # side in pixels of a square that training images are without
    mirrored_views: bool = False  # of images that it is tested on, the mean of its answers to both ways round


@dataclass(frozen=True, config=STRICT, kw_only=True)
class SeededTraining(ImageTraining):
    """One image classifier; all randomness follows from the seeds."""

    seed: Seed
    split_seed: Seed | None = None  # draws anew which pictures validate; as they were prepared if left out


@dataclass(frozen=True, config=STRICT, kw_only=True)
class ImageRun(ImageTraining):
    """One image classifier for every seed."""

    group: Label  # the plot of `dvc plots show` that it is drawn in
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1), Distinct]  # a training from each
    split_seed: Seed | None = None  # draws anew which pictures validate; as they were prepared if left out

    def trainings(self) -> tuple[SeededTraining, ...]:
        """One training for every seed, all on the same split."""
        return tuple(SeededTraining(**_shared(self), seed=seed, split_seed=self.split_seed) for seed in self.seeds)


def _shared(training: ImageTraining) -> dict[str, Any]:
    return {field.name: getattr(training, field.name) for field in fields(ImageTraining)}


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Contender(ImageTraining):
    """One of two trainings that are compared."""

    label: Label  # its name in tables and plots

    def training(self, seed: int) -> SeededTraining:
        """This training from one seed, which draws its split too."""
        return SeededTraining(**_shared(self), seed=seed, split_seed=seed)


@dataclass(frozen=True, config=STRICT)
class Pair:
    """Two trainings on one data set, compared seed by seed; differences are first minus second."""

    first: Contender
    second: Contender

    def __post_init__(self) -> None:
        if self.first.data != self.second.data:
            raise ValueError(f"second.data = {self.second.data!r} should be that of first")
        if self.first.label == self.second.label:
            raise ValueError(f"second.label = {self.second.label!r} should differ from first's")

    def trainings(self, seed: int) -> dict[str, SeededTraining]:
        """Both trainings from one seed, by label."""
        return {contender.label: contender.training(seed) for contender in self}

    def __iter__(self) -> Iterator[Contender]:
        return iter((self.first, self.second))


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Repeats:
    """The seeds a pair is trained from, and how the outcomes are compared."""

    seeds: Annotated[tuple[Seed, ...], Field(min_length=2), Distinct]  # the pair is trained from each
    loss: Positive  # training loss whose first reaching is timed
    confidence: Annotated[float, Field(gt=0.5, lt=1)]  # level of the intervals, and of what is called shown


@dataclass(frozen=True, config=STRICT, kw_only=True)
class GradientStudy:
    """Constant-width networks of several depths, trained on the same batches while every gradient is measured."""

    data: Name  # a key of `data`
    depths: Annotated[tuple[Count, ...], Field(min_length=2), Distinct]  # without skips: layers; with: blocks
    batch_norm: Annotated[tuple[bool, ...], Field(min_length=1), Distinct]  # with, without, or both
    # Of the convolutions: PyTorch's default, He's, or both.
    initialisation: Annotated[tuple[Literal["default", "he"], ...], Field(min_length=1), Distinct]
    width: Count  # channels of every layer
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1), Distinct]  # every net is trained from each
    steps: Count  # of each network
    window: Count  # last steps that the medians are taken over
    batch_size: Several
    optimizer: Literal["sgd", "adam", "adamw"]
    learning_rate: Positive


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Explanation:
    """What is drawn and scored of the class activation maps of trained image classifiers."""

    pictures: Count  # random test pictures that are drawn
    scored: Count  # random test pictures on which deletion and insertion are measured
    seed: Seed  # of both choices, and of the random maps
