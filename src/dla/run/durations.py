"""How long stages took when they last ran: what the next run plans with, kept outside of what DVC tracks.

Beside them stands the time of runs that were interrupted since: a stage that goes on from a checkpoint takes the less.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from dla.core.atomic import atomic
from dla.core.contents import parse_object

LONGEST = 1e9  # seconds, 30 years: what is beyond is damage


def read(path: Path) -> dict[str, float]:
    """The seconds of each stage's last successful run; nothing where there is no file, or a damaged one."""
    try:
        seconds = parse_object(path.read_bytes())
    except (OSError, ValueError):  # an estimate is lost, no result
        return {}
    return {name: float(value) for name, value in seconds.items() if _is_duration(value)}


def write(path: Path, seconds: Mapping[str, float]) -> None:
    """Remember the seconds of stages that have run, beside those of stages that have not.

    Raises
    ------
    UserError
        If the file cannot be written.
    """
    merged = read(path) | {name: round(value, 3) for name, value in seconds.items()}
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(merged, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def _is_duration(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < LONGEST
