"""How every command is described, and what becomes of a command line that does not fit."""

from __future__ import annotations

import argparse
import textwrap
from typing import Any, NoReturn

Commands = argparse._SubParsersAction  # the type that add_subparsers returns has no public name
WIDTH = 79  # characters of a line of help, on any terminal


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, as all others are, and whose examples keep their lines."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(formatter_class=_Formatter, **settings)

    def error(self, message: str) -> NoReturn:
        """Exit code 2 and one line to standard error, without argparse's summary of the options above it."""
        self.exit(2, f"error: {message}; see `{self.prog} --help`\n")


def add_command(commands: Commands[Parser], name: str, summary: str, description: str, *examples: str) -> Parser:
    """A parser for the command NAME, which takes --debug as `dla` itself does.

    Parameters
    ----------
    summary : what the list of commands says of it
    description : what its own help says; its first line stands alone in lists that shells make
    examples : command lines, each as it would be typed
    """
    command: Parser = commands.add_parser(
        name,
        help=summary,
        description=description,
        epilog=lines_below("examples" if len(examples) > 1 else "example", *examples),
    )
    add_debug(command, default=argparse.SUPPRESS)  # not given here, it is left as it was given before the command
    return command


def add_debug(parser: Parser, default: object) -> None:
    """The option --debug."""
    parser.add_argument("--debug", action="store_true", default=default, help="show where in the code an error arose")


def lines_below(heading: str, *lines: str) -> str:
    """Indented lines below a heading, as a part of what --help ends with."""
    return "\n".join([f"{heading}:", *(f"  {line}" for line in lines)])


class _Formatter(argparse.HelpFormatter):
    """Wraps what is too long for a line, and leaves the ends of lines where they are."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=26, width=WIDTH)
        self._action_max_length = 14  # at least: the list of commands is indented, which argparse leaves out of account

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return "\n".join(textwrap.fill(line, width, initial_indent=indent) for line in text.splitlines())
