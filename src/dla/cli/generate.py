"""`dla generate`: let a language model go on."""

from __future__ import annotations

import argparse

from dla.cli.options import Commands, count, seed
from dla.errors import UserError
from dla.params import load_params


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    generate = commands.add_parser(
        "generate",
        help="let a language model go on from a prompt",
        description="Write what a causal language model says after PROMPT, token by token as it says it.",
        epilog='example: dla generate "The mean of " --sample top-p=0.9,temperature=0.8 --length 300',
    )
    generate.add_argument("prompt", nargs="?", default="", metavar="PROMPT", help="in quotes; none: from nothing")
    generate.add_argument(
        "--model",
        metavar="MODEL",
        help="a key of `lm` or `sources` in params.yaml, a folder, or OWNER/NAME of the Hub (default: the first `lm`)",
    )
    generate.add_argument(
        "--sample",
        default="temperature=0.8",
        metavar="HOW",
        help="greedy, or any of temperature=T,top-k=K,top-p=P (default: temperature=0.8)",
    )
    generate.add_argument("--length", type=count, default=500, metavar="N", help="tokens at most (default: 500)")
    generate.add_argument("--seed", type=seed, default=1, metavar="S", help="another one, another text (default: 1)")
    generate.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Do what was asked for; the exit code."""
    from dla.text.characters import START, tokens_of
    from dla.text.speakers import find_speaker, parse_sampling
    from dla.text.stream import stream

    sampling = parse_sampling(options.sample)
    model = options.model or next(iter(load_params().lm), None)
    if model is None:
        raise UserError("params.yaml: lm has no model to take; name one with --model")
    speaker = find_speaker(model)
    prompt = tokens_of(speaker.tokenizer, options.prompt or speaker.tokenizer.bos_token or START)
    print(options.prompt, end="", flush=True)
    for piece in stream(speaker.model, speaker.tokenizer, prompt, options.length, sampling, options.seed):
        print(piece, end="", flush=True)
    print()
    return 0
