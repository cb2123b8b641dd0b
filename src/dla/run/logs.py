"""The files that take what commands print, and their ends: bars, colours and damaged text become plain lines."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

LONGEST_NAME = 200  # characters of a file's name; 255 is what file systems take
LAST_LINE_BYTES = 4096  # looked at for the last line: read several times a second
LAST_LINE_CHARACTERS = 400  # of it that are kept: wider than terminals
SHOWN_BYTES = 1 << 20  # of a log that are shown at most
SHOWN_LINES = 1000
SHOWN_CHARACTERS = 2000  # of a line

# Colours, movements of the cursor, titles of windows: ECMA-48, 5.4 and 5.6.
ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~])?")


@dataclass(frozen=True)
class Ending:
    """The last lines of a log."""

    lines: list[str]
    whole: bool  # whether these are all of them


def last_line(path: Path) -> str:
    """The last line that says something; nothing if there is none, or no such file."""
    content, _ = _end(path, LAST_LINE_BYTES)
    for line in reversed(content.replace("\r", "\n").split("\n")):
        if line and (text := plain(line).strip()):
            return text[:LAST_LINE_CHARACTERS]
    return ""


def last_lines(path: Path, count: int = SHOWN_LINES) -> Ending:
    """As many lines from the end, and at most SHOWN_BYTES of them; of a progress bar what it showed last."""
    content, whole = _end(path, SHOWN_BYTES)
    lines = content.removesuffix("\n").split("\n") if content else []
    if not whole and len(lines) > 1:
        lines = lines[1:]  # without the line whose beginning was not read
    return Ending([_shortened(_last_shown(line)) for line in lines[-count:]], whole and len(lines) <= count)


def plain(line: str) -> str:
    """A line without colours and whatever else moves a terminal's cursor."""
    line = ESCAPES.sub("", line).expandtabs(8)
    if line.isprintable():
        return line
    return "".join(c if c.isprintable() else " " if c.isspace() else "" for c in line)


def _end(path: Path, size: int) -> tuple[str, bool]:
    try:
        with path.open("rb") as file:
            start = max(0, file.seek(0, os.SEEK_END) - size)
            file.seek(start)
            content = file.read(size).decode(errors="replace")
    except OSError:
        return "", True
    return content, start == 0


def _last_shown(line: str) -> str:
    """Of what a carriage return was to overwrite, what stood there last."""
    return next((shown for part in reversed(line.split("\r")) if (shown := plain(part).rstrip())), "")


def _shortened(line: str) -> str:
    cut = len(line) - SHOWN_CHARACTERS
    return line if cut <= 0 else f"{line[:SHOWN_CHARACTERS]} ... and {cut:,} more characters"


def file_name(stage: str) -> str:
    """The name of a stage's log: of any characters, and short enough for a file system."""
    quoted = quote(stage, safe="@")
    if len(quoted) > LONGEST_NAME:
        quoted = f"{quoted[:LONGEST_NAME]}-{hashlib.sha256(stage.encode()).hexdigest()[:8]}"
    return f"{quoted}.log"
