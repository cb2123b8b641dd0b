"""The pages of the documentation as tests read them: their blocks, in order, and how a guide is followed."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from .conftest import ROOT

PAGES = sorted((ROOT / "docs").glob("*.md"))
BLOCK = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```', re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A block of code: sh is run by tests, bash is not; text is what the commands before it print."""

    language: str
    title: str
    body: str


def blocks(page: Path) -> Iterator[Block]:
    """The blocks of a page that stand at the margin."""
    for found in BLOCK.finditer(page.read_text()):
        yield Block(found[1], found[2] or "", found[3])


def follow(page: Path, project: Path, environment: Mapping[str, str]) -> int:
    """Do what a guide says, and find in the output what the page shows of it; returns how often something was run."""
    printed, runs = "", 0
    for block in blocks(page):
        if block.language == "yaml":
            edit(project / "params.yaml", block.body)
        elif block.language == "python" and block.title:
            write_code(project / block.title, block.body)
        elif block.language == "sh":
            command = ["bash", "-euc", block.body]
            done = subprocess.run(
                command, cwd=project, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )
            printed, runs = done.stdout, runs + 1
            assert done.returncode == 0, f"{block.body}\n{printed[-4000:]}"
        elif block.language == "text":
            assert_shows(printed, block.body)
    return runs


# --- what a page shows of an output ---------------------------------------------------------------------------


def assert_shows(printed: str, shown: str) -> None:
    """Every line that is shown was printed, in that order, whatever its numbers; `...` is anything."""
    lines = iter([form(line) for line in printed.splitlines()])
    for line in shown.splitlines():
        pattern = re.escape(form(line)).replace(re.escape("..."), ".*")
        if not may_be_missing(line):
            assert any(re.fullmatch(pattern, printed_line) for printed_line in lines), f"{line}\nnot in\n{printed}"


def form(line: str) -> str:
    """A line with a sign for every number, and single spaces."""
    return " ".join(re.sub(r"-?\d+(?:\.\d+)?(?:e-?\d+)?", "#", line).split())


def may_be_missing(line: str) -> bool:
    """`dvc metrics diff` leaves out what did not change, and only losses always do."""
    return line.strip() in ("", "...") or (line.startswith("metrics/") and ".loss" not in line)


# --- what a page edits ----------------------------------------------------------------------------------------


def edit(params: Path, block: str) -> None:
    """Put the settings of a block into a params.yaml."""
    yaml = YAML()
    content = yaml.load(params.read_text())
    merge(content, YAML(typ="safe").load(block))
    with params.open("w") as stream:
        yaml.dump(content, stream)


def merge(into: Any, settings: Mapping[str, Any]) -> None:
    for key, value in settings.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            merge(into[key], value)
        else:
            into[key] = value


def write_code(file: Path, code: str) -> None:
    """A new file, or what comes in the place of the last line of one that is there."""
    before = file.read_text() if file.exists() else ""
    last = before.rstrip("\n").rpartition("\n")[2]
    file.write_text(before[: len(before.rstrip("\n")) - len(last)] + code if before else code)
