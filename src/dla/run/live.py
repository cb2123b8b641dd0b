"""The live table: what runs stands at the bottom of the terminal, what has ended as lines above it."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path

from rich.cells import cell_len, set_cell_size
from rich.console import Console, ConsoleOptions, RenderResult
from rich.control import Control
from rich.live import Live
from rich.segment import ControlType, Segment
from rich.style import Style
from rich.text import Text

from dla.run.logs import last_line, plain
from dla.run.screen import LineScreen

INTERVAL = 0.2  # seconds between two pictures, at least: nobody reads faster
CLOCK = 7  # columns of a time: 1:02:03
LONGEST_BAR, SHORTEST_BAR = 30, 10  # columns
STYLES = {
    "done": Style(color="green"),
    "restored": Style(color="cyan"),
    "failed": Style(color="red", bold=True),
    "skipped": Style(color="yellow"),
    "note": Style(color="yellow"),
    "faint": Style(dim=True),
    "left": Style(color="cyan"),
}
# What the line of counts holds from left to right, and what is kept of it where the terminal is narrow.
COUNTED = ("running", "waiting", "done", "unchanged", "restored", "failed", "skipped")
KEPT = ("failed", "running", "left", "done", "waiting", "time", "skipped", "restored", "unchanged")

Row = list[tuple[str, str]]  # pieces of text, each with the name of its style


class LiveScreen(LineScreen):
    """A table of what runs and a line of counts, drawn anew by `tick`; events are lines above them."""

    def __init__(self, console: Console) -> None:
        super().__init__(console.file)  # type: ignore[arg-type]
        self.console = console
        self.live: Live | None = None
        self.drawn_at = 0.0
        self.widths: list[int] = []  # columns of each row as drawn last
        self.last_lines: dict[Path, tuple[tuple[int, int], str]] = {}  # of logs, with their time and size

    def plan(self, stages: Sequence[str], seconds: Mapping[str, float]) -> None:
        self.close()
        super().plan(stages, seconds)
        self.live = Live(
            console=self.console,
            get_renderable=lambda: self,
            auto_refresh=False,
            transient=True,
            redirect_stderr=sys.stderr.isatty(),  # what goes to a file stays there
        )
        try:
            self.live.start()
            self.console.show_cursor(True)  # or a process that is killed or suspended would leave none
        except Exception:
            self.close()

    def began(self, stage: str, log: Path) -> None:
        self._begin(stage, log)

    def tick(self) -> None:
        if self.live is not None and time.monotonic() - self.drawn_at >= INTERVAL:
            self._draw([])

    def close(self) -> None:
        live, self.live = self.live, None
        if live is not None:
            with suppress(Exception, SystemExit), self.console:
                self._forget_wrapped_rows()
                live.stop()

    def _write(self, lines: Sequence[tuple[str, str]]) -> None:
        if not self._draw(lines):
            super()._write(lines)

    def _draw(self, lines: Sequence[tuple[str, str]]) -> bool:
        """Draw lines, and below them the table as it is now; whether that went well. One that did not is the last."""
        try:
            with self.console:  # all of it in one go, so that nothing flickers
                self._forget_wrapped_rows()
                if lines:
                    self.console.print(Text("\n").join(_painted(*line) for line in lines), soft_wrap=True)
                elif self.live is not None:
                    self.live.refresh()
        except (Exception, SystemExit):  # rich exits where a reader is gone
            self.close()
            return False
        return True

    def _forget_wrapped_rows(self) -> None:
        """Wipe what a terminal that became narrower has made of our rows: most wrap them, and xterm alone cuts them."""
        width = self.console.width
        if "XTERM_VERSION" not in os.environ:
            wrapped = sum(max(0, columns - 1) // width for columns in self.widths)
            self.console.control(Control(*[(ControlType.ERASE_IN_LINE, 2), (ControlType.CURSOR_UP, 1)] * wrapped))
        self.widths = []

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        self.drawn_at = time.monotonic()
        width = options.max_width - 1  # the last column would set some terminals to wrapping
        rows = [*self._table(width, options.size.height - 2), self._counts(width)]
        self.widths = [sum(cell_len(text) for text, _ in row) for row in rows]
        for row in rows:
            for text, style in row:
                yield Segment(text, STYLES.get(style))
            yield Segment.line()

    def _table(self, width: int, height: int) -> list[Row]:
        """A heading and a row per stage that runs, the first begun first, and how many do not fit into the height."""
        if not self.running or height < 3:
            return []
        name = min(self.name_width, max(12, width * 2 // 5))
        above: list[Row] = [[]] if height > 8 else []  # apart from the events
        height -= len(above)
        fitting = height - 1 if len(self.running) < height else height - 2
        heading = f"{'stage':<{name}}  {'time':>{CLOCK}}  {'left':>{CLOCK}}  last line"
        rows = [*above, [(set_cell_size(heading, width).rstrip(), "faint")]]
        rows += [self._row(stage, name, width) for stage in islice(self.running, fitting)]
        if more := len(self.running) - fitting:
            rows += [[(f"... and {more} more", "faint")]] if more > 0 else []
        return rows

    def _row(self, stage: str, name: int, width: int) -> Row:
        now, running = time.monotonic(), self.running[stage]
        left = self.left(stage, now)
        shown = plain(stage) if len(stage) <= name else f"...{plain(stage)[3 - name :]}"  # its end says more
        row = [
            (set_cell_size(shown, name) + "  ", ""),
            (f"{clock(now - running.since):>{CLOCK}}  ", ""),
            (f"{clock(left) if left else '':>{CLOCK}}  ", "left"),
        ]
        room = width - sum(cell_len(text) for text, _ in row)
        return [*row, (set_cell_size(self._last_line(running.log), room).rstrip(), "faint")] if room > 0 else row

    def _last_line(self, log: Path) -> str:
        """Its last line, read only if it has changed."""
        try:
            state = log.stat()
        except OSError:
            return ""
        known, line = self.last_lines.get(log, (None, ""))
        changed = (state.st_mtime_ns, state.st_size)
        if known != changed:
            line = last_line(log)
            self.last_lines[log] = changed, line
        return line

    def _counts(self, width: int) -> Row:
        now = time.monotonic()
        counts = self.counts()
        texts = {kind: f"{counts[kind]} {kind}" for kind in COUNTED if counts[kind]}
        texts["time"] = clock(now - self.since)
        if left := self.time_left(now):
            texts["left"] = f"about {clock(left)} left"
        start = f"{len(self.ended)}/{len(self.stages)}"
        free = width - len(start)
        kept = set()
        for part in KEPT:
            if part in texts and len(texts[part]) + 2 <= free:
                kept.add(part)
                free -= len(texts[part]) + 2
        bar = self._bar(min(LONGEST_BAR, free - 2)) if free >= SHORTEST_BAR + 2 else []
        pieces = [(f"  {texts[part]}", part) for part in (*COUNTED, "time", "left") if part in kept]
        return [(start, ""), *bar, *pieces]

    def _bar(self, length: int) -> Row:
        filled = round(length * len(self.ended) / max(1, len(self.stages)))
        full, empty = ("━", "━") if self.console.encoding.startswith("utf") else ("#", "-")
        return [
            ("  ", ""),
            (full * filled, "failed" if self.failures else "done"),
            (empty * (length - filled), "faint"),
        ]


def clock(seconds: float) -> str:
    """0:14 or 1:02:03."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"


def _painted(kind: str, line: str) -> Text:
    """The word for what happened in its colour; a sentence wholly."""
    text = Text(line)
    if style := STYLES.get(kind):
        start = -1 if kind == "note" else line.find(kind)
        text.stylize(style, max(0, start), start + len(kind) if start >= 0 else None)
    return text
