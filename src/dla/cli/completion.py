"""`dla completion`: let the shell complete commands, options, files and names that params.yaml has at that moment."""

from __future__ import annotations

import argparse

from dla.cli.parser import Commands, Parser, add_command

SHELLS = ("bash", "zsh", "tcsh")
# Kind of name -> the sections of params.yaml that it is found in, as `dla params --names` takes them.
KINDS = {
    "stages": (),
    "budgets": ("budgets",),
    "image_runs": ("train",),
    "text_classifiers": ("tfidf", "classify", "finetune"),
    "language_models": ("lm",),
    "agents": ("agent",),
}
MODELS = ("image_runs", "text_classifiers", "language_models")


def offer_files(argument: argparse.Action) -> None:
    """Complete the argument to files."""
    argument.complete = "file"  # type: ignore[attr-defined]  # where shtab looks for it


def offer_names(argument: argparse.Action, kind: str) -> None:
    """Complete the argument to names of one of KINDS."""
    function, command = f"_dla_{kind}", _command(kind)
    argument.complete = {  # type: ignore[attr-defined]
        "bash": function,
        "zsh": function,
        # To tcsh an option is the same whatever command it follows: --model offers the models of all of them.
        "tcsh": f"`{_command(*MODELS) if kind in MODELS else command}`",
        "preamble": {
            "bash": f'{function}() {{ compgen -W "$({command} 2>/dev/null)" -- "$1"; }}',
            "zsh": f'{function}() {{ compadd -- ${{(f)"$({command} 2>/dev/null)"}}; }}',
        },
    }


def _command(*kinds: str) -> str:
    return " ".join(["dla params --names", *(section for kind in kinds for section in KINDS[kind])])


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

    print(shtab.complete(build_parser(), options.shell))
    return 0
