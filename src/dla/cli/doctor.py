"""`dla doctor`: is everything there for a run?"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

from dla.cli.completion import offer_names
from dla.cli.parser import Commands, Parser, add_command
from dla.doctor.finding import Finding

STOPPED = "Something would stop a run."
READY = "Nothing found that would stop a run. Whether the results that lie here are right was not looked at."


def add(commands: Commands[Parser]) -> None:
    """Add the command to the parser."""
    doctor = add_command(
        commands,
        "doctor",
        "say what a run needs, and whether it is there",
        "Say what a run needs, whether it is there, and what to do if it is not.\n"
        "It looks at Python, torch, the device, DVC, the disk, every data source and every stage, and whether results "
        "are still what dvc.lock records; not whether they are right. Nothing is downloaded and nothing is changed. "
        "The exit code is 1 if something would stop a run.",
        "dla doctor",
        "dla doctor --budget quick  # what would it take to use real data?",
        "dla doctor --json",
    )
    budget = doctor.add_argument(
        "--budget", metavar="NAME", help="look with this budget instead of the one in params.yaml"
    )
    doctor.add_argument("--json", action="store_true", help="print JSON instead of a table, sizes in bytes")
    offer_names(budget, "budgets")
    doctor.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Do what was asked for; the exit code."""
    from dla.doctor.examination import examine

    findings = examine(options.budget)
    stopped = any(finding.problem and finding.stops for finding in findings)
    if options.json:
        print(json.dumps({"ready": not stopped, "findings": [_as_json(finding) for finding in findings]}, indent=2))
    else:
        _print_lines(findings)
        print(f"\n{STOPPED if stopped else READY}")
    return int(stopped)


def _print_lines(findings: Sequence[Finding]) -> None:
    """A line for each, and below them the problems, in sentences."""
    width = max(len(finding.subject) for finding in findings)
    for finding in findings:
        print(f"{finding.subject:<{width}}  {finding.state}")
    for finding in findings:
        if finding.problem:
            print(f"\n{'stops a run' if finding.stops else 'to mend'}: {finding.problem}")


def _as_json(finding: Finding) -> dict[str, object]:
    told = {"subject": finding.subject, "state": finding.state, "problem": finding.problem, "stops": finding.stops}
    return {**told, **finding.facts}
