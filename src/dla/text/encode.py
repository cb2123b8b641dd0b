"""Texts to vectors with a frozen language model: no token of padding is computed that sorting can avoid."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from tqdm import tqdm

from dla.core.errors import UserError
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


def read_encoder(folder: Path) -> Encoder:
    """The encoder in a folder as `save_pretrained` leaves it.

    Raises
    ------
    UserError
        If something is missing or broken there, or would have to run code of its own.
    """
    tokenizer, model = read_pretrained(folder, "AutoModel")
    return Encoder(model.eval(), tokenizer, token_limit(tokenizer, model))


def read_pretrained(folder: Path, kind: str, *, new_head: bool = False, **settings: Any) -> tuple[Any, Any]:
    """Tokenizer and model of the folder, every weight of it as it is there.

    Parameters
    ----------
    kind : one of the automatic classes of transformers
    new_head : what the model has beside its encoder is to be trained, so that the folder need not have it
    settings : of the model's configuration, instead of what stands in the folder; those it does not know are left out

    Raises
    ------
    UserError
        If something is missing or broken there, would have to run code of its own, or is of another model than its
        configuration says: transformers would fill the gaps with random weights.
    """
    import transformers

    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    if not folder.is_dir():
        raise UserError(f"{folder}: is missing; `dvc repro` makes it")
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
        config = transformers.AutoConfig.from_pretrained(folder, local_files_only=True)
        config.update({name: value for name, value in settings.items() if hasattr(config, name)})
        model, loaded = getattr(transformers, kind).from_pretrained(
            folder,
            config=config,
            local_files_only=True,
            use_safetensors=True,
            dtype=torch.float32,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # to name them below
        )
    except Exception as error:  # of three libraries, which raise what they like at a file that is not as it should be
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UserError(f"{folder}: holds no model that can be read ({reason})") from error
    _check_weights(folder, model, loaded, new_head=new_head)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer, model


BUFFERS = ("position_ids", "inv_freq", "masked_bias")  # older versions of transformers kept these constants too
POOLER = "pooler"  # BERT's, of the first token: a head, but one that transformers counts to the encoder


def _check_weights(folder: Path, model: Any, loaded: Mapping[str, Iterable[Any]], *, new_head: bool) -> None:
    """Raise a `UserError` about weights that the model lacks, has too many, or has in another shape.

    Of an encoder alone, and where the head is new, the weights of any head may be missing or left.
    """
    encoder = model.base_model
    parts = {name.partition(".")[0] for name in encoder.state_dict()} - {POOLER}

    def counts(name: str) -> bool:
        if name.rpartition(".")[2] in BUFFERS:
            return False
        of_encoder = name.removeprefix(f"{model.base_model_prefix}.").partition(".")[0] in parts
        return of_encoder if new_head or encoder is model else True

    problems = {
        "lack": loaded["missing_keys"],
        "have too much,": loaded["unexpected_keys"],
        "have in another shape": [name for name, *_ in loaded["mismatched_keys"]],
    }
    for how, names in problems.items():
        if wrong := sorted(filter(counts, names)):
            more = f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""
            raise UserError(
                f"{folder}: the weights are not those of the {type(model).__name__} that config.json describes: they "
                f"{how} {wrong[0]}{more}; fetch all files of the model anew"
            )


def token_limit(tokenizer: Any, model: Any) -> int:
    """Tokens that both the tokenizer and the model's positions allow."""
    return min(int(tokenizer.model_max_length), int(getattr(model.config, "max_position_embeddings", sys.maxsize)))


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
    made = {
        name: torch.tensor(
            [row[name] + [padding if name == "input_ids" else 0] * (longest - len(row[name])) for row in sequences]
        )
        for name in sequences[0]
    }
    lengths = torch.tensor([len(tokens["input_ids"]) for tokens in sequences])
    made["attention_mask"] = (torch.arange(longest) < lengths[:, None]).long()
    return made


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
        found = _read_shard(file)
        if found is None:
            made = [_vectors(model, [sequences[i] for i in batch], padding, pooling, plan) for batch in part]
            found = torch.cat(made).float().cpu().numpy()
            write_state(file, {"vectors": found})
        vectors[rows] = found
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
