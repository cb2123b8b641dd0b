"""What a shell offers where an argument is to be typed: files, or names that params.yaml has at that moment."""

from __future__ import annotations

import argparse

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
# Of bash and zsh: functions that their scripts define.
FILES = {"bash": "_shtab_compgen_files", "zsh": "_files", "tcsh": "f"}


def offer_files(argument: argparse.Action) -> None:
    """Complete the argument to files."""
    argument.complete = FILES  # type: ignore[attr-defined]  # where shtab looks for it


def offer_names(argument: argparse.Action, kind: str) -> None:
    """Complete the argument to names of one of KINDS."""
    function = f"_dla_{kind}"
    # To tcsh an option is the same whatever command it follows: --model offers the models of all of them.
    kinds = MODELS if kind in MODELS else (kind,)
    names = {"bash": function, "zsh": function, "tcsh": f"`{_command(*kinds)}`"}
    argument.complete = names  # type: ignore[attr-defined]


def functions(shell: str) -> str:
    """The shell functions that `offer_names` refers to."""
    bodies = {
        "bash": 'compgen -W "$({command} 2>/dev/null)" -- "$1"',
        "zsh": 'compadd -- ${{(f)"$({command} 2>/dev/null)"}}',
    }
    if shell not in bodies:
        return ""
    return "\n".join(f"_dla_{kind}() {{ {bodies[shell].format(command=_command(kind))}; }}" for kind in KINDS)


def _command(*kinds: str) -> str:
    return " ".join(["dla params --names", *(section for kind in kinds for section in KINDS[kind])])
