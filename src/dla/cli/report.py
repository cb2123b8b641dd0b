"""`dla report`: open the report page."""

from __future__ import annotations

import argparse
import webbrowser
from pathlib import Path

from dla.cli.parser import Commands, Parser, add_command
from dla.core.errors import UserError

PAGE = Path("report/index.html")  # what the stage `report` writes


def add(commands: Commands[Parser]) -> None:
    """Add the command to the parser."""
    report = add_command(
        commands,
        "report",
        "open the page with all results in the browser",
        "Open the page that `dvc repro report` writes: every result with its figures.\n"
        "Where there is no browser, --path says which file to copy or serve.",
        "dla report",
        "dla report --path",
    )
    report.add_argument("--path", action="store_true", help="print where the page is, and open nothing")
    report.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Do what was asked for; the exit code."""
    page = PAGE.resolve()
    if not page.is_file():
        raise UserError(f"{PAGE}: is missing; `dvc repro report` makes it")
    if options.path:
        print(page)
    elif not webbrowser.open(page.as_uri()):
        raise UserError(f"no browser can be started here; open {page} in one, or see `dla report --path`")
    return 0
