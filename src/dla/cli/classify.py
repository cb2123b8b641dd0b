"""`dla classify`: classify texts."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from dla.cli.completion import offer_files, offer_names
from dla.cli.computing import limit_threads
from dla.cli.options import model_name, text
from dla.cli.output import as_json, print_table
from dla.cli.parser import Commands, Parser, add_command
from dla.core.errors import UserError


def add(commands: Commands[Parser]) -> None:
    """Add the command to the parser."""
    classify = add_command(
        commands,
        "classify",
        "classify texts with a trained model",
        "Say of texts how likely each class is, by a model that `dvc repro` trained.\n"
        "Texts are the TEXT arguments, else the lines of FILE, else the lines of standard input.",
        'dla classify "Draw a line through the points." --model logreg',
        "dla classify --file texts.txt --model tfidf --json",
    )
    classify.add_argument("texts", nargs="*", type=text, metavar="TEXT", help="a text, in quotes")
    model = classify.add_argument(
        "--model",
        required=True,
        type=model_name,
        metavar="NAME",
        help="a name under `tfidf`, `classify` or `finetune` in params.yaml",
    )
    file = classify.add_argument("--file", type=Path, metavar="FILE", help="a file with a text per line")
    classify.add_argument("--json", action="store_true", help="print JSON instead of a table")
    offer_names(model, "text_classifiers")
    offer_files(file)
    classify.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Do what was asked for; the exit code."""
    limit_threads()
    from dla.text.trained import load_text_classifier

    texts = _texts(options)
    classifier = load_text_classifier(options.model)
    found = [
        (text, sorted(zip(classifier.classes, map(float, row), strict=True), key=lambda shown: -shown[1]))
        for text, row in zip(texts, classifier.probabilities(texts), strict=True)
    ]
    if options.json:
        print(json.dumps([{"text": text, "classes": as_json(shown)} for text, shown in found], indent=2))
    else:
        for text, shown in found:
            print_table(text, shown)
    return 0


def _texts(options: argparse.Namespace) -> list[str]:
    if options.texts and options.file:
        raise UserError("take either TEXT arguments or --file, not both")
    lines: list[str] = options.texts
    if options.file:
        try:
            lines = options.file.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or error
            raise UserError(f"{options.file}: cannot be read as text ({reason})") from None
    elif not lines:
        try:
            lines = sys.stdin.read().splitlines()
            "".join(lines).encode("utf-8")  # some systems let bytes pass that are not
        except UnicodeError as error:
            raise UserError(f"standard input: cannot be read as text ({error})") from None
    texts = [line.strip() for line in lines if line.strip()]
    if not texts:
        raise UserError("there is no text to classify: give one as TEXT in quotes, or a --file that has some")
    return texts
