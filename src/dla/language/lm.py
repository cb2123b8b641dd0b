"""A GPT-2 of characters: from one long text to a folder that transformers loads."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import nn
from torch.nn import functional as F
from transformers import GPT2Config, GPT2LMHeadModel

from dla.core.artifacts import Metadata, atomic, read_texts, write_metrics
from dla.language.characters import START, build_tokenizer, tokens_of
from dla.language.ngrams import NAMES, compressed_bits, ngram_bits
from dla.language.settings import LanguageModel
from dla.language.stream import stream
from dla.language.verse import Passage, quality
from dla.models.base.layers import replace_dropout
from dla.models.base.registry import count_parameters
from dla.onednn import replace_linear
from dla.training.epoch import Scores, evaluate, mode
from dla.training.fit import Fitted
from dla.training.job import Job, Outcome
from dla.training.runtime import seed_everything, start
from dla.training.settings import Runtime, Tracking

Batch = tuple[torch.Tensor, torch.Tensor]  # characters and the characters after them, both (B, T) int64

COLUMNS = ("run", "step", "split", "loss", "accuracy", "learning_rate")


class RandomPassages:
    """Batches of passages from anywhere in a text; what an epoch yields follows from the seed and its number."""

    def __init__(self, tokens: torch.Tensor, settings: LanguageModel) -> None:
        self.tokens = tokens  # (N,) int64
        self.settings = settings
        self.context = min(settings.context, len(tokens) - 1)

    def __len__(self) -> int:
        """Number of batches in an epoch."""
        return self.settings.steps

    def epoch(self, number: int) -> Iterator[Batch]:
        """The batches of epoch `number`."""
        generator = torch.Generator().manual_seed(self.settings.seed * 1_000_003 + number)
        size = (self.settings.steps, self.settings.batch_size)
        starts = torch.randint(len(self.tokens) - self.context, size, generator=generator).to(self.tokens.device)
        offsets = torch.arange(self.context + 1, device=self.tokens.device)
        for batch in starts:
            passages = self.tokens[batch[:, None] + offsets]  # (B, T + 1)
            yield passages[:, :-1], passages[:, 1:]


EVALUATION_TOKENS = 16384  # of one batch; no gradients are kept


class Passages:
    """A whole text as passages that follow each other; every character but the first is predicted once."""

    def __init__(self, tokens: torch.Tensor, context: int) -> None:
        self.tokens = tokens
        self.context = context
        self.size = max(1, EVALUATION_TOKENS // context) * context  # characters of a batch

    def __len__(self) -> int:
        """Number of batches."""
        return math.ceil((len(self.tokens) - 1) / self.size)

    def epoch(self, number: int) -> Iterator[Batch]:
        """The batches, the same in every epoch; what is left over at the end is a shorter passage of its own."""
        inputs, targets = self.tokens[:-1], self.tokens[1:]
        whole = len(inputs) // self.context * self.context
        for first in range(0, whole, self.size):
            part = slice(first, min(first + self.size, whole))
            yield inputs[part].view(-1, self.context), targets[part].view(-1, self.context)
        if whole < len(inputs):
            yield inputs[None, whole:], targets[None, whole:]


class NextToken:
    """An objective: cross-entropy of logits (B, T, V) with the tokens (B, T) that follow, each counting once."""

    def __init__(self, label_smoothing: float = 0.0) -> None:
        self.label_smoothing = label_smoothing

    def __call__(self, model: Callable[..., Any], batch: Batch) -> tuple[torch.Tensor, torch.Tensor, int]:
        inputs, targets = batch
        logits = model(inputs).flatten(0, 1)
        loss = F.cross_entropy(logits.float(), targets.flatten(), label_smoothing=self.label_smoothing)
        return loss, (logits.detach().argmax(-1) == targets.flatten()).sum(), targets.numel()


class Logits(nn.Module):
    """A causal model of transformers that returns logits alone: (B, T) -> (B, T, V)."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.model(input_ids=tokens, use_cache=False).logits
        return logits


def build_gpt(settings: LanguageModel, vocabulary: int, start: int) -> GPT2LMHeadModel:
    """A GPT-2 with random weights (Radford et al. 2019), every attention head of it in one matrix.

    Parameters
    ----------
    vocabulary : number of tokens
    start : the token that a text begins after
    """
    model = GPT2LMHeadModel(
        GPT2Config(
            vocab_size=vocabulary,
            n_positions=settings.context,
            n_embd=settings.width,
            n_layer=settings.layers,
            n_head=settings.heads,
            activation_function="gelu_pytorch_tanh",  # GPT-2's own, as one operation
            embd_pdrop=settings.dropout,
            resid_pdrop=settings.dropout,
            attn_pdrop=settings.attention_dropout,
            bos_token_id=start,
            eos_token_id=None,
        )
    )
    replace_dropout(model)
    return model


