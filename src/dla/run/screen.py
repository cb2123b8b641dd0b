"""What is seen of a run: on a terminal a live table, elsewhere a line per event.

All of it goes to standard output, in order: what became of each stage is the result of this command, as it is of
`dvc repro`, and a log belongs below the line that says which stage failed. An error that ends the run itself is
the caller's, on standard error.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TextIO

from dla.run.logs import last_lines, plain

NAME_WIDTH = 40  # columns for the names of stages, if they are longer than that
REPEATED_LINES = 10  # of a failed stage's log, in the summary
NAMED = 10  # stages that are named in a list, at most


class Screen(Protocol):
    """What the driver tells of a run, from its one thread. Nothing raises, whatever becomes of the terminal."""

    def plan(self, stages: Sequence[str], seconds: Mapping[str, float]) -> None:
        """What will be looked at, in serial order, and how many seconds some of it is expected to take."""
        ...

    def unchanged(self, stage: str) -> None:
        """There is nothing to do for it."""
        ...

    def restored(self, stage: str) -> None:
        """Its outputs were taken from the run-cache."""
        ...

    def began(self, stage: str, log: Path) -> None:
        """Its commands run, and what they print goes to that file."""
        ...

    def tick(self) -> None:
        """Show how things stand now; called several times a second."""
        ...

    def done(self, stage: str, seconds: float) -> None:
        """It ran, and its results are recorded."""
        ...

    def failed(self, stage: str, why: str, log: Path | None) -> None:
        """It ran or was to run and did not succeed; its log is shown."""
        ...

    def skipped(self, stages: Sequence[str], because_of: str) -> None:
        """They need what failed, so they will not run."""
        ...

    def note(self, text: str) -> None:
        """A sentence on anything else."""
        ...

    def close(self) -> None:
        """Leave the terminal as it was. May be called twice, and before `summary`."""
        ...

    def summary(self) -> None:
        """The last lines: each failure with the end of its log, and how many stages ended how. Closes."""
        ...


@dataclass(frozen=True)
class Running:
    """A stage whose commands run."""

    log: Path
    since: float  # seconds of the monotonic clock


@dataclass(frozen=True)
class Failure:
    """A stage that failed."""

    stage: str
    why: str
    log: Path | None


class LineScreen:
    """A line per event; stages that have not changed are counted, not named."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.since = time.monotonic()
        self.stages: list[str] = []
        self.name_width = 0
        self.seconds: dict[str, float] = {}  # expected, and of what is done measured
        self.ended: dict[str, str] = {}  # how: done, restored, unchanged, failed, skipped
        self.running: dict[str, Running] = {}
        self.side_by_side = 1  # stages that run at once, at most
        self.failures: list[Failure] = []
        self.needing: dict[str, list[str]] = {}  # what is skipped because of a stage

    def plan(self, stages: Sequence[str], seconds: Mapping[str, float]) -> None:
        self.stages = list(stages)
        self.name_width = min(NAME_WIDTH, max(map(len, stages), default=0))
        self.seconds = dict(seconds)

    def unchanged(self, stage: str) -> None:
        self._end(stage, "unchanged")

    def restored(self, stage: str) -> None:
        self._end(stage, "restored")
        self._event("restored", stage, "from the run-cache")

    def began(self, stage: str, log: Path) -> None:
        self._begin(stage, log)
        self._event("began", stage)

    def tick(self) -> None:
        pass

    def done(self, stage: str, seconds: float) -> None:
        self._end(stage, "done")
        self.seconds[stage] = seconds
        self._event("done", stage, f"{duration(seconds, 1):>11}")

    def failed(self, stage: str, why: str, log: Path | None) -> None:
        self._end(stage, "failed")
        self.failures.append(Failure(stage, why, log))
        self._event("failed", stage, why)
        if log is not None:
            self._print([("", line) for line in shown_log(log)])

    def skipped(self, stages: Sequence[str], because_of: str) -> None:
        for stage in stages:
            self._end(stage, "skipped")
        self.needing.setdefault(because_of, []).extend(stages)
        if stages:
            self._event("skipped", listed(stages), f"without {because_of}")

    def note(self, text: str) -> None:
        self._print([("note", line) for line in text.splitlines()])

    def close(self) -> None:
        pass

    def summary(self) -> None:
        self.close()
        lines = [line for failure in self.failures for line in self._described(failure)]
        if self.running:
            lines.append(
                ("note", f"stopped while running: {listed(list(self.running))}; the same command goes on from here")
            )
        self._print([*lines, ("failed" if self.failures else "done", self._totals())])

    def _described(self, failure: Failure) -> list[tuple[str, str]]:
        lines = [("", ""), ("failed", f"{failure.stage} failed: {failure.why}")]
        if failure.log is not None:
            lines += [("", f"    {line}") for line in last_lines(failure.log, REPEATED_LINES).lines]
            lines.append(("", f"  its log: {shown_path(failure.log)}"))
        if needing := self.needing.get(failure.stage):
            lines.append(("", f"  not run without it: {listed(needing)}"))
        return [*lines, ("", "")] if failure is self.failures[-1] else lines

    def counts(self) -> Counter[str]:
        """How many stages ended how, and how many run and wait."""
        counts = Counter(self.ended.values())
        counts["running"] = len(self.running)
        counts["waiting"] = max(0, len(self.stages) - len(self.ended) - len(self.running))
        return counts

    def left(self, stage: str, now: float) -> float | None:
        """Seconds that a stage will still run, as expected; nothing if unknown or exceeded."""
        expected = self.seconds.get(stage)
        if expected is None:
            return None
        left = expected - (now - self.running[stage].since if stage in self.running else 0)
        return left if left > 0 else None

    def time_left(self, now: float) -> float | None:
        """Seconds that the run will still take, if as many stages as now run side by side until its end.

        A stage that never ran counts as the mean of the others. Nothing where no time is known, or nothing is left.
        """
        mean = sum(self.seconds.values()) / len(self.seconds) if self.seconds else 0
        lefts = [
            self.left(stage, now) or (0 if stage in self.seconds else mean)
            for stage in self.stages
            if stage not in self.ended
        ]
        return max([sum(lefts) / max(1, self.side_by_side), *lefts]) if lefts else None

    def _totals(self) -> str:
        counts = self.counts()
        if self.stages and counts["unchanged"] == len(self.stages):
            return f"nothing to do: everything is up to date ({len(self.stages)} unchanged)"
        kinds = ("done", "restored", "unchanged", "failed", "skipped")
        parts = [f"{counts[kind]} {kind}" for kind in kinds if counts[kind] or kind == "done"]
        parts += [f"{counts['running']} stopped"] if counts["running"] else []
        parts += [f"{counts['waiting']} not begun"] if counts["waiting"] else []
        return f"{', '.join(parts)} in {duration(time.monotonic() - self.since, 1)}"

    def _begin(self, stage: str, log: Path) -> None:
        self.running[stage] = Running(log, time.monotonic())
        self.side_by_side = max(self.side_by_side, len(self.running))

    def _end(self, stage: str, how: str) -> None:
        self.running.pop(stage, None)
        self.ended[stage] = how

    def _event(self, kind: str, stage: str, rest: str = "") -> None:
        total = str(len(self.stages))
        count = f"{len(self.ended):>{len(total)}}/{total}"
        self._print([(kind, f"{count}  {kind:<8}  {plain(stage):<{self.name_width}}  {rest}".rstrip())])

    def _print(self, lines: Sequence[tuple[str, str]]) -> None:
        """Print lines, each with the kind of event it tells; nothing in them moves the cursor."""
        self._write([(kind, plain(line)) for kind, line in lines])

    def _write(self, lines: Sequence[tuple[str, str]]) -> None:
        """Write them. A reader that is gone is no reason to end the run."""
        text = "".join(f"{line}\n" for _, line in lines)
        try:
            try:
                self.stream.write(text)
            except UnicodeEncodeError:
                self.stream.write(text.encode("ascii", "backslashreplace").decode())
            self.stream.flush()
        except BrokenPipeError:  # what is in the buffer must go somewhere, or Python fails with it at the end
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.stream.fileno())
        except (OSError, ValueError):
            pass


