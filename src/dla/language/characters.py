"""A tokenizer of characters, as transformers knows tokenizers."""

from __future__ import annotations

from typing import Any

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from dla.core.errors import UserError

UNKNOWN = "\ufffd"  # what stands for a character that the training text has not
START = "\n"  # what a text that continues nothing is taken to follow


def build_tokenizer(text: str, context: int) -> PreTrainedTokenizerFast:
    """A tokenizer whose tokens are the characters of `text`, in the order of their code points, and one for all others.

    Parameters
    ----------
    context : tokens that its model can read at once
    """
    characters = sorted(set(text) | {START})
    vocabulary = {character: number for number, character in enumerate([UNKNOWN, *characters])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=UNKNOWN))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    tokenizer.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token=UNKNOWN,  # the one special token: as one, the line break would be left out of decoded text
        model_max_length=context,
        clean_up_tokenization_spaces=False,
    )


def tokens_of(tokenizer: Any, text: str) -> list[int]:
    """Numbers of the tokens of `text`, without special ones.

    Raises
    ------
    UserError
        If the tokenizer has no token for some of it.
    """
    tokens: list[int] = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
    if tokenizer.unk_token_id is not None and tokenizer.unk_token_id in tokens:
        raise UserError(f"{text!r} holds {unknown_characters(tokenizer, text)!r}, which the model has never seen")
    return tokens


def unknown_characters(tokenizer: Any, text: str) -> str:
    """The distinct characters of `text` that the tokenizer has no token for, alone or as part of one."""
    known = [tokenizer(character, add_special_tokens=False)["input_ids"] for character in dict.fromkeys(text)]
    return "".join(
        character
        for character, tokens in zip(dict.fromkeys(text), known, strict=True)
        if tokenizer.unk_token_id in tokens
    )
