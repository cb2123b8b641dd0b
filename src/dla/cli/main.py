"""The `dla` command: its parser, and what becomes of errors."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from dla.cli import classify, generate, params, play, predict
from dla.cli.output import complain
from dla.errors import UserError

COMMANDS = (params, predict, classify, generate, play)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code: 0, or 2 with one line about what is wrong.

    1 says that a part of what was asked for could not be done; there is a line about each.
    """
    options = build_parser().parse_args(arguments)
    try:
        code: int = options.run(options)
    except UserError as error:
        if options.debug:
            raise
        complain(error)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader, say `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code


def build_parser() -> argparse.ArgumentParser:
    """The parser of the whole command line."""
    parser = argparse.ArgumentParser(prog="dla", description="Laboratories of deep learning as one DVC workflow.")
    parser.add_argument("--debug", action="store_true", help="show where an error comes from")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add(commands)
    return parser
