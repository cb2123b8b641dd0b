"""The `dla` command: its parser, and what becomes of errors."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Sequence
from typing import NoReturn

from dla.cli import classify, completion, doctor, generate, params, play, predict, report, verify
from dla.cli import run as run_stages
from dla.cli.output import complain
from dla.cli.parser import Parser, add_debug, lines_below
from dla.core import process
from dla.core.errors import TOO_LARGE, UserError, is_beyond_memory, of_system
from dla.core.parameters import PARAMS_FILE

COMMANDS = (doctor, params, run_stages, verify, predict, classify, generate, play, report, completion)
EXAMPLES = (
    "dla doctor                                      # is all there for a run?",
    "dla predict photo.jpg --model cifar10-resnet34  # what is on a photo?",
    "dla play cartpole-ppo --render human            # watch an agent",
    "dla predict --help                              # what else `predict` takes",
)
EXIT_CODES = (
    "0    done",
    "1    a part could not be done, `dla doctor` found what would stop a run, or",
    "     `dla verify` what is not as committed; a line about each says why",
    "2    an error; one line says what is wrong and what to do",
    "130  interrupted",
)


def run() -> NoReturn:
    """The console script."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # names of files may be any bytes
    process.leave(main())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code, one of EXIT_CODES."""
    parser = build_parser()
    arguments = sys.argv[1:] if arguments is None else arguments
    if not arguments:
        parser.print_help()
        return 2
    options = parser.parse_args(arguments)
    try:
        code = _run(options)
    except UserError as error:
        if options.debug:
            error.__suppress_context__ = False  # the error below it, which the one line leaves out
            traceback.print_exception(error)
        else:
            complain(error, "" if options.command in ("run", "verify") else _place(error))  # which take any project
        return 2
    except (MemoryError, RuntimeError, ValueError, OverflowError) as error:
        if options.debug or not is_beyond_memory(error):
            raise
        complain(UserError(TOO_LARGE))
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader, say `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code


def _run(options: argparse.Namespace) -> int:
    try:
        code: int = options.run(options)
        sys.stdout.flush()  # not at the end of the process, where nobody would catch what `main` catches
    except BrokenPipeError:
        raise
    except OSError as error:
        raise of_system(error) from error
    return code


def _place(error: UserError) -> str:
    """A hint at what is often the reason why a model or a file is not found."""
    if PARAMS_FILE.exists() or "root of the project" in str(error):
        return ""
    return " (there is no params.yaml here: commands are run from the root of the project)"


def build_parser() -> Parser:
    """The parser of the whole command line."""
    parser = Parser(
        prog="dla",
        description="Laboratories of deep learning as one DVC workflow: check it, and use what it trained.",
        epilog=f"{lines_below('examples', *EXAMPLES)}\n\n{lines_below('exit codes', *EXIT_CODES)}",
    )
    add_debug(parser, default=False)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", title="commands")
    for command in COMMANDS:
        command.add(commands)
    return parser
