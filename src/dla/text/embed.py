"""Features of a whole text data set, one vector per text, or per article, question and option."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
from numpy.typing import NDArray

from dla.core.artifacts import Metadata
from dla.text.encode import BATCH_TOKENS, Encoder, Tokens, distinct, encode, read_encoder, tokenize
from dla.text.features import pack_beginnings
from dla.text.joint import joint_tokens
from dla.text.prepared import LEVELS, lengths, levels, numbers, read_splits
from dla.text.settings import Embedding
from dla.training.checkpoint import Checkpoint
from dla.training.runtime import plan, start
from dla.training.settings import Runtime


def embed(
    settings: Embedding, prepared: Path, folder: Path, runtime: Runtime
) -> tuple[dict[str, NDArray[Any]], Metadata]:
    """Encode every text of the prepared data set; vectors in the data set's order, and what is known of them.

    For each split there are, of texts, `SPLIT.features` (N, D) float32, `SPLIT.labels` (N,) int64 and
    `SPLIT.beginnings`, which `features.read_beginnings` reads; of questions `SPLIT.answers` (N,), `SPLIT.lengths`
    (N, 4) in characters of the options, and `SPLIT.levels` (N,), all int64, the last numbers of the metadata's
    `levels`, and

    separate : `SPLIT.articles` (A, D) of the distinct articles, `SPLIT.article` (N,) which of them, `SPLIT.questions`
        (N, D), `SPLIT.options` (N, 4, D)
    joint : `SPLIT.features` (N, 4, D), one vector per option in the sight of article and question

    Raises
    ------
    UserError
        If the data or the encoder are missing or broken.
    """
    device = start(runtime)
    splits, facts = read_splits(prepared, settings.examples)
    encoder = read_encoder(folder, portable=runtime.kernels == "portable")
    work = FORMULATIONS[settings.formulation](encoder, splits, settings)
    tokens = sum(len(sequence["input_ids"]) for sequence in work.sequences)
    parameters = sum(parameter.numel() for parameter in encoder.model.parameters())
    chosen = plan(runtime, device, flops=2.0 * parameters * BATCH_TOKENS[device.type], batches=1)
    print(f"{len(work.sequences):,} sequences, {tokens:,} tokens; {chosen.reason}", flush=True)
    identity = {"embed": asdict(settings), "device": device.type, "dtype": str(chosen.dtype)}
    checkpoint = Checkpoint(identity, [prepared, *sorted(folder.iterdir())])
    vectors = encode(encoder, work.sequences, settings.pooling, chosen, checkpoint.folder)
    tensors = {name: vectors[rows] for name, rows in work.places.items()} | work.known
    metadata = {**facts, **work.facts, "embed": asdict(settings), "encoder": encoder.model.config.model_type}
    return tensors, metadata


# --- what becomes one vector: sequences to encode, and which of their vectors go where ----------------------------

Splits = dict[str, pyarrow.Table]


@dataclass(frozen=True)
class Work:
    """What there is to encode, and what is known beside."""

    sequences: list[Tokens]
    places: dict[str, NDArray[Any]]  # by the name of a tensor, which of the sequences' vectors it consists of
    known: dict[str, NDArray[Any]]  # further tensors
    facts: Metadata


def _limit(encoder: Encoder, settings: Embedding) -> int:
    return min(settings.max_tokens, encoder.limit)


def _text(encoder: Encoder, splits: Splits, settings: Embedding) -> Work:
    columns = {f"{split}.features": rows["text"].to_pylist() for split, rows in splits.items()}
    known = {f"{split}.labels": numbers(rows, "label") for split, rows in splits.items()}
    known |= {f"{split}.beginnings": pack_beginnings(rows["text"].to_pylist()) for split, rows in splits.items()}
    return Work(*_encode_once(encoder, columns, settings), known, {})


def _separate(encoder: Encoder, splits: Splits, settings: Embedding) -> Work:
    columns: dict[str, list[str]] = {}
    known = _questions(splits)
    for split, rows in splits.items():
        columns[f"{split}.articles"], known[f"{split}.article"] = distinct(rows["article"].to_pylist())
        columns[f"{split}.questions"] = rows["question"].to_pylist()
        columns[f"{split}.options"] = [option for options in rows["options"].to_pylist() for option in options]
    sequences, places = _encode_once(encoder, columns, settings)
    for split in splits:
        places[f"{split}.options"] = places[f"{split}.options"].reshape(-1, 4)
    return Work(sequences, places, known, {"levels": LEVELS})


def _joint(encoder: Encoder, splits: Splits, settings: Embedding) -> Work:
    sequences: list[Tokens] = []
    places: dict[str, NDArray[Any]] = {}
    for split, rows in splits.items():
        first = len(sequences)
        sequences += joint_tokens(encoder.tokenizer, rows, _limit(encoder, settings), settings.excerpt)
        places[f"{split}.features"] = np.arange(first, len(sequences)).reshape(-1, 4)
    return Work(sequences, places, _questions(splits), {"levels": LEVELS})


FORMULATIONS = {"text": _text, "separate": _separate, "joint": _joint}


def _encode_once(
    encoder: Encoder, columns: dict[str, list[str]], settings: Embedding
) -> tuple[list[Tokens], dict[str, NDArray[Any]]]:
    """Every distinct text once, wherever it occurs."""
    texts, which = distinct([text for column in columns.values() for text in column])
    bounds = np.cumsum([len(column) for column in columns.values()])[:-1]
    places = dict(zip(columns, np.split(which, bounds), strict=True))
    return tokenize(encoder.tokenizer, texts, _limit(encoder, settings)), places


def _questions(splits: Splits) -> dict[str, NDArray[Any]]:
    """What is known of every question."""
    known: dict[str, NDArray[Any]] = {}
    for split, rows in splits.items():
        known[f"{split}.answers"] = numbers(rows, "answer")
        known[f"{split}.lengths"], known[f"{split}.levels"] = lengths(rows), levels(rows)
    return known
