"""Encoders trained end to end: as a classifier of texts, or as a multiple-choice model of questions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import torch
from numpy.typing import NDArray
from scipy.special import softmax
from torch import nn

from dla.core.artifacts import Metadata, atomic, read_texts, write_metrics
from dla.models.layers import Float32Linear, replace_dropout
from dla.models.registry import count_parameters
from dla.text.batches import TokenBatches
from dla.text.embed import LEVELS, levels, split_rows, targets
from dla.text.encode import Tokens, read_pretrained, show_mean, token_limit, tokenize
from dla.text.joint import joint_tokens
from dla.text.losses import RankingLoss
from dla.text.scores import LETTERS, answer_metrics, chosen_options, classification
from dla.text.settings import Excerpt, FineTuning
from dla.training.epoch import CrossEntropy, mode
from dla.training.job import Job, Outcome
from dla.training.runtime import Plan, seed_everything, start
from dla.training.settings import Runtime, Tracking

EVALUATION_BATCH = 64


class Packed(nn.Module):
    """A model of transformers that takes the packed inputs of `TokenBatches` and returns logits alone.

    Its last layer is computed in float32 whatever the rest is: two options whose scores differ by less than a
    thousandth would be a tie in bfloat16.
    """

    def __init__(self, model: nn.Module, *, types: bool) -> None:
        super().__init__()
        self.model = model
        self.types = types
        name, last = [named for named in model.named_modules() if isinstance(named[1], nn.Linear)][-1]
        model.set_submodule(name, Float32Linear(last))

    def forward(self, packed: torch.Tensor) -> torch.Tensor:  # (B, [options,] 3, T) -> (B, classes or options)
        tokens, mask, types = packed.unbind(-2)
        more = {"token_type_ids": types} if self.types else {}
        logits: torch.Tensor = self.model(input_ids=tokens, attention_mask=mask, **more).logits
        return logits


@dataclass(frozen=True)
class TrainedEncoder:
    """A trained encoder and what it makes of validation and test."""

    model: Any
    tokenizer: Any
    facts: Metadata
    outcome: Outcome
    settings: FineTuning
    max_tokens: int
    rows: dict[str, pyarrow.Table]
    logits: dict[str, NDArray[Any]]  # (N, classes or options)

    @property
    def classes(self) -> list[str]:
        """What it chooses from: classes, or the letters of the options."""
        return list(self.facts.get("classes", LETTERS))

    def split(self, split: str) -> tuple[NDArray[Any], NDArray[Any]]:
        """What is right (N,), and probabilities (N, classes or options)."""
        return targets(self.rows[split]), softmax(self.logits[split], axis=1)

    def predicted(self, split: str) -> NDArray[Any]:
        """The class, or the option that alone has the highest score, (N,); -1 where two options have it."""
        logits = self.logits[split]
        return logits.argmax(1) if "classes" in self.facts else chosen_options(logits)

    def metrics(self) -> dict[str, Any]:
        """Scores on validation and test: of a classifier, or of answers."""
        made = {split: self._scores(split) for split in self.rows}
        return {"data": self.facts["source"], **made, "best_epoch": self.outcome.fitted.kept_epoch}

    def _scores(self, split: str) -> dict[str, Any]:
        if "classes" in self.facts:
            return classification(*self.split(split), self.classes)
        return answer_metrics(self.logits[split], targets(self.rows[split]), levels(self.rows[split]), LEVELS)

    def write(self, folder: Path) -> None:
        """Write the model and its tokenizer as `save_pretrained` does."""
        with atomic(folder) as temporary:
            self.model.cpu().save_pretrained(temporary)
            self.tokenizer.save_pretrained(temporary)
            write_metrics(
                temporary / "dla.json", {**self.facts, "max_tokens": self.max_tokens, "pooling": self.settings.pooling}
            )


def finetune(
    name: str, settings: FineTuning, prepared: Path, folder: Path, runtime: Runtime, log: Tracking
) -> TrainedEncoder:
    """Train the encoder of `folder` on the prepared data set, resume a killed run, and test once at the end.

    Raises
    ------
    UserError
        If the data or the encoder are missing or broken, or the loss is no longer finite.
    """
    device = start(runtime)
    table, facts = read_texts(prepared)
    splits = {split: split_rows(table, split, settings.examples) for split in ("train", "validation", "test")}
    seed_everything(settings.seed)
    tokenizer, model = _read(folder, facts)
    if settings.pooling == "mean":
        show_mean(model)
    limit = min(settings.max_tokens, token_limit(tokenizer, model))
    sequences = {split: _sequences(tokenizer, rows, limit, settings.excerpt) for split, rows in splits.items()}
    right = {split: torch.from_numpy(targets(rows)).to(device) for split, rows in splits.items()}
    padding = tokenizer.pad_token_id or 0
    difficulty = torch.from_numpy(levels(splits["train"])) if settings.curriculum else None
    how = (settings.batch_size, settings.seed, settings.parts, difficulty)
    train = TokenBatches(sequences["train"], right["train"], padding, *how)
    validation = TokenBatches(sequences["validation"], right["validation"], padding, EVALUATION_BATCH)
    net = Packed(model, types="token_type_ids" in sequences["train"][0])
    tokens = sum(len(row["input_ids"]) for row in sequences["train"])
    flops = 2.0 * count_parameters(net) * tokens / (len(train) * settings.parts)
    smoothing = settings.label_smoothing
    objective = CrossEntropy(smoothing) if "classes" in facts else RankingLoss("softmax", smoothing)
    files = [prepared, *sorted(folder.iterdir())]
    outcome = Job(name, settings, files, device, runtime, log).run(net, (train, validation), flops, objective=objective)
    evaluated = ("validation", "test")
    found = {split: _logits(net, sequences[split], padding, train.options, outcome.plan) for split in evaluated}
    rows = {split: splits[split] for split in evaluated}
    return TrainedEncoder(model, tokenizer, facts, outcome, settings, limit, rows, found)


# Attention's own weights are not dropped, under any name a configuration has for it: attention that drops cannot be
# fused, and on two CPU cores a training step then takes 1.5 times as long.
WHOLE_ATTENTION = {"attention_probs_dropout_prob": 0.0, "attention_dropout": 0.0, "attn_pdrop": 0.0}


def _read(folder: Path, facts: Metadata) -> tuple[Any, Any]:
    if "classes" in facts:
        names = dict(enumerate(facts["classes"]))
        numbers = {name: number for number, name in names.items()}
        kind, labels = "AutoModelForSequenceClassification", {"id2label": names, "label2id": numbers}
    else:
        kind, labels = "AutoModelForMultipleChoice", {}
    tokenizer, model = read_pretrained(folder, kind, new_head=True, **WHOLE_ATTENTION, **labels)
    replace_dropout(model)
    return tokenizer, model


def _sequences(tokenizer: Any, rows: pyarrow.Table, limit: int, excerpt: Excerpt) -> list[Tokens]:
    if "text" in rows.column_names:
        return tokenize(tokenizer, rows["text"].to_pylist(), limit)
    return joint_tokens(tokenizer, rows, limit, excerpt)


@torch.no_grad()
def _logits(net: nn.Module, sequences: list[Tokens], padding: int, options: int, chosen: Plan) -> NDArray[Any]:
    """Logits (N, classes or options) of all sequences in their order, `options` of them to a row."""
    count = len(sequences) // options
    rows = torch.arange(count, device=chosen.device)  # as targets: each batch says which rows it has
    found: torch.Tensor | None = None
    for inputs, chosen_rows in TokenBatches(sequences, rows, padding, EVALUATION_BATCH).epoch(0):
        with mode(net, training=False), chosen.autocast():
            made = net(inputs).float().cpu()
        found = torch.empty(count, made.shape[1]) if found is None else found
        found[chosen_rows.cpu()] = made
    return np.empty((0, 0)) if found is None else found.numpy()
