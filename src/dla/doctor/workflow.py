"""What DVC says of the project."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from dla.core.errors import UserError
from dla.doctor.finding import Finding

DVC_DIR = Path(".dvc")
PATIENCE = 30.0  # seconds: large files that changed are hashed anew, once


def ask_for_status() -> subprocess.Popen[str]:
    """`dvc status` in a process of its own: it takes seconds, in which other things can be looked at."""
    command = [sys.executable, "-m", "dvc", "status", "--json"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)  # noqa: S603 (no shell)


@dataclass(frozen=True)
class Status:
    """What is not as it was after the last run."""

    changed: frozenset[str]  # stages whose code, parameters, data or outputs are others
    modified: tuple[str, ...]  # files that stages write, and that are there with another content


def read_status(asked: subprocess.Popen[str]) -> Status:
    """What DVC says of every stage: it compares files with dvc.lock, and knows no more than that does.

    Raises
    ------
    UserError
        In DVC's own words, if it cannot say.
    """
    try:
        told, complaints = asked.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        asked.kill()
        raise UserError(f"`dvc status` was not done after {PATIENCE:.0f} seconds") from None
    if asked.returncode:
        errors = [line.removeprefix("ERROR: ") for line in complaints.splitlines() if line.startswith("ERROR: ")]
        raise UserError(errors[0] if errors else f"`dvc status` ended with exit code {asked.returncode}")
    stages: dict[str, list[Any]] = json.loads(told)
    outs = [
        entry.get("changed outs", {}) for entries in stages.values() for entry in entries if isinstance(entry, dict)
    ]
    return Status(frozenset(stages), tuple(path for out in outs for path, how in out.items() if how == "modified"))


def project() -> list[Finding]:
    """The version of DVC, and whether `dvc plots show` has the page that needs no internet."""
    facts = {"version": version("dvc"), "project": DVC_DIR.is_dir()}
    if not DVC_DIR.is_dir():
        problem = "there is no folder .dvc here: run from the root of the project, in a clone made with git"
        return [Finding("dvc", f"{version('dvc')}, and this is no DVC project", problem, stops=True, facts=facts)]
    return [Finding("dvc", f"{version('dvc')}, and this is a DVC project", facts=facts), _plots_page()]


def _plots_page() -> Finding:
    from dvc.config import Config
    from dvc.exceptions import DvcException

    try:
        configured = Config(dvc_dir=str(DVC_DIR))["plots"].get("html_template")
    except DvcException as error:
        return Finding("plots page", "not known", f"{DVC_DIR}/config: {error}", stops=True)
    if configured is None:
        return Finding("plots page", "DVC's own, which needs the internet", facts={"offline": False})
    page = DVC_DIR / configured
    facts = {"offline": True, "made": page.is_file()}
    if page.is_file():
        return Finding("plots page", f"{page}, which needs no internet", facts=facts)
    problem = f"{page} is missing, without which `dvc plots show` fails: python -m dla.site.offline {page}"
    return Finding("plots page", "configured, but not made yet", problem, facts=facts)
