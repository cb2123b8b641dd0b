"""Tables of the committed metrics, put into pages of the documentation where a comment asks for them.

A page says which numbers it wants, not what they are, so it is right after every run:

    <!-- metrics test.accuracy parameters
    train/cifar10-plain-20
    repeats: test_accuracy
    -->

First the keys, a column each; then a line per row: a file in metrics/, and after a colon where in it the keys are.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from dla.core.artifacts import read_metrics
from dla.core.errors import UserError

WANTED = re.compile(r"<!-- metrics ([^\n]+)\n(.+?)\n-->", re.DOTALL)


def with_tables(markdown: str, folder: Path) -> str:
    """The page with a table in the place of every comment that asks for one.

    Raises
    ------
    UserError
        If there is no such file or no such key.
    """
    return WANTED.sub(lambda wanted: _table(wanted[1].split(), wanted[2].strip().splitlines(), folder), markdown)


def _table(keys: list[str], rows: list[str], folder: Path) -> str:
    lines = [f"| | {' | '.join(f'`{key}`' for key in keys)} |", "|---" * (len(keys) + 1) + "|"]
    sources: set[str] = set()
    for row in rows:
        name, _, place = (part.strip() for part in row.partition(":"))
        metrics = read_metrics(folder / f"{name}.json")
        sources |= {f", on {metrics['data']} data"} if "data" in metrics else set()
        found = metrics[place] if place else metrics
        lines.append(f"| {place or name} | {' | '.join(_shown(_look_up(found, key, row)) for key in keys)} |")
    return "\n".join([*lines, "", f"*The committed run{''.join(sorted(sources))}.*"])


def _look_up(found: Any, key: str, row: str) -> Any:
    for part in key.split("."):
        if part not in found:
            raise UserError(f"metrics/{row} has no {key}")
        found = found[part]
    return found


def _shown(value: Any) -> str:
    return "none" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
