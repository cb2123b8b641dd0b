"""`dla verify`: are results those that are committed?"""

from __future__ import annotations

import argparse

from dla.cli.completion import offer_names
from dla.cli.parser import Commands, Parser, add_command
from dla.core.errors import UserError


def add(commands: Commands[Parser]) -> None:
    """Add the command to the parser."""
    parser = add_command(
        commands,
        "verify",
        "compare results with the committed ones, also after a new run in a clone",
        "Say of every metric and plot whether it is that of the commit: equal to the last digit, within a tolerance, "
        "or different.\n"
        "With stages, or --all, it runs what is committed anew in a temporary clone, and compares that. "
        "Exit code 0: all are equal; 1: some are not, a line about each.",
        "dla verify",
        "dla verify train@mnist-mlp-64  # runs it anew, its inputs from DVC's cache",
        "dla verify --all  # runs all anew, with nothing from the cache",
    )
    stages = parser.add_argument("stages", nargs="*", metavar="STAGE", help="stages of dvc.yaml to run anew")
    parser.add_argument("--all", action="store_true", help="run all stages anew")
    offer_names(stages, "stages")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Do what was asked for; the exit code."""
    if options.all and options.stages:
        raise UserError("--all runs every stage anew; leave it out, or the names of stages")
    from dla.run.project import Project
    from dla.verify.comparison import Verdict, lines, summary

    project = Project()
    if options.all or options.stages:
        from dla.verify.scratch import verify_all, verify_stages

        compared = verify_all(project.root) if options.all else verify_stages(project.root, options.stages)
    else:
        from dla.verify.committed import compare_results

        compared = compare_results(project.root, project.repo.index.stages)
    for line in lines(compared):
        print(line)
    print(summary(compared) or "no metrics or plots are committed")
    return int(any(result.verdict is not Verdict.EQUAL for result in compared))
