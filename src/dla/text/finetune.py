"""Encoders trained end to end: as a classifier of texts, or as a multiple-choice model of questions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import torch
from numpy.typing import NDArray
from torch import nn

from dla.core.artifacts import Metadata, atomic, write_metrics
from dla.models.base.layers import Float32Linear, replace_dropout
from dla.models.base.registry import count_parameters
from dla.onednn import replace_linear
from dla.pretrained import read_pretrained, token_limit
from dla.text.batches import TokenBatches
from dla.text.encode import Tokens, show_mean
from dla.text.prepared import levels, read_splits
from dla.text.settings import FineTuning
from dla.text.tasks import Task, task_of
from dla.training.epoch import mode
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
    task: Task
    facts: Metadata  # of the data set
    outcome: Outcome
    pooling: str
    max_tokens: int
    rows: dict[str, pyarrow.Table]
    logits: dict[str, NDArray[Any]]  # (N, classes or options)

    def metrics(self) -> dict[str, Any]:
        """Scores on validation and test: of a classifier, or of answers."""
        scored = {split: self.task.metrics(self.logits[split], rows) for split, rows in self.rows.items()}
        return {"data": self.facts["source"], **scored, "best_epoch": self.outcome.fitted.kept_epoch}

    def targets(self, split: str) -> NDArray[Any]:
        """Numbers of the right choices, (N,)."""
        return self.task.targets(self.rows[split])

    def predictions(self, split: str) -> NDArray[Any]:
        """The class, or the option that alone has the highest score, (N,); -1 where two options have it."""
        return self.task.predictions(self.logits[split])

    def write(self, folder: Path) -> None:
        """Write the model and its tokenizer as `save_pretrained` does."""
        with atomic(folder) as temporary:
            self.model.cpu().save_pretrained(temporary)
            self.tokenizer.save_pretrained(temporary)
            write_metrics(
                temporary / "dla.json", {**self.facts, "max_tokens": self.max_tokens, "pooling": self.pooling}
            )


# Attention's own weights are not dropped, under any name a configuration has for it: attention that drops cannot be
# fused, and on two CPU cores a training step then takes 1.5 times as long.
WHOLE_ATTENTION = {"attention_probs_dropout_prob": 0.0, "attention_dropout": 0.0, "attn_pdrop": 0.0}


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
    splits, facts = read_splits(prepared, settings.examples)
    task = task_of(facts)
    seed_everything(settings.seed)
    configuration = {**WHOLE_ATTENTION, **task.configuration()}
    tokenizer, model = read_pretrained(folder, task.architecture, new_head=True, **configuration)
    replace_dropout(model)
    if settings.pooling == "mean":
        show_mean(model)
    limit = min(settings.max_tokens, token_limit(tokenizer, model))
    sequences = {split: task.sequences(tokenizer, rows, limit, settings) for split, rows in splits.items()}
    targets = {split: torch.from_numpy(task.targets(rows)).to(device) for split, rows in splits.items()}
    padding = tokenizer.pad_token_id or 0
    difficulty = torch.from_numpy(levels(splits["train"])) if settings.curriculum else None
    how = (settings.batch_size, settings.seed, settings.parts, difficulty)
    train = TokenBatches(sequences["train"], targets["train"], padding, *how)
    validation = TokenBatches(sequences["validation"], targets["validation"], padding, EVALUATION_BATCH)
    net = Packed(model, types="token_type_ids" in sequences["train"][0])
    if runtime.kernels == "portable":
        replace_linear(net)
    tokens = sum(len(row["input_ids"]) for row in sequences["train"])
    flops = 2.0 * count_parameters(net) * tokens / (len(train) * settings.parts)
    job = Job(name, settings, [prepared, *sorted(folder.iterdir())], device, runtime, log)
    outcome = job.run(net, (train, validation), flops, objective=task.objective(settings.label_smoothing))
    rows = {split: splits[split] for split in ("validation", "test")}
    logits = {split: _logits(net, sequences[split], padding, train.options, outcome.plan) for split in rows}
    return TrainedEncoder(model, tokenizer, task, facts, outcome, settings.pooling, limit, rows, logits)


@torch.no_grad()
def _logits(net: nn.Module, sequences: list[Tokens], padding: int, options: int, chosen: Plan) -> NDArray[Any]:
    """Logits (N, classes or options) of all sequences in their order, `options` of them to a row."""
    count = len(sequences) // options
    rows = torch.arange(count, device=chosen.device)  # as targets: each batch says which rows it has
    logits: torch.Tensor | None = None
    for inputs, batch in TokenBatches(sequences, rows, padding, EVALUATION_BATCH).epoch(0):
        with mode(net, training=False), chosen.autocast():
            part = net(inputs).float().cpu()
        logits = torch.empty(count, part.shape[1]) if logits is None else logits
        logits[batch.cpu()] = part
    return np.empty((0, 0)) if logits is None else logits.numpy()
