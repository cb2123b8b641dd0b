"""The `dla` command."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict

from dla.errors import UserError
from dla.params import load_params


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code: 0, or 2 with one line about what is wrong."""
    parser = argparse.ArgumentParser(prog="dla", description="Laboratories of deep learning as one DVC workflow.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    params = commands.add_parser(
        "params",
        help="check params.yaml, and print what a run will really do",
        description="Check the whole of params.yaml; with RUN, print that run as the budget in force caps it.",
        epilog="example: dla params cifar10-cnn",
    )
    params.add_argument("run", nargs="?", metavar="RUN", help="a key of `train` in params.yaml")
    options = parser.parse_args(arguments)
    try:
        return _params(options.run)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _params(run: str | None) -> int:
    params = load_params()
    if run is None:
        source, runs = params.budgeted.data.source, len(params.train)
        print(f"params.yaml is valid; budget {params.budget}: {source} data, {runs} runs")
    else:
        print(json.dumps(asdict(params.image_run(run)), indent=2))
    return 0
