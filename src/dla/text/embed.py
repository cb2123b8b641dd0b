"""Features of a whole text data set, one vector per text, or per article, question and option."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.compute
from numpy.typing import NDArray

from dla.core.artifacts import Metadata, read_texts
from dla.text.encode import BATCH_TOKENS, Encoder, Tokens, distinct, encode, read_encoder, tokenize
from dla.text.joint import joint_tokens
from dla.text.settings import Embedding, Excerpt
from dla.training.checkpoint import Checkpoint
from dla.training.runtime import plan, start
from dla.training.settings import Runtime

SPLITS = ("train", "validation", "test")


def embed(
    settings: Embedding, prepared: Path, folder: Path, runtime: Runtime
) -> tuple[dict[str, NDArray[Any]], Metadata]:
    """Encode every text of the prepared data set; vectors in the data set's order, and what is known of them.

    For each split there are, of texts, `SPLIT.features` (N, D) float32 and `SPLIT.labels` (N,) int64; of
    questions `SPLIT.answers` (N,), `SPLIT.lengths` (N, 4) in characters of the options, and `SPLIT.levels` (N,), all
    int64, the last numbers of the metadata's `levels`, and

    separate : `SPLIT.articles` (A, D) of the distinct articles, `SPLIT.article` (N,) which of them, `SPLIT.questions`
        (N, D), `SPLIT.options` (N, 4, D)
    joint : `SPLIT.features` (N, 4, D), one vector per option in the sight of article and question

    Raises
    ------
    UserError
        If the data or the encoder are missing or broken.
    """
    device = start(runtime)
    table, facts = read_texts(prepared)
    splits = {split: split_rows(table, split, settings.examples) for split in SPLITS}
    encoder = read_encoder(folder)
    limit = min(settings.max_tokens, encoder.limit)
    match settings.formulation:
        case "text":
            sequences, place = _text(encoder, splits, limit)
        case "separate":
            sequences, place = _separate(encoder, splits, limit)
        case "joint":
            sequences, place = _joint(encoder, splits, limit, settings.excerpt)

    tokens = sum(len(sequence["input_ids"]) for sequence in sequences)
    parameters = sum(parameter.numel() for parameter in encoder.model.parameters())
    chosen = plan(runtime, device, flops=2.0 * parameters * BATCH_TOKENS[device.type], batches=1)
    print(f"{len(sequences):,} sequences, {tokens:,} tokens; {chosen.reason}", flush=True)
    identity = {"embed": asdict(settings), "device": device.type, "dtype": str(chosen.dtype)}
    checkpoint = Checkpoint(identity, [prepared, *sorted(folder.iterdir())])
    vectors = encode(encoder, sequences, settings.pooling, chosen, checkpoint.folder)

    tensors = {name: vectors[where] for name, where in place.items()}
    for split, rows in splits.items():
        if settings.formulation == "text":
            tensors[f"{split}.labels"] = targets(rows)
            continue
        tensors |= {f"{split}.{name}": read(rows) for name, read in QUESTIONS.items()}
        if settings.formulation == "separate":
            tensors[f"{split}.article"] = distinct(rows["article"].to_pylist())[1]
    metadata = {**facts, "embed": asdict(settings), "encoder": encoder.model.config.model_type}
    return tensors, metadata | ({} if settings.formulation == "text" else {"levels": LEVELS})


LEVELS = ["middle", "high"]


def split_rows(table: pyarrow.Table, split: str, examples: int | None) -> pyarrow.Table:
    """Rows of one split, of the training split the first `examples`."""
    rows = table.filter(pyarrow.compute.equal(table["split"], split))
    return rows.slice(0, examples) if split == "train" else rows


def targets(rows: pyarrow.Table) -> NDArray[Any]:
    """What is right, (N,) int64: the class of a text, or the number of a question's option."""
    found: NDArray[Any] = rows["label" if "label" in rows.column_names else "answer"].to_numpy().astype(np.int64)
    return found


def levels(rows: pyarrow.Table) -> NDArray[Any]:
    """How hard each question is, (N,) int64 numbers of `LEVELS`."""
    return np.array([LEVELS.index(level) for level in rows["level"].to_pylist()], np.int64)


def lengths(rows: pyarrow.Table) -> NDArray[Any]:
    """Characters of each option, (N, 4) int64."""
    return np.array([[len(option) for option in options] for options in rows["options"].to_pylist()], np.int64)


QUESTIONS = {"answers": targets, "lengths": lengths, "levels": levels}  # what is known of every question


# --- what becomes one vector: sequences to encode, and which of their vectors go where ----------------------------

Splits = dict[str, pyarrow.Table]
Work = tuple[list[Tokens], dict[str, NDArray[Any]]]


def _text(encoder: Encoder, splits: Splits, limit: int) -> Work:
    columns = {f"{split}.features": rows["text"].to_pylist() for split, rows in splits.items()}
    return _encode_once(encoder, columns, limit)


def _separate(encoder: Encoder, splits: Splits, limit: int) -> Work:
    columns: dict[str, list[str]] = {}
    for split, rows in splits.items():
        columns[f"{split}.articles"] = distinct(rows["article"].to_pylist())[0]
        columns[f"{split}.questions"] = rows["question"].to_pylist()
        columns[f"{split}.options"] = [option for options in rows["options"].to_pylist() for option in options]
    sequences, place = _encode_once(encoder, columns, limit)
    for split in splits:
        place[f"{split}.options"] = place[f"{split}.options"].reshape(-1, 4)
    return sequences, place


def _encode_once(encoder: Encoder, columns: dict[str, list[str]], limit: int) -> Work:
    """Every distinct text once, wherever it occurs."""
    texts, which = distinct([text for column in columns.values() for text in column])
    bounds = np.cumsum([len(column) for column in columns.values()])[:-1]
    place = dict(zip(columns, np.split(which, bounds), strict=True))
    return tokenize(encoder.tokenizer, texts, limit), place


def _joint(encoder: Encoder, splits: Splits, limit: int, excerpt: Excerpt) -> Work:
    sequences: list[Tokens] = []
    place: dict[str, NDArray[Any]] = {}
    for split, rows in splits.items():
        first = len(sequences)
        sequences += joint_tokens(encoder.tokenizer, rows, limit, excerpt)
        place[f"{split}.features"] = np.arange(first, len(sequences)).reshape(-1, 4)
    return sequences, place
