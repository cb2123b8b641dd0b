"""`dla params`: check params.yaml, and what a stage will really run with."""

from __future__ import annotations

import argparse
import json

from dla.cli.options import Commands
from dla.effective import effective
from dla.params import load_params


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "params",
        help="check params.yaml, and print what a stage will really run with",
        description="Check the whole of params.yaml; with STAGE, print what it runs with under the budget in force.",
        epilog="examples: dla params rank@margin; dla params cifar10-cnn (all stages of that name)",
    )
    parser.add_argument("name", nargs="?", metavar="STAGE", help="a stage of dvc.yaml, or what follows its @")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Do what was asked for; the exit code."""
    params = load_params()
    if options.name is None:
        print(f"params.yaml is valid; budget {params.budget}: {params.budgeted.data.source} data")
    else:
        print(json.dumps(effective(params, options.name), indent=2))
    return 0
