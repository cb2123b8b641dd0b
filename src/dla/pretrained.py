"""Pretrained models of transformers, from folders as `save_pretrained` leaves them."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch

from dla.core.errors import UserError


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
