"""`dla params`: check params.yaml, and what a stage will really run with."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import fields

from dla.cli.completion import offer_names
from dla.cli.parser import Commands, Parser, add_command
from dla.core.parsing import refer
from dla.params.effective import effective, stages
from dla.params.file import load_params
from dla.params.whole import Params


def add(commands: Commands[Parser]) -> None:
    """Add the command to the parser."""
    parser = add_command(
        commands,
        "params",
        "check params.yaml, and print what a stage will really run with",
        "Check the whole of params.yaml.\n"
        "With STAGE, print the settings that it runs with, as the budget in force leaves them.",
        "dla params",
        "dla params rank@margin",
        "dla params imagenette-cnn  # both train@imagenette-cnn and cam@imagenette-cnn",
        "dla params --names train  # the image classifiers that there are",
    )
    stage = parser.add_argument(
        "name", nargs="?", metavar="STAGE", help="a stage of dvc.yaml, or just what follows its @"
    )
    parser.add_argument(
        "--names",
        nargs="*",
        metavar="SECTION",
        help="print the names under these sections of params.yaml, a line each (default: of all stages)",
    )
    offer_names(stage, "stages")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Do what was asked for; the exit code."""
    params = load_params()
    if options.names is not None:
        print("\n".join(_names(params, options.names)))
    elif options.name is None:
        print(f"params.yaml is valid; budget {params.budget}: {params.data_source} data")
    else:
        print(json.dumps(effective(params, options.name), indent=2))
    return 0


def _names(params: Params, sections: Sequence[str]) -> list[str]:
    """The names under sections of params.yaml; without any, what follows the @ in the names of stages."""
    if not sections:
        return list(dict.fromkeys(stage.rpartition("@")[2] for stage in stages(params)))
    tables = {field.name: table for field in fields(params) if isinstance(table := getattr(params, field.name), dict)}
    for section in sections:
        refer("--names", section, tables)
    return [name for section in sections for name in tables[section]]
