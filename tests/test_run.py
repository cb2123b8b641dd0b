"""`dla run` on projects that are not ours: what it leaves is what a serial `dvc repro` leaves, byte for byte."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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


@pytest.mark.slow
def test_targets_are_those_of_dvc_wherever_one_stands(copy: Callable[[str], Path]) -> None:
    root = copy("targets")
    for folder, target, expected in [
        (".", "lonely", ["lonely"]),
        (".", "out", ["folder", "letters", "part@a", "part@b", "part@c"]),  # an output
        ("sub", "count", ["sub/dvc.yaml:count"]),
        ("sub", "", ["sub/dvc.yaml:twice"]),  # the dvc.yaml that is there
        (".", "sub/dvc.yaml", []),
        ("sub/inner", "../../dvc.yaml:reader", ["../../dvc.yaml:reader"]),  # as one would name it there
    ]:
        run = foreign.dla(root, *([target] if target else []), folder=folder)
        assert run.returncode == 0, run.stdout
        assert [name.removeprefix("sub/dvc.yaml:") for name in foreign.ran(root)] == [
            name.removeprefix("sub/dvc.yaml:") for name in expected
        ]
    logs = sorted(path.name for path in (root / "runs/logs").glob("*.log"))
    assert "reader.log" in logs  # of one stage the same from everywhere
    assert "sub%2Fdvc.yaml%3Acount.log" in logs
    assert not [path for path in root.rglob("*.log") if "runs/logs" not in str(path)]


TOGETHER = """\
stages:
  wait:
    foreach: [1, 2, 3, 4, 5, 6, 7, 8]
    do:
      cmd: echo ${item} >> "$RAN"; until [ "$(wc -l < "$RAN")" -ge 8 ]; do sleep 0.01; done; echo ${item} > ${item}.txt
      deps: [in.txt]
      outs: [ "${item}.txt" ]
  all:
    cmd: cat 1.txt 2.txt 3.txt 4.txt 5.txt 6.txt 7.txt 8.txt > all.txt
    deps: [1.txt, 2.txt, 3.txt, 4.txt, 5.txt, 6.txt, 7.txt, 8.txt]
    outs: [all.txt]
"""


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of eight stages of which none ends before all have begun, and one after them."""
    root = foreign.begin(tmp_path_factory.mktemp("together") / "project", TOGETHER)
    (root / "in.txt").write_text("one\n")
    run = foreign.dla(root, "--jobs", "8")
    assert run.returncode == 0, run.stdout
    return root


def test_stages_that_end_in_the_same_instant_are_all_recorded_in_serial_order(together: Path, tmp_path: Path) -> None:
    serial = foreign.begin(tmp_path / "serial", TOGETHER)
    (serial / "in.txt").write_text("one\n")
    foreign.ran_file(serial).write_text("\n" * 8)  # one after the other would wait for ever
    assert foreign.dvc(serial, "repro").returncode == 0
    assert foreign.differences(serial, together) == []


@pytest.mark.slow
def test_what_was_once_computed_is_restored_unless_one_insists(together: Path, tmp_path: Path) -> None:
    root = foreign.copy(together, tmp_path / "project")
    before = foreign.contents(root)
    (root / "dvc.lock").unlink()
    (root / "3.txt").unlink()
    (root / "5.txt").write_text("changed by hand\n")
    restored = foreign.dla(root)
    assert restored.returncode == 0
    assert "9 restored" in restored.stdout
    assert foreign.ran(root) == []
    assert foreign.contents(root) == before

    foreign.ran_file(root).write_text("\n" * 8)
    (root / "in.txt").write_text("two\n")
    assert "8 done, 1 unchanged" in foreign.dla(root).stdout
    (root / "in.txt").write_text("one\n")
    assert "0 done, 8 restored, 1 unchanged" in foreign.dla(root).stdout
    assert (root / "dvc.lock").read_bytes() == before["dvc.lock"][1]

    foreign.ran(root)
    foreign.ran_file(root).write_text("\n" * 8)
    assert "9 done" in foreign.dla(root, "--force").stdout
    assert foreign.ran(root) == list("12345678")
    assert (root / "dvc.lock").read_bytes() == before["dvc.lock"][1]


def test_a_preview_names_what_would_run_and_changes_nothing(together: Path, tmp_path: Path) -> None:
    root = foreign.copy(together, tmp_path / "project")
    (root / "in.txt").write_text("three\n")
    before = foreign.contents(root)
    said = foreign.dla(root, "--dry").stdout
    assert said.splitlines()[0] == "wait@1"
    assert "all     if the outputs of wait@1 change" in said
    assert "9 of 9 stages would run, or be restored from the run-cache" in said
    assert foreign.contents(root) == before


