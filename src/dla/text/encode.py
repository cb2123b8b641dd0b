"""Texts to vectors with a frozen language model: no token of padding is computed that sorting can avoid."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from tqdm import tqdm

from dla.core.errors import UserError
from dla.onednn import replace_linear
from dla.pretrained import read_pretrained, token_limit
from dla.training.checkpoint import read_state, write_state
from dla.training.runtime import Plan

Pooling = Literal["cls", "mean", "last"]
Tokens = dict[str, list[int]]  # what one sequence gives the model: input_ids and, of BERT's kin, token_type_ids

BATCH_TOKENS = {"cpu": 4096, "mps": 16384, "cuda": 65536}  # of one batch, padding counted
SHARD_TOKENS = 64  # batches' worth of tokens between two writes: a killed run loses about a minute


@dataclass(frozen=True)
class Encoder:
    """A pretrained language model without a head, and its tokenizer."""

    model: Any
    tokenizer: Any
    limit: int  # tokens it can read at once

    @property
    def width(self) -> int:
        """Numbers per vector."""
        return int(self.model.config.hidden_size)


def read_encoder(folder: Path, *, portable: bool = False) -> Encoder:
    """The encoder in a folder as `save_pretrained` leaves it.

    Parameters
    ----------
    portable : it is to compute the same bits everywhere

    Raises
    ------
    UserError
        If something is missing or broken there, or would have to run code of its own.
    """
    tokenizer, model = read_pretrained(folder, "AutoModel")
    if portable:
        replace_linear(model)
    return Encoder(model.eval(), tokenizer, token_limit(tokenizer, model))


# --- tokens ---------------------------------------------------------------------------------------------------------


def tokenize(tokenizer: Any, texts: Sequence[str], limit: int) -> list[Tokens]:
    """Tokens of every text, with the special ones; what goes beyond `limit` is cut off its end.

    A text that comes to none, as an empty one does with GPT-2, is the token that ends a text: a mean needs one.
    """
    rows = token_rows(tokenizer(list(texts), truncation=True, max_length=limit, return_attention_mask=False))
    for row in rows:
        if not row["input_ids"]:
            row |= {name: [0] for name in row} | {"input_ids": [tokenizer.eos_token_id or 0]}
    return rows


def token_rows(columns: Any) -> list[Tokens]:
    """What a tokenizer returned, as a row per sequence."""
    names = [name for name in ("input_ids", "token_type_ids") if name in columns]
    return [dict(zip(names, row, strict=True)) for row in zip(*(columns[name] for name in names), strict=True)]


def pad(sequences: Sequence[Tokens], padding: int) -> dict[str, torch.Tensor]:
    """Tensors (B, T) of every input, and the `attention_mask` that is 1 where a token is."""
    longest = max(len(tokens["input_ids"]) for tokens in sequences)
    padded = {
        name: torch.tensor(
            [row[name] + [padding if name == "input_ids" else 0] * (longest - len(row[name])) for row in sequences]
        )
        for name in sequences[0]
    }
    lengths = torch.tensor([len(tokens["input_ids"]) for tokens in sequences])
    padded["attention_mask"] = (torch.arange(longest) < lengths[:, None]).long()
    return padded


def distinct(texts: Sequence[str]) -> tuple[list[str], NDArray[Any]]:
    """The distinct texts in the order in which they first occur, and for every text which of them it is."""
    number = {text: i for i, text in enumerate(dict.fromkeys(texts))}
    return list(number), np.array([number[text] for text in texts], np.int64)


# --- vectors --------------------------------------------------------------------------------------------------------


def pool(hidden: torch.Tensor, mask: torch.Tensor, pooling: Pooling) -> torch.Tensor:
    """One vector (B, D) out of those of the tokens (B, T, D), of which only those where `mask` (B, T) is 1 count."""
    match pooling:
        case "cls":
            return hidden[:, 0]
        case "last":
            return hidden[torch.arange(len(hidden)), mask.sum(1) - 1]
    weights = mask[..., None].to(hidden.dtype)
    return (hidden * weights).sum(1) / weights.sum(1)


def show_mean(model: nn.Module) -> None:
    """Let the head of a model see the mean over all tokens wherever it would look at the first token's vector.

    By a hook: a module around the encoder would put a name of its own before those of all weights that are written.
    """

    def replace(_: nn.Module, __: Any, inputs: dict[str, Any], output: Any) -> Any:
        mean = pool(output.last_hidden_state.float(), inputs["attention_mask"], "mean")
        rest = output.last_hidden_state[:, 1:]
        output.last_hidden_state = torch.cat([mean[:, None].to(rest.dtype), rest], 1)
        if output.get("pooler_output") is not None:
            output.pooler_output = mean
        return output

    model.base_model.register_forward_hook(replace, with_kwargs=True)  # type: ignore[union-attr]


def batches_by_tokens(lengths: Sequence[int], most: int) -> Iterator[list[int]]:
    """Indices of sequences, longest first, in batches of at most `most` tokens with their padding."""
    batch: list[int] = []
    for i in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        if batch and (len(batch) + 1) * lengths[batch[0]] > most:
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch


def encode(encoder: Encoder, sequences: Sequence[Tokens], pooling: Pooling, plan: Plan, shards: Path) -> NDArray[Any]:
    """Vectors (N, D) float32 of all sequences, in their order.

    Parameters
    ----------
    shards : a folder where finished parts are kept, and found by the next process if this one is killed
    """
    model = encoder.model.to(plan.device)
    padding = encoder.tokenizer.pad_token_id or 0
    lengths = [len(tokens["input_ids"]) for tokens in sequences]
    batches = list(batches_by_tokens(lengths, BATCH_TOKENS[plan.device.type]))
    vectors = np.empty((len(sequences), encoder.width), np.float32)
    progress = tqdm(total=sum(lengths), unit=" tokens", unit_scale=True, disable=not sys.stderr.isatty())
    for number, start in enumerate(range(0, len(batches), SHARD_TOKENS)):
        part = batches[start : start + SHARD_TOKENS]
        rows = [i for batch in part for i in batch]
        file = shards / f"{number:05d}.safetensors"
        encoded = _read_shard(file)
        if encoded is None:
            pooled = [_vectors(model, [sequences[i] for i in batch], padding, pooling, plan) for batch in part]
            encoded = torch.cat(pooled).float().cpu().numpy()
            write_state(file, {"vectors": encoded})
        vectors[rows] = encoded
        progress.update(sum(lengths[i] for i in rows))
    progress.close()
    return vectors


def _read_shard(file: Path) -> NDArray[Any] | None:
    """What an earlier process finished; None if it did not, or if what is left of it is damaged."""
    try:
        vectors: NDArray[Any] = read_state(file)["vectors"]
    except UserError:
        return None
    return vectors


@torch.inference_mode()
def _vectors(model: nn.Module, sequences: Sequence[Tokens], padding: int, pooling: Pooling, plan: Plan) -> torch.Tensor:
    inputs = {name: values.to(plan.device, non_blocking=True) for name, values in pad(sequences, padding).items()}
    with plan.autocast():
        hidden = model(**inputs).last_hidden_state
    return pool(hidden.float(), inputs["attention_mask"], pooling)
