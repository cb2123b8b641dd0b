"""`dla completion`: let the shell complete commands, options, files and names of params.yaml."""

from __future__ import annotations

import argparse

from dla.cli.candidates import functions
from dla.cli.parser import Commands, Parser, add_command

SHELLS = ("bash", "zsh", "tcsh")


def add(commands: Commands[Parser]) -> None:
    """Add the command to the parser."""
    completion = add_command(
        commands,
        "completion",
        "let the shell complete what you type",
        "Print a script after which the Tab key completes what you type.\n"
        "It completes commands, options, files and the names in params.yaml. Put the example of your shell into "
        "~/.bashrc, ~/.zshrc (below compinit) or ~/.tcshrc to have it in every shell.",
        'eval "$(dla completion bash)"',
        'eval "$(dla completion zsh)"',
        "dla completion tcsh > ~/.dla.tcsh && source ~/.dla.tcsh",
    )
    completion.add_argument("shell", choices=SHELLS, metavar="SHELL", help=f"one of {', '.join(SHELLS)}")
    completion.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Do what was asked for; the exit code."""
    import shtab

    from dla.cli.main import build_parser  # which knows this command too

    print(shtab.complete(build_parser(), options.shell, preamble=functions(options.shell)))
    return 0
