"""Text from a causal language model, token by token, as long as one likes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from transformers import LogitsProcessorList, TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

from dla.language.settings import Sampling
from dla.pretrained import token_limit

BEHIND = 8  # tokens before the new ones that are decoded with them: some tokenizers drop the first one's space
BROKEN = "\ufffd"  # what half of a character of several bytes decodes to


def stream(
    model: Any, tokenizer: Any, prompt: Sequence[int], length: int, sampling: Sampling, seed: int
) -> Iterator[str]:
    """Yield the text that follows the tokens `prompt`, piece by piece, until `length` tokens or the model's own end.

    Once the model's positions are used up, it reads the second half of them again as the first: the text goes on
    without end at twice the cost per token, not at that of reading everything anew for every token.

    Parameters
    ----------
    model : in evaluation mode
    sampling : all but beams, which know no token for sure before the last
    seed : the same one writes the same text on the same machine
    """
    generator = torch.Generator(device=model.device).manual_seed(seed)
    limit = token_limit(tokenizer, model)
    processors = _processors(sampling)
    tokens, shown = list(prompt), len(prompt)
    new, cache, read = tokens[-limit:], None, 0
    for _ in range(length):
        if read + len(new) > limit:
            new, cache, read = tokens[-max(limit // 2, 1) :], None, 0
        with torch.inference_mode():
            inputs = torch.tensor([new], device=model.device)
            output = model(input_ids=inputs, past_key_values=cache, use_cache=True)
            cache, read = output.past_key_values, read + len(new)
            logits = output.logits[:, -1].float()
            if sampling.greedy:
                chosen = int(logits.argmax())
            else:
                probabilities = processors(inputs, logits).softmax(-1)
                chosen = int(torch.multinomial(probabilities, 1, generator=generator))
        if chosen == tokenizer.eos_token_id:
            break
        tokens.append(chosen)
        new = [chosen]
        if piece := _decoded(tokenizer, tokens, shown):
            shown = len(tokens)
            yield piece
    if rest := _decoded(tokenizer, tokens, shown, whole=False):
        yield rest


def _processors(sampling: Sampling) -> LogitsProcessorList:
    processors = LogitsProcessorList()
    if sampling.temperature != 1:
        processors.append(TemperatureLogitsWarper(sampling.temperature))
    if sampling.top_k is not None:
        processors.append(TopKLogitsWarper(sampling.top_k))
    if sampling.top_p is not None:
        processors.append(TopPLogitsWarper(sampling.top_p))
    return processors


def _decoded(tokenizer: Any, tokens: list[int], shown: int, *, whole: bool = True) -> str:
    """The text of the tokens after the first `shown`; of `whole` characters, nothing while one is half there."""
    first = max(0, shown - BEHIND)
    before, now = tokenizer.decode(tokens[first:shown]), tokenizer.decode(tokens[first:])
    return "" if whole and now.endswith(BROKEN) else now[len(before) :]