def test_a_folder_for_logs_that_is_the_projects_own_is_left_to_it(tmp_path: Path) -> None:
    stages = "stages: {a: {cmd: mkdir runs && echo > runs/file, outs: [runs]}}"
    serial, root = (foreign.begin(tmp_path / name, stages) for name in ("serial", "project"))
    assert foreign.dvc(serial, "repro").returncode == 0
    assert foreign.dla(root).returncode == 0
    assert foreign.differences(serial, root) == []


def test_another_dvc_beside_a_run_waits_or_sees_a_whole_project(tmp_path: Path) -> None:
    stages = """\
stages:
  first:
    cmd: cp in.txt first.txt; RECORDS
    deps: [in.txt]
    outs: [first.txt]
  number:
    cmd: echo '{"a":1}' > number.json; RECORDS
    deps: [first.txt]
    metrics: [number.json: {cache: false}]
  held:
    cmd: RECORDS; until [ -e ../go ]; do sleep 0.02; done; cp first.txt held.txt
    deps: [first.txt]
    outs: [held.txt]
  last:
    cmd: cp held.txt last.txt; RECORDS
    deps: [held.txt]
    outs: [last.txt]
"""
    root = foreign.begin(tmp_path / "project", stages)
    (root / "in.txt").touch()
    run = foreign.start(root, "--jobs", "2")
    foreign.wait_until(lambda: foreign.ran_file(root).exists() and "held" in foreign.ran_file(root).read_text())
    assert "up to date" in foreign.dvc(root, "status", "first").stdout
    status = foreign.dvc(root, "status")  # as beside a `dvc repro` that is at work on the stage
    assert status.returncode != 0
    assert "is busy, it is being blocked by" in status.stderr
    foreign.wait_until(lambda: "number:" in (root / "dvc.lock").read_text())
    assert "number.json" in foreign.dvc(root, "metrics", "show").stdout
    assert foreign.dvc(root, "commit", "--force", "number").returncode == 0
    blocked = foreign.dvc(root, "repro", "held")
    assert blocked.returncode != 0
    assert "is busy, it is being blocked by" in blocked.stderr
    preview = foreign.dla(root, "--dry")
    assert preview.returncode == 2
    assert preview.stderr.startswith("error: held: ")
    second = foreign.start(root, "--jobs", "2")
    assert "held waits: " in foreign.wait_for_line(second, "is busy")  # it is being run
    (tmp_path / "go").touch()
    for process in (run, second):
        process.communicate(timeout=30)
        assert process.returncode == 0
    assert foreign.ran(root) == ["first", "held", "last", "number"]
    assert "up to date" in foreign.dvc(root, "status").stdout


@contextmanager
def held_by_another(root: Path) -> Iterator[None]:
    """A process of DVC holds the project."""
    with subprocess.Popen(
        [sys.executable, "-c", "from dvc.repo import Repo\nwith Repo().lock: print('held', flush=True), input()"],
        cwd=root,
        env=foreign.environment(root),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        foreign.wait_for_line(holder, "held")
        yield
        holder.communicate("\n", timeout=10)


def test_a_run_waits_while_another_dvc_holds_the_project_and_heeds_an_interrupt(together: Path, tmp_path: Path) -> None:
    root = foreign.copy(together, tmp_path / "project")
    waiting = "waiting for another DVC process to release its lock on this project"
    with held_by_another(root):
        run, interrupted = foreign.start(root), foreign.start(root)
        for process in (run, interrupted):
            foreign.wait_for_line(process, waiting)
        interrupted.send_signal(signal.SIGINT)
        interrupted.communicate(timeout=10)
        assert interrupted.returncode == 130
    text, _ = run.communicate(timeout=20)
    assert (run.returncode, text) == (0, "nothing to do: everything is up to date (9 unchanged)\n")

    foreign.ran_file(root).touch()
    (root / "in.txt").write_text("other\n")  # eight stages wait for each other, of which two run
    run = foreign.start(root, "--jobs", "2")
    foreign.wait_until(lambda: len(foreign.ran_file(root).read_text().split()) == 2)
    with held_by_another(root):
        foreign.wait_for_line(run, waiting)
        run.send_signal(signal.SIGINT)
        text, _ = run.communicate(timeout=20)
        assert run.returncode == 130
        assert "the same command goes on from here" in text


def test_params_that_this_workflow_would_refuse_are_another_projects_own(tmp_path: Path) -> None:
    root = foreign.begin(tmp_path / "project", "stages: {a: {cmd: 'echo a > a.txt', outs: [a.txt]}}")
    (root / "params.yaml").write_text("2: two\n")  # a key that is no text
    run = foreign.dla(root)
    assert run.returncode == 0, run.stdout + run.stderr
    assert (root / "a.txt").exists()
