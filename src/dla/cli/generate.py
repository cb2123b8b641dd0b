"""`dla generate`: let a language model go on."""

from __future__ import annotations

import argparse

from dla.cli.completion import offer_names
from dla.cli.computing import limit_threads
from dla.cli.options import count, model_name, seed, text
from dla.cli.parser import Commands, Parser, add_command
from dla.core.errors import UserError
from dla.core.parameters import read_names


def add(commands: Commands[Parser]) -> None:
    """Add the command to the parser."""
    generate = add_command(
        commands,
        "generate",
        "let a language model continue a text",
        "Continue PROMPT with a language model, and show each piece as it is written.\n"
        "The model is one that `dvc repro` trained or downloaded, or any causal language model of the Hugging Face "
        "Hub.",
        'dla generate "The mean of " --length 200',
        'dla generate "The mean of " --sample top-p=0.9,temperature=0.8 --seed 2',
        'dla generate "Halfway down the road" --model openai-community/gpt2',
    )
    generate.add_argument(
        "prompt",
        nargs="?",
        type=text,
        default="",
        metavar="PROMPT",
        help="how the text begins, in quotes (default: nothing)",
    )
    model = generate.add_argument(
        "--model",
        type=model_name,
        metavar="MODEL",
        help="a name under `lm` or `sources` in params.yaml, a folder, or OWNER/NAME on the Hub "
        "(default: the first one under `lm`)",
    )
    generate.add_argument(
        "--sample",
        default="temperature=0.8",
        metavar="HOW",
        help="how the next token is chosen: greedy takes the likeliest; or any of temperature=T,top-k=K,top-p=P, "
        "with commas between them (default: temperature=0.8)",
    )
    generate.add_argument(
        "--length", type=count, default=500, metavar="N", help="write N tokens at most (default: 500)"
    )
    generate.add_argument("--seed", type=seed, default=1, metavar="S", help="another seed, another text (default: 1)")
    offer_names(model, "language_models")
    generate.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Do what was asked for; the exit code."""
    limit_threads()
    from dla.language.characters import START, tokens_of
    from dla.language.speakers import load_speaker, parse_sampling
    from dla.language.stream import stream

    sampling = parse_sampling(options.sample)
    model = options.model or next(iter(read_names("lm")), None)
    if model is None:
        raise UserError("params.yaml: lm has no model to take; name one with --model")
    speaker = load_speaker(model)
    prompt = tokens_of(speaker.tokenizer, options.prompt or speaker.tokenizer.bos_token or START)
    print(options.prompt, end="", flush=True)
    for piece in stream(speaker.model, speaker.tokenizer, prompt, options.length, sampling, options.seed):
        print(piece, end="", flush=True)
    print()
    return 0
