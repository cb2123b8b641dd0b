"""Prompts continued by language models in several ways, side by side; and how many tokens a text comes to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from dla.language.characters import tokens_of, unknown_characters
from dla.language.settings import Generation, Sampling
from dla.pretrained import read_pretrained, token_limit
from dla.training.runtime import seed_everything


@dataclass(frozen=True)
class Speaker:
    """A causal language model, ready to write, and its tokenizer."""

    model: Any
    tokenizer: Any


@dataclass(frozen=True)
class Continuation:
    """What a model writes after a prompt by one method; or, once for all methods, why it writes nothing."""

    model: str
    prompt: str
    method: str = ""  # nothing where no method can begin
    text: str = ""
    reason: str = ""  # why there is no text


def read_speaker(folder: Path) -> Speaker:
    """The causal language model in a folder as `save_pretrained` leaves it.

    Raises
    ------
    UserError
        If something is missing or broken there, or would have to run code of its own.
    """
    tokenizer, model = read_pretrained(folder, "AutoModelForCausalLM")
    return Speaker(model.eval(), tokenizer)


def continuations(name: str, speaker: Speaker, settings: Generation) -> Iterator[Continuation]:
    """What the model writes after every prompt by every method, or what keeps it from writing.

    Parameters
    ----------
    name : of the model, said with every row
    """
    for prompt in settings.prompts:
        if reason := _reason_for_silence(speaker, prompt):
            yield Continuation(name, prompt, reason=reason)
            continue
        for method, sampling in settings.methods.items():
            text = continue_prompt(speaker, prompt, sampling, settings.length, settings.seed)
            yield Continuation(name, prompt, method, text)


def continue_prompt(speaker: Speaker, prompt: str, sampling: Sampling, length: int, seed: int) -> str:
    """The text of at most `length` tokens after the prompt, by transformers' own `generate`.

    What does not fit the model's positions is not written.
    """
    tokens = tokens_of(speaker.tokenizer, prompt)
    room = _room(speaker, tokens)
    seed_everything(seed)
    inputs = torch.tensor([tokens])
    with torch.inference_mode():
        written = speaker.model.generate(
            input_ids=inputs,
            attention_mask=torch.ones_like(inputs),
            max_new_tokens=min(length, room),
            pad_token_id=speaker.tokenizer.pad_token_id or 0,
            do_sample=not sampling.greedy and sampling.beams is None,
            num_beams=sampling.beams or 1,
            temperature=sampling.temperature,
            top_k=sampling.top_k or 0,
            top_p=sampling.top_p or 1.0,
        )
    text: str = speaker.tokenizer.decode(written[0, len(tokens) :], skip_special_tokens=True)
    return text


def _reason_for_silence(speaker: Speaker, prompt: str) -> str:
    """Why the model cannot go on from the prompt, if it cannot."""
    if speaker.tokenizer.unk_token_id is not None and (unknown := unknown_characters(speaker.tokenizer, prompt)):
        return f"does not know the characters {unknown}"
    tokens = tokens_of(speaker.tokenizer, prompt)
    if (room := _room(speaker, tokens)) < 1:
        return f"the prompt has {len(tokens)} tokens, and the model reads {len(tokens) + room} at once"
    return ""


def _room(speaker: Speaker, tokens: list[int]) -> int:
    """How many tokens fit behind these."""
    return token_limit(speaker.tokenizer, speaker.model) - len(tokens)


def token_count(tokenizer: Any, text: str) -> dict[str, float]:
    """Characters of a text, tokens that it comes to, and their ratio."""
    tokens = len(tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])
    return {"characters": len(text), "tokens": tokens, "tokens_per_character": tokens / len(text)}


def as_markdown(rows: list[Continuation], counts: Mapping[str, Mapping[str, float]], source: str) -> str:
    """A readable page: what was written, prompt by prompt, and the counts."""
    lines = ["# Generated text", ""]
    if source == "embedded":
        lines += ["Embedded data: the model has learned from docstrings.", ""]
    for prompt in dict.fromkeys(row.prompt for row in rows):
        lines += [f"## {_cell(prompt)}", "", "| model | method | text |", "|---|---|---|"]
        for row in rows:
            if row.prompt == prompt:
                lines.append(f"| {row.model} | {row.method} | {_cell(row.reason or row.text)} |")
        lines.append("")
    lines += ["## Tokens", "", "| tokenizer of | characters | tokens | tokens per character |", "|---|---|---|---|"]
    for name, count in counts.items():
        lines.append(
            f"| {name} | {count['characters']:,} | {count['tokens']:,} | {count['tokens_per_character']:.3f} |"
        )
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