@dataclass(frozen=True)
class TrainedLanguageModel:
    """A trained language model and what it writes."""

    name: str
    settings: LanguageModel
    model: Any
    tokenizer: Any
    facts: Metadata
    outcome: Outcome
    test: Scores  # of the kept weights
    samples: dict[str, str]  # from nothing, and from the prompt, which is left out
    quality: dict[str, dict[str, float | None]]  # of the samples and of the text of the test
    ngrams: dict[str, float]  # bits per character of the text of the test under models that count
    zstd: float  # and by a compressor

    @property
    def fitted(self) -> Fitted:
        """The curves, and the epoch whose weights were kept."""
        return self.outcome.fitted

    def metrics(self) -> dict[str, Any]:
        """Losses in nats, bits per character, perplexity, and what the samples are like."""
        kept = self.fitted.kept
        return {
            "data": self.facts["source"],
            "train": {"loss": kept.train.loss},
            "validation": {"loss": kept.validation.loss, "accuracy": kept.validation.accuracy},
            "test": {
                "loss": self.test.loss,
                "bits_per_character": self.test.loss / math.log(2),
                "perplexity": math.exp(self.test.loss),
                "accuracy": self.test.accuracy,
            },
            "parameters": count_parameters(self.model),
            "characters": len(self.tokenizer),
            "ngrams": self.ngrams,
            "zstd": self.zstd,
            "best_step": kept.number * self.settings.steps,
            "quality": self.quality,
        }

    def rows(self) -> Iterator[dict[str, Any]]:
        """The curves as rows of `COLUMNS`."""
        for row in self.fitted.rows(self.name):
            yield {"step": row.pop("epoch") * self.settings.steps, **row}

    def write(self, folder: Path) -> None:
        """Write the model and its tokenizer as `save_pretrained` does."""
        transformers.utils.logging.disable_progress_bar()
        with atomic(folder) as temporary:
            self.model.cpu().save_pretrained(temporary)
            self.tokenizer.save_pretrained(temporary)
            write_metrics(temporary / "dla.json", self.facts)

    def sample_text(self) -> str:
        """The samples as one readable text."""
        about = "embedded text" if self.facts["source"] == "embedded" else self.settings.data
        return "\n".join(f"--- {self.name} ({about}), {title} ---\n\n{text}\n" for title, text in self.samples.items())


def train_lm(
    name: str, settings: LanguageModel, prepared: Path, runtime: Runtime, log: Tracking
) -> TrainedLanguageModel:
    """Train a model of the prepared text, resume a killed run, test the kept weights once, and let them write.

    The validation text chooses the epoch; bits per character and quality are of the test text, which chooses nothing.

    Raises
    ------
    UserError
        If the text is missing or shorter than a passage, the prompt has a character that the text has not, or the loss
        is no longer finite.
    """
    device = start(runtime)
    table, facts = read_texts(prepared)
    texts = dict(zip(table["split"].to_pylist(), table["text"].to_pylist(), strict=True))
    tokenizer = build_tokenizer("".join(texts.values()), settings.context)
    begin = tokens_of(tokenizer, START)
    prompts = {"from nothing": begin, f"after {settings.prompt!r}": tokens_of(tokenizer, settings.prompt)}
    seed_everything(settings.seed)
    model = build_gpt(settings, len(tokenizer), *begin)
    if runtime.kernels == "portable":
        replace_linear(model)
    tokens = {split: torch.tensor(tokens_of(tokenizer, text), device=device) for split, text in texts.items()}
    data = RandomPassages(tokens["train"], settings), Passages(tokens["validation"], settings.context)
    flops = 2.0 * count_parameters(model) * settings.batch_size * settings.context
    job, logits = Job(name, settings, [prepared], device, runtime, log), Logits(model)
    outcome = job.run(logits, data, flops, objective=NextToken(settings.label_smoothing))
    test = evaluate(logits, logits, Passages(tokens["test"], settings.context), NextToken(), outcome.plan)
    with mode(model.cpu(), training=False):
        samples = {
            title: "".join(stream(model, tokenizer, prompt, settings.length, settings.sampling, settings.seed))
            for title, prompt in prompts.items()
        }
    passages = {
        "sample": [Passage(samples[title], tokenizer.decode(prompt)) for title, prompt in prompts.items()],
        "held_out": [Passage(texts["test"])],
    }
    judged = {part: quality(passage, texts["train"], facts["form"]) for part, passage in passages.items()}
    ngrams = {title: ngram_bits(texts["train"], texts["test"], order) for order, title in enumerate(NAMES, 1)}
    zstd = compressed_bits(texts["train"], texts["test"])
    return TrainedLanguageModel(name, settings, model, tokenizer, facts, outcome, test, samples, judged, ngrams, zstd)
