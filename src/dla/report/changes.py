"""What changes from one revision to another, as a page for a pull request: parameters, metrics, and plots as pictures.

    python -m dla.report.changes main HEAD changes

writes changes/comment.md and the pictures it shows, in changes/pictures/.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from dla.core.artifacts import atomic, write_text
from dla.core.errors import UserError
from dla.report.drawn import dvc, read_plots

ROWS = 100  # of a table; GitHub takes 65,536 characters of a comment
SHOWN = 6  # plots that are open; what is more is folded away


def write_changes(old: str, new: str, folder: Path) -> None:
    """Write the page and its pictures.

    Raises
    ------
    UserError
        If DVC knows no such revision, or there are pictures in the folder, which may be anybody's.
    """
    tables = [table(title, dvc(command, "diff", "--md", old, new)) for title, command in TABLES.items()]
    with atomic(folder / "pictures") as pictures:
        pictures.mkdir()
        plots = list(draw_changed(old, new, pictures))
    write_text(folder / "comment.md", "\n".join([f"## What changes from {old} to {new}\n", *tables, *gallery(plots)]))


TABLES = {"Parameters": "params", "Metrics": "metrics"}


def table(title: str, rows: str) -> str:
    """A table of DVC's under its title, cut where it is too long."""
    lines = [" ".join(line.split()) for line in rows.strip().splitlines()]  # without DVC's padding
    if len(lines) < 3:  # two make its head
        return f"**{title}**: none changed.\n"
    more = len(lines) - 2 - ROWS
    note = [f"\nand {more} more: `dvc {TABLES[title]} diff` shows them."] if more > 0 else []
    return "\n".join([f"**{title}**\n", *lines[: ROWS + 2], *note, ""])


def draw_changed(old: str, new: str, folder: Path) -> Iterator[str]:
    """Draw what differs into `folder`, and yield for each plot the Markdown that shows it."""
    for plot in read_plots(old, new):
        if plot.is_changed(old, new):
            pictures = dict(plot.drawn())
            for name, content in pictures.items():
                (folder / name).write_bytes(content)
            shown = " ".join(f"![{plot.name}](pictures/{name})" for name in pictures)
            yield f"{plot.name}\n\n{shown}\n"


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
