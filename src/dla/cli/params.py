"""`dla params`: check params.yaml, and what a stage will really run with."""

from __future__ import annotations

import argparse
import json

from dla.cli.parser import Commands, Parser, add_command
from dla.effective import effective
from dla.params import load_params


def add(commands: Commands[Parser]) -> None:
    """Add the command to the parser."""
    parser = add_command(
        commands,
        "params",
        "check params.yaml, and print what a stage will really run with",
        "Check the whole of params.yaml. With STAGE, print the settings that it runs with, as the budget in force "
        "leaves them.",
        "dla params",
        "dla params rank@margin",
        "dla params cifar10-cnn  # both train@cifar10-cnn and cam@cifar10-cnn",
    )
    parser.add_argument("name", nargs="?", metavar="STAGE", help="a stage of dvc.yaml, or just what follows its @")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Do what was asked for; the exit code."""
    params = load_params()
    if options.name is None:
        print(f"params.yaml is valid; budget {params.budget}: {params.budgeted.data.source} data")
    else:
        print(json.dumps(effective(params, options.name), indent=2))
    return 0
