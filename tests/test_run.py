"""`dla run` on projects that are not ours: what it leaves is what a serial `dvc repro` leaves, byte for byte."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from . import foreign

UNKNOWING = ["always", "callback"]  # stages that DVC itself runs each time
ALL = [
    "after_kept",
    *UNKNOWING,
    "check",
    "diary",
    "folder",
    *(f"grid@{size}-{kind}" for size in (1, 2) for kind in "xy"),
    "letters",
    "lonely",
    *(f"part@{letter}" for letter in "abc"),
    "reader",
    "sub/dvc.yaml:count",
    "sub/dvc.yaml:twice",
    "uncached",
]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The foreign project before anything has run in it."""
    folder = tmp_path_factory.mktemp("foreign")
    return foreign.build(folder / "template", folder / "outside.txt")


@pytest.fixture(scope="module")
def copy(template: Path) -> Callable[[str], Path]:
    return lambda name: foreign.copy(template, template.with_name(name))


def test_any_number_of_jobs_leaves_the_bytes_of_a_serial_run(copy: Callable[[str], Path]) -> None:
    serial, one, four = copy("serial"), copy("one"), copy("four")
    repro = foreign.dvc(serial, "repro", "--all-pipelines")
    assert repro.returncode == 0, repro.stderr
    assert foreign.ran(serial) == ALL
    for root, jobs in ((one, "1"), (four, "4")):
        run = foreign.dla(root, "--all-pipelines", "--jobs", jobs)
        assert (run.returncode, run.stderr) == (0, "")
        assert foreign.ran(root) == ALL
        assert foreign.differences(serial, root) == []

    status = foreign.dvc(four, "status")
    assert status.stdout.split() == ["always:", "always", "changed", "callback:", "always", "changed"]
    assert foreign.dvc(four, "repro", "--all-pipelines").returncode == 0
    assert foreign.ran(four) == UNKNOWING
    assert foreign.differences(one, four) == []

    for root in (serial, one, four):
        (root / "rohe Größen.txt").write_text("abc\nabcabc\nc\nd\n")
        (root / "sub/inner/params.yaml").write_text("rate: 2e-4\ndeep: {er: [1, two]}\n")
    assert foreign.dvc(serial, "repro", "--all-pipelines").returncode == 0
    changed = foreign.ran(serial)
    assert "part@b" in changed
    assert "grid@1-x" not in changed  # the line count of the letter a is the same
    for root, jobs in ((one, "1"), (four, "4")):
        assert foreign.dla(root, "-P", "--jobs", jobs).returncode == 0
        assert foreign.ran(root) == changed
        assert foreign.differences(serial, root) == []
