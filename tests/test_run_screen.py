"""What is seen of a run: a line per event in files, a live table on a terminal, and each failure with its log."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dla.run.logs import SHOWN_CHARACTERS, SHOWN_LINES, last_line, last_lines
from dla.run.screen import LineScreen, duration, open_screen

STAGES = ["prepare@mnist", "train@mnist-mlp-64", "train@mnist-mlp-128", "cam@mnist", "report"]
# A driver that does what it is told over standard input, and says over standard error when it has.
DRIVER = """
import logging, sys, time
from pathlib import Path
from dla.run.notes import Notes
from dla.run.screen import open_screen

screen = open_screen(sys.stdout)

def draw():
    end = time.monotonic() + 0.3
    while time.monotonic() < end:
        screen.tick()
        time.sleep(0.02)

for line in sys.stdin:
    exec(line)
    print("ok", file=sys.stderr, flush=True)
"""
SECONDS = 20.0  # to wait for what must come


class Terminal:
    """As much of a terminal as a table needs: rows that wrap, also when it becomes narrower, and a cursor."""

    def __init__(self, columns: int) -> None:
        self.columns = columns
        self.rows = [""]
        self.row = self.column = 0

    def write(self, text: str) -> None:
        for control, parameters, letter, character in re.findall(r"(\x1b\[([?\d;]*)([A-Za-z]))|(.)", text, re.DOTALL):
            if letter == "A":
                self.row = max(0, self.row - int(parameters))
            elif letter == "K":
                assert parameters == "2"
                self.rows[self.row] = ""
            elif control:
                assert letter in "mhl", control
            elif character == "\r":
                self.column = 0
            elif character == "\n":
                self._next_row()
            else:
                if self.column == self.columns:
                    self._next_row()
                    self.column = 0
                before = self.rows[self.row].ljust(self.column)
                self.rows[self.row] = before[: self.column] + character + before[self.column + 1 :]
                self.column += 1

    def narrow(self, columns: int) -> None:
        """Wrap the rows anew; the cursor stays behind the character that it was behind."""
        assert self.row == len(self.rows) - 1
        self.columns = columns
        wrapped = [[row[i : i + columns] for i in range(0, max(1, len(row)), columns)] for row in self.rows]
        self.rows = [part for parts in wrapped for part in parts]
        self.row, self.column = len(self.rows) - 1, len(self.rows[-1])

    def _next_row(self) -> None:
        self.row += 1
        if self.row == len(self.rows):
            self.rows.append("")


class Driver:
    """The driver in a process of its own, on a pseudo terminal."""

    def __init__(self, columns: int = 80, rows: int = 24, **environment: str) -> None:
        self.control, terminal = pty.openpty()
        self.resize(columns, rows)
        names = ("CI", "NO_COLOR", "COLUMNS", "LINES", "XTERM_VERSION", "FORCE_COLOR", "TTY_INTERACTIVE")
        inherited = {name: value for name, value in os.environ.items() if name not in names}
        self.process = subprocess.Popen(
            [sys.executable, "-c", DRIVER],
            stdin=subprocess.PIPE,
            stdout=terminal,
            stderr=subprocess.PIPE,
            text=True,
            bufsize=1,
            env=inherited | {"TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8"} | environment,
        )
        os.close(terminal)
        os.set_blocking(self.control, False)
        self.terminal = Terminal(columns)
        self.raw = ""

    def resize(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self.control, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def do(self, *lines: str) -> None:
        """Have it run lines of Python, and read what it printed."""
        assert self.process.stdin is not None
        assert self.process.stderr is not None
        for line in lines:
            self.process.stdin.write(f"{line}\n")
            assert self.process.stderr.readline() == "ok\n", self.process.stderr.read()
        self.read()

    def read(self) -> None:
        try:
            while content := os.read(self.control, 1 << 16):
                text = content.decode()  # what is drawn ends with a whole character: it is one write
                self.raw += text
                self.terminal.write(text)
        except BlockingIOError:
            pass

    def until(self, holds: Callable[[], bool]) -> None:
        """Read until it holds: what a process wrote reaches the other side of a pseudo terminal a moment later."""
        deadline = time.monotonic() + SECONDS
        while not holds():
            assert time.monotonic() < deadline, "\n".join(self.terminal.rows)
            self.read()

    def shows(self, pattern: str) -> bool:
        return any(re.search(pattern, row) for row in self.terminal.rows)

    def end(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stderr is not None
        self.process.stdin.close()
        self.process.wait(SECONDS)
        self.process.stderr.close()
        os.close(self.control)


@pytest.fixture
def start() -> Iterator[Callable[..., Driver]]:
    drivers: list[Driver] = []

    def start(columns: int = 80, rows: int = 24, **environment: str) -> Driver:
        drivers.append(Driver(columns, rows, **environment))
        return drivers[-1]

    yield start
    for driver in drivers:
        driver.end()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "train.log"
    path.write_text("epoch 1/3 loss 0.5\nepoch 2/3 loss 0.4\n")
    return path


def act(screen: LineScreen, log: Path) -> None:
    """A run with an end of each kind."""
    screen.plan(STAGES, {})
    screen.unchanged(STAGES[0])
    screen.began(STAGES[1], log)
    screen.began(STAGES[2], log)
    screen.done(STAGES[1], 14.23)
    screen.failed(STAGES[2], "exit code 1", log)
    screen.skipped(STAGES[3:], STAGES[2])


def test_elsewhere_an_event_is_a_line_and_what_has_not_changed_is_only_counted(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(log.parent)
    stream = io.StringIO()
    screen = open_screen(stream)
    assert isinstance(screen, LineScreen)
    act(screen, log)
    screen.note("another dvc holds the lock: waiting")
    assert stream.getvalue().splitlines() == [
        "1/5  began     train@mnist-mlp-64",
        "1/5  began     train@mnist-mlp-128",
        "2/5  done      train@mnist-mlp-64        14.2 s",
        "3/5  failed    train@mnist-mlp-128  exit code 1",
        "    epoch 1/3 loss 0.5",
        "    epoch 2/3 loss 0.4",
        "5/5  skipped   cam@mnist, report    without train@mnist-mlp-128",
        "another dvc holds the lock: waiting",
    ]
    stream.truncate(stream.seek(0))
    screen.summary()
    *lines, totals = stream.getvalue().splitlines()
    assert lines == [
        "",
        "train@mnist-mlp-128 failed: exit code 1",
        "    epoch 1/3 loss 0.5",
        "    epoch 2/3 loss 0.4",
        "  its log: train.log",
        "  not run without it: cam@mnist, report",
        "",
    ]
    assert totals.startswith("1 done, 1 unchanged, 1 failed, 2 skipped in ")


def test_a_run_with_nothing_to_do_says_so() -> None:
    stream = io.StringIO()
    screen = open_screen(stream)
    screen.plan(STAGES, {})
    for stage in STAGES:
        screen.unchanged(stage)
    screen.summary()
    assert stream.getvalue() == "nothing to do: everything is up to date (5 unchanged)\n"


def test_a_run_that_is_stopped_says_what_was_running(log: Path) -> None:
    stream = io.StringIO()
    screen = open_screen(stream)
    screen.plan(STAGES, {})
    screen.began(STAGES[0], log)
    screen.summary()
    _, stopped, totals = stream.getvalue().splitlines()
    assert stopped == "stopped while running: prepare@mnist; the same command goes on from here"
    assert totals.startswith("0 done, 1 stopped, 4 not begun in ")


def test_a_long_log_is_shown_from_where_it_matters_and_the_rest_is_named(log: Path) -> None:
    log.write_text("".join(f"line {i}\n" for i in range(SHOWN_LINES + 5)) + "x" * (SHOWN_CHARACTERS + 7) + "\n")
    stream = io.StringIO()
    open_screen(stream).failed("train", "exit code 1", log)
    _, where, first, *_, before, last = stream.getvalue().splitlines()
    assert where == f"    ... the last 1,000 lines of {log}:"
    assert (first, before) == ("    line 6", "    line 1004")
    assert last.endswith("xx ... and 7 more characters")


def test_a_log_of_any_size_is_read_from_its_end(log: Path) -> None:
    with log.open("r+b") as file:
        file.truncate(1 << 40)  # a file of holes, as large as no memory
        file.seek(0, os.SEEK_END)
        file.write(b"\nepoch 3/3 loss 0.3\n")
    assert last_line(log) == "epoch 3/3 loss 0.3"
    assert last_lines(log).lines == ["epoch 3/3 loss 0.3"]
    assert not last_lines(log).whole


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"", ""),
        (b"one\ntwo\n\n  \n", "two"),
        (b" 10%|#\r 20%|##\r", "20%|##"),
        (b"\x1b[1;31mred\x1b[0m \x1b]0;a title\x07and\x1b[2K plain\x1b[", "red and plain"),
        (b"a\tb\x08\x00\x7f\xc2\x9b", "a       b"),
        (b"caf\xc3\xa9 \xff\xfe\n", "café \ufffd\ufffd"),
        (b"x" * 100_000, "x" * 400),
    ],
)
def test_the_last_line_of_a_log_is_plain_whatever_a_program_printed(log: Path, content: bytes, line: str) -> None:
    log.write_bytes(content)
    assert last_line(log) == line


def test_of_a_progress_bar_the_end_is_shown(log: Path) -> None:
    log.write_bytes(b"begin\n 10%\r 50%\r100%\r\nend")
    assert last_lines(log).lines == ["begin", "100%", "end"]
    assert last_lines(log, 1).lines == ["end"]


def test_a_log_that_is_not_there_is_no_error(tmp_path: Path) -> None:
    stream = io.StringIO()
    open_screen(stream).failed("train", "its folder is not there", tmp_path / "none.log")
    assert stream.getvalue().splitlines()[1:] == ["    (it printed nothing)"]
    assert last_line(tmp_path / "none.log") == ""


def test_names_and_reasons_cannot_move_the_cursor() -> None:
    stream = io.StringIO()
    open_screen(stream).failed("tr\x1b[2Jain", "a\nb\x1b[A", None)
    assert stream.getvalue() == "1/0  failed    train  a b\n"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (59.94, "59.9 s"), (59.96, "1 min 00 s"), (185, "3 min 05 s"), (3599.6, "1 h 00 min")],
)
def test_times_are_in_words(seconds: float, text: str) -> None:
    assert duration(seconds, 1) == text


def test_the_time_left_is_the_work_that_is_left_over_as_many_stages_as_run_at_once(log: Path) -> None:
    screen = LineScreen(io.StringIO())
    screen.plan(STAGES, {})
    assert not screen.time_left(time.monotonic())
    screen.plan(STAGES, dict.fromkeys(STAGES[:4], 100.0))  # the fifth as long as the others
    screen.began(STAGES[0], log)
    screen.began(STAGES[1], log)
    now = screen.running[STAGES[1]].since
    assert screen.time_left(now) == pytest.approx(250, abs=1)
    assert screen.time_left(now + 40) == pytest.approx(210, abs=1)
    screen.done(STAGES[0], 100)
    for stage in STAGES[2:]:
        screen.unchanged(stage)
    assert screen.time_left(now + 40) == pytest.approx(60, abs=1)  # one stage is not two times as quick
    assert screen.time_left(now + 140) == 0


def test_a_reader_that_has_seen_enough_does_not_end_the_run() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", DRIVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    process.stdout.close()
    process.stdout = None
    _, errors = process.communicate("screen.note('a')\nscreen.note('b')\nscreen.summary()\n", SECONDS)
    assert (process.returncode, errors) == (0, "ok\nok\nok\n")


@pytest.mark.parametrize("environment", [{"TERM": "dumb"}, {"CI": "true"}])
def test_a_terminal_that_cannot_show_a_table_gets_lines(
    start: Callable[..., Driver], environment: dict[str, str]
) -> None:
    driver = start(**environment)
    driver.do(f"screen.plan({STAGES}, {{}})", "screen.began('report', Path('none.log'))", "draw()", "screen.summary()")
    driver.until(lambda: driver.shows("4 not begun"))
    assert "\x1b" not in driver.raw
    assert driver.terminal.rows[0] == "0/5  began     report"


def test_a_terminal_shows_what_runs_below_what_has_ended_and_is_left_clean(
    start: Callable[..., Driver], log: Path
) -> None:
    driver = start()
    driver.do(
        f"log = Path({str(log)!r})",
        f"screen.plan({STAGES}, {{'train@mnist-mlp-64': 3725.0}})",
        "logging.getLogger('library').addHandler(Notes(screen.note))",
        f"screen.unchanged({STAGES[0]!r}); screen.began({STAGES[1]!r}, log); screen.began({STAGES[2]!r}, log)",
        "draw()",
    )
    driver.until(lambda: driver.shows(r"2 running  2 waiting  1 unchanged  0:0\d  about \d"))
    assert driver.shows(r"^train@mnist-mlp-64      0:0\d  1:02:0\d  epoch 2/3 loss 0.4$")
    assert driver.shows(r"^train@mnist-mlp-128     0:0\d           epoch 2/3 loss 0.4$")
    with log.open("a") as file:
        file.write("\x1b[1mepoch 3/3\x1b[0m\r")
    driver.do("draw()", f"screen.done({STAGES[1]!r}, 2.0)", "print('a print')")
    driver.do("logging.getLogger('library').warning('a warning\\nof two lines')")
    driver.until(lambda: driver.shows("of two lines") and driver.shows("1 running  2 waiting  1 done"))
    table = next(i for i, row in enumerate(driver.terminal.rows) if row.startswith("stage"))
    above = [row.split("  ")[:2] for row in driver.terminal.rows[:table]]
    assert above == [["2/5", "done"], ["a print"], ["a warning"], ["of two lines"], [""]]
    assert driver.terminal.rows[table + 1].endswith("epoch 3/3")
    driver.do(f"screen.failed({STAGES[2]!r}, 'exit code 1', log)", "screen.close(); screen.close()", "screen.summary()")
    driver.until(lambda: driver.shows("1 done, 1 unchanged, 1 failed, 2 not begun in"))
    assert not driver.shows("running|last line")
    assert driver.raw.rfind("\x1b[?25h") > driver.raw.rfind("\x1b[?25l")  # the cursor is to be seen


def test_many_stages_on_a_small_terminal_fit(start: Callable[..., Driver], log: Path) -> None:
    log.write_text("一" * 300)  # characters of two columns
    driver = start(60, 24)
    driver.do(
        f"log = Path({str(log)!r})",
        "names = [f'a/folder/of/many/dvc.yaml:train@number-{i}' for i in range(82)]",
        "screen.plan(names, {})",
        "for name in names[:64]: screen.began(name, log)",
        "draw()",
    )
    driver.until(lambda: driver.shows(r"^0/82 .* 64 running  18 waiting  0:0\d$"))
    rows = driver.terminal.rows
    assert len(rows) <= 24
    assert all(len(row) + row.count("一") < 60 for row in rows)
    shown = sum("number-" in row for row in rows)
    assert shown >= 18
    assert f"... and {64 - shown} more" in rows


def test_a_terminal_that_becomes_narrower_or_lower_holds_one_table(start: Callable[..., Driver], log: Path) -> None:
    log.write_text("a line that goes on and on " * 10)
    driver = start(100, 24)
    driver.do(
        f"log = Path({str(log)!r})",
        f"screen.plan({STAGES}, {{}}); screen.note('begins')",
        f"for name in {STAGES}: screen.began(name, log)",
        "draw()",
    )
    driver.until(lambda: driver.shows("5 running"))
    driver.terminal.narrow(44)
    driver.resize(44, 24)
    driver.do("draw()")
    driver.until(lambda: driver.shows("^0/5 .* 5 running  0:0.$"))
    assert [row.split()[0] for row in driver.terminal.rows if row] == ["begins", "stage", *map(_cut, STAGES), "0/5"]
    assert max(map(len, driver.terminal.rows)) < 44
    driver.resize(44, 2)
    driver.do("draw()")
    driver.until(
        lambda: [row for row in driver.terminal.rows if row][-1].startswith("0/5") and not driver.shows("stage")
    )


def _cut(stage: str) -> str:
    """A name in the seventeen columns that a narrow table has for it."""
    return stage if len(stage) <= 17 else f"...{stage[-14:]}"


def test_a_terminal_that_is_gone_does_not_end_the_run(start: Callable[..., Driver], log: Path) -> None:
    driver = start()
    driver.do(f"log = Path({str(log)!r})", f"screen.plan({STAGES}, {{}}); screen.began('report', log)", "draw()")
    os.close(driver.control)
    driver.control = os.open(os.devnull, os.O_RDONLY)
    driver.do("draw(); screen.done('report', 1.0); draw()", "screen.note('a'); screen.close(); screen.summary()")