def open_screen(stream: TextIO) -> Screen:
    """A live table if the stream is a terminal that can show one, else lines."""
    if not stream.isatty() or os.environ.get("CI"):
        return LineScreen(stream)
    from rich.console import Console  # 60 ms that only a terminal needs

    from dla.run.live import LiveScreen

    console = Console(file=stream, markup=False, emoji=False, highlight=False)
    return LiveScreen(console) if console.is_terminal and console.is_interactive else LineScreen(stream)


def shown_log(log: Path) -> list[str]:
    """A log's lines as they are shown below the stage that failed, and where the rest is."""
    ending = last_lines(log)
    lines = [f"    {line}" for line in ending.lines]
    if not lines:
        return ["    (it printed nothing)"]
    return lines if ending.whole else [f"    ... the last {len(lines):,} lines of {shown_path(log)}:", *lines]


def shown_path(path: Path) -> str:
    """A path as a user would type it here."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def listed(stages: Sequence[str]) -> str:
    """Names in a row; of many the first few."""
    names = ", ".join(stages[:NAMED])
    return names if len(stages) <= NAMED else f"{names} and {len(stages) - NAMED} more"


def duration(seconds: float, digits: int = 0) -> str:
    """14.2 s, 3 min 05 s or 2 h 01 min; under a minute with as many decimal digits."""
    if round(seconds, digits) < 60:
        return f"{seconds:.{digits}f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"
