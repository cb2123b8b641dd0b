"""What changes from one revision to another, as a page for a pull request: parameters, metrics, and plots as pictures.

    python -m dla.site.changes main HEAD changes

writes changes/comment.md and the pictures it shows, in changes/pictures/.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from dla.core.artifacts import atomic, write_text
from dla.core.errors import UserError
from dla.site.drawn import dvc, file_name, read_plots

ROWS = 100  # of a table; GitHub takes 65,536 characters of a comment
LONGEST = 200  # characters of a cell
SHOWN = 6  # plots that are open; what is more is folded away


def write_changes(old: str, new: str, folder: Path) -> None:
    """Write the page and its pictures.

    Raises
    ------
    UserError
        If DVC knows no such revision, or there are pictures in the folder, which may be anybody's.
    """
    tables = [table(title, json.loads(dvc(command, "diff", "--json", old, new))) for title, command in TABLES.items()]
    with atomic(folder / "pictures") as pictures:
        pictures.mkdir()
        plots = list(draw_changed(old, new, pictures))
    title = f"## What changes from {code(old)} to {code(new)}\n"
    write_text(folder / "comment.md", "\n".join([title, *tables, *gallery(plots)]))


TABLES = {"Parameters": "params", "Metrics": "metrics"}


def table(title: str, changes: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> str:
    """What DVC says of each file and key as a table, cut where it is too long."""
    rows = [(file, key, change) for file, keys in changes.items() for key, change in sorted(keys.items())]
    if not rows:
        return f"**{title}**: none changed.\n"
    columns = ["old", "new", *(["diff"] if any("diff" in change for *_, change in rows) else [])]
    lines = [_row(["file", "key", *columns]), _row(["---"] * (2 + len(columns)))]
    for file, key, change in rows[:ROWS]:
        lines.append(_row([cell(file), cell(key), *(cell(change.get(column)) for column in columns)]))
    more = len(rows) - ROWS
    note = [f"\nand {more} more: `dvc {TABLES[title]} diff` shows them."] if more > 0 else []
    return "\n".join([f"**{title}**\n", *lines, *note, ""])


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def cell(value: Any) -> str:
    """A cell of a table: a number as it is, nothing as a dash, anything else as code."""
    if value is None:
        return "-"
    if isinstance(value, int | float):
        return f"{value:.6g}" if isinstance(value, float) else str(value)
    return code(str(value)).replace("|", "\\|")


def code(text: str) -> str:
    """Text of a branch's as code: as such it is shown as it is, whatever HTML, mentions or links it may hold."""
    shown = "".join(character if character.isprintable() else " " for character in text)
    shown = shown if len(shown) <= LONGEST else f"{shown[:LONGEST]}…"
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", shown)), default=0))
    space = " " if shown.startswith("`") or shown.endswith("`") or not shown.strip() else ""
    return f"{fence}{space}{shown}{space}{fence}"


def draw_changed(old: str, new: str, folder: Path) -> Iterator[str]:
    """Draw what differs into `folder`, and yield for each plot the Markdown that shows it."""
    for plot in read_plots(old, new):
        if plot.is_changed(old, new):
            pictures = dict(plot.drawn())
            for name, content in pictures.items():
                (folder / name).write_bytes(content)
            shown = " ".join(f"![{file_name(plot.name)}](pictures/{quote(name)})" for name in pictures)
            yield f"{code(plot.name)}\n\n{shown}\n"


def gallery(plots: list[str]) -> list[str]:
    """The plots under their title, the first ones open."""
    if not plots:
        return ["**Plots**: none changed.\n"]
    hidden = plots[SHOWN:]
    folded = [f"<details><summary>{len(hidden)} more</summary>\n", *hidden, "</details>\n"] if hidden else []
    return ["**Plots**\n", *plots[:SHOWN], *folded]


if __name__ == "__main__":
    try:
        write_changes(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
    except UserError as error:
        sys.exit(f"error: {error}")
