"""Language models of characters, and what language models write."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

from dla.core.parsing import STRICT
from dla.core.values import Count, Fraction, Length, Name, Seed, Several
from dla.training.settings import Training

# Below, quotients of logits leave the range of float32, and there are no probabilities to draw from.
Temperature = Annotated[float, Field(ge=1e-3)]


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Sampling:
    """How the next token is chosen; without any of these, at random by the model's own probabilities."""

    greedy: bool = False  # the likeliest token, always
    temperature: Temperature = 1.0  # logits are divided by it; towards 0 it is greedy
    top_k: Count | None = None  # only the k likeliest tokens
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None  # only the likeliest tokens that have this share together
    beams: Several | None = None  # the likeliest of so many continuations kept at a time


@dataclass(frozen=True, config=STRICT, kw_only=True)
class LanguageModel(Training):
    """A GPT-2 of characters, trained on random passages; an epoch is `steps` batches of them."""

    data: Name  # a key of `data` of kind corpus
    layers: Count  # transformer blocks
    heads: Count  # of attention, in each block
    width: Count  # of the residual stream, in total over the heads
    context: Length  # characters
    dropout: Fraction = 0.0  # of embeddings and of what each block adds
    attention_dropout: Fraction = 0.0  # of attention's weights, which then cannot be fused
    steps: Count  # of an epoch
    seed: Seed
    prompt: Name  # of the second sample; the first is from nothing
    length: Count  # characters of each sample
    sampling: Sampling

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.width % self.heads:
            raise ValueError(f"width = {self.width} should be a multiple of heads = {self.heads}")


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Generation:
    """Prompts that language models continue, one that is downloaded and one that is trained here."""

    pretrained: Name  # a key of `sources` of type model
    trained: Name  # a key of `lm`
    corpus: Name  # a key of `data` whose tokens are counted
    prompts: Annotated[tuple[Name, ...], Field(min_length=1)]
    methods: dict[Name, Sampling]  # each continues every prompt, with both models
    length: Count  # tokens that are written after a prompt, at most
    seed: Seed
