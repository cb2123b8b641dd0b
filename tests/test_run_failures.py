"""What `dla run` does when a stage fails, and when what it is asked for cannot be."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from . import foreign

FAILING = """\
stages:
  before:
    cmd: seq 3 > before.txt; RECORDS
    outs: [before.txt]
  broken:
    cmd: echo 'what is wrong is said'; test -e mended && cat mended before.txt > broken.txt && RECORDS
    deps: [before.txt]
    outs: [broken.txt]
  needing:
    cmd: cp broken.txt needing.txt; RECORDS
    deps: [broken.txt]
    outs: [needing.txt]
  needing_too:
    cmd: cp needing.txt too.txt; RECORDS
    deps: [needing.txt]
    outs: [too.txt]
  forgets:
    cmd: test 1; RECORDS
    deps: [before.txt]
    outs: [forgotten.txt]
  unknown:
    cmd: no-such-command before.txt
    deps: [before.txt]
    outs: [unknown.txt]
  killed:
    cmd: kill -9 $$
    deps: [before.txt]
    outs: [killed.txt]
  other:
    cmd: cat before.txt before.txt > other.txt; RECORDS
    deps: [before.txt]
    outs: [other.txt]
"""


def lines_of(text: str, stage: str) -> list[str]:
    """The lines that tell of a stage."""
    return [line for line in text.splitlines() if re.search(rf"\b{stage}\b", line)]


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A project of which four stages have failed while the rest went on, and what was said."""
    root = foreign.begin(tmp_path_factory.mktemp("failing") / "project", FAILING)
    run = foreign.dla(root, "--keep-going", "--jobs", "4")
    assert (run.returncode, run.stderr) == (1, "")
    return root, run.stdout


def test_what_does_not_depend_on_a_failure_goes_on_and_is_recorded(failed: tuple[Path, str], tmp_path: Path) -> None:
    root, text = failed
    serial = foreign.begin(tmp_path / "serial", FAILING)
    assert foreign.dvc(serial, "repro", "--keep-going").returncode != 0
    assert (root / "dvc.lock").read_bytes() == (serial / "dvc.lock").read_bytes()
    assert foreign.ran(root) == foreign.ran(serial) == ["before", "forgets", "other"]
    assert re.search(r"2 done, 4 failed, 2 skipped in ", text)


def test_each_failure_is_named_with_its_reason_its_log_and_what_is_not_run(failed: tuple[Path, str]) -> None:
    _, text = failed
    reasons = {
        "broken": "its command ended with exit code 1",
        "forgets": "output 'forgotten.txt' does not exist",
        "unknown": "its command ended with exit code 127",
        "killed": "its command was ended by SIGKILL",
    }
    for stage, reason in reasons.items():
        assert f"{stage} failed: {reason}" in text
    assert text.count("what is wrong is said") == 2  # in its place and in the summary
    assert "no-such-command: not found" in text
    assert "  not run without it: needing, needing_too" in text


def test_what_was_mended_is_run_and_the_end_is_that_of_a_serial_run(failed: tuple[Path, str], tmp_path: Path) -> None:
    serial = foreign.begin(tmp_path / "serial", FAILING)
    root = foreign.copy(failed[0], tmp_path / "project")
    assert foreign.dvc(serial, "repro", "--keep-going").returncode != 0
    for project in (serial, root):
        foreign.ran(project)
        (project / "mended").write_text("mended\n")
        stages = (project / "dvc.yaml").read_text()
        stages = stages.replace("test 1;", "touch forgotten.txt;").replace("kill -9 $$", "touch killed.txt")
        (project / "dvc.yaml").write_text(
            stages.replace("no-such-command", "cp unknown.txt").replace("cp unknown.txt", "tee unknown.txt <")
        )
    assert foreign.dvc(serial, "repro").returncode == 0
    run = foreign.dla(root)
    assert run.returncode == 0, run.stdout
    assert foreign.ran(root) == foreign.ran(serial) == ["broken", "forgets", "needing", "needing_too"]
    assert foreign.differences(serial, root) == []


def test_after_a_failure_nothing_more_begins_and_the_order_of_records_is_still_serial(tmp_path: Path) -> None:
    stages = """\
stages:
  slow:
    cmd: until [ -e ../others_are_done ]; do sleep 0.05; done; test -e mended && RECORDS && date > slow.txt
    outs: [slow.txt]
  one:
    cmd: echo 1 > one.txt; RECORDS
    outs: [one.txt]
  two:
    cmd: cat one.txt one.txt > two.txt; touch ../others_are_done; RECORDS
    deps: [one.txt]
    outs: [two.txt]
""".replace("date", "echo same")
    root, serial = (foreign.begin(tmp_path / name / "project", stages) for name in ("here", "serial"))
    assert foreign.dla(root, "--jobs", "2").returncode == 1
    assert foreign.ran(root) == ["one", "two"]
    (tmp_path / "serial/others_are_done").touch()
    for project in (root, serial):
        (project / "mended").touch()
    assert foreign.dla(root, "--jobs", "2").returncode == 0
    assert foreign.ran(root) == ["slow"]
    assert foreign.dvc(serial, "repro").returncode == 0
    assert foreign.differences(serial, root) == []


def test_much_output_and_a_process_that_stays_hold_nothing_up(tmp_path: Path) -> None:
    stages = """\
stages:
  loud:
    cmd: yes 'line after line' | head -c 50000000 && echo the end && RECORDS && false
  stays:
    cmd: sleep 60 & echo $! > pid; echo 1 > stays.txt; RECORDS
    outs: [stays.txt]
"""
    root = foreign.begin(tmp_path / "project", stages)
    run = foreign.dla(root, "--keep-going", "--jobs", "2")
    assert run.returncode == 1
    assert "    the end" in run.stdout
    assert len(run.stdout) < 1e6
    assert (root / "runs/logs/loud.log").stat().st_size > 50e6
    assert "stays failed" not in run.stdout
    again = foreign.dla(root, "--force", "--keep-going", "--jobs", "2", "stays")
    assert again.returncode == 0, again.stdout
    assert foreign.ran(root) == ["loud", "stays", "stays"]
    (root / "pid").read_text()


BAD = {
    "threads": (
        "stages: {a: {cmd: 'true', meta: {threads: 0}}}",
        r"a: meta\.threads = 0 is not a whole number above 0",
    ),
    "gpu": ("stages: {a: {cmd: 'true', meta: {gpu: maybe}}}", r"a: meta\.gpu = 'maybe' is neither true nor false"),
    "cycle": (
        "stages: {a: {cmd: 'true', deps: [x], outs: [y]}, b: {cmd: 'true', deps: [y], outs: [x]}}",
        r"these stages wait for each other, .*: (a, b|b, a)\n",
    ),
    "overlap": (
        "stages: {a: {cmd: 'true', outs: [x]}, b: {cmd: 'true', outs: [x]}}",
        r"output 'x' is written by several stages: a, b\n",
    ),
    "syntax": ("stages: {a: [", r"dvc\.yaml"),
    "schema": ("stages: {a: {command: 'true'}}", r"dvc\.yaml"),
    "interpolation": ("stages: {a: {cmd: '${nowhere}'}}", r"nowhere"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_project_that_cannot_be_is_one_line_and_nothing_changes(tmp_path: Path, kind: str) -> None:
    stages, message = BAD[kind]
    root = foreign.begin(tmp_path / "project", stages)
    before = foreign.contents(root)
    run = foreign.dla(root)
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr.startswith("error: ")
    assert run.stderr.count("\n") == 1
    assert re.search(message, run.stderr)
    assert "params.yaml" not in run.stderr  # a project need not have one
    assert foreign.contents(root) == before


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of one stage, whose input is missing."""
    stages = "stages: {a: {cmd: 'cp missing x', deps: [missing], outs: [x]}}"
    return foreign.begin(tmp_path_factory.mktemp("small") / "project", stages)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nope"], "Stage 'nope' not found inside 'dvc.yaml' file"),
        (["sub/dvc.yaml"], "sub/dvc.yaml' does not exist"),
        (["--jobs", "0"], "'0' is not a whole number above 0"),
        (["--gpus", "nonsense"], "there is no device 'nonsense'"),
    ],
)
def test_a_command_line_that_cannot_be_is_one_line(small: Path, arguments: list[str], message: str) -> None:
    run = foreign.dla(small, *arguments)
    assert (run.returncode, run.stdout, run.stderr.count("\n")) == (2, "", 1)
    assert message in run.stderr


def test_a_missing_input_is_the_failure_of_its_stage(small: Path) -> None:
    run = foreign.dla(small)
    assert (run.returncode, run.stderr) == (1, "")
    assert "a failed: what it needs is not there: 'missing'\n" in run.stdout


def test_where_there_is_no_project_or_no_stage_the_error_says_so(small: Path, tmp_path: Path) -> None:
    run = foreign.dla(tmp_path)
    assert (run.returncode, run.stderr) == (
        2,
        "error: there is no DVC project here: no .dvc in this folder or above it; see `dvc init`\n",
    )
    (small / "empty").mkdir()
    run = foreign.dla(small, folder="empty")
    assert run.stderr == "error: there is no dvc.yaml in this folder; name a stage, or take all with --all-pipelines\n"


def test_a_stage_that_runs_its_own_project_is_told_so_instead_of_waiting_for_itself(tmp_path: Path) -> None:
    root = foreign.begin(tmp_path / "project", "stages: {a: {cmd: dla run, outs: [x]}}")
    run = foreign.dla(root)
    assert run.returncode == 1
    assert "a stage has started this run and holds what it needs, so that both would wait for ever" in run.stdout


def test_an_input_that_changes_while_it_is_read_is_told(tmp_path: Path) -> None:
    root = foreign.begin(
        tmp_path / "project", "stages: {a: {cmd: cp in.txt x && echo 2 > in.txt, deps: [in.txt], outs: [x]}}"
    )
    (root / "in.txt").write_text("1")
    run = foreign.dla(root)
    assert run.returncode == 0
    assert "in.txt has changed while a ran" in run.stdout


@pytest.mark.parametrize("options", [("--remote", "store"), ("--cluster", "local:1", "--clone-from", "url")])
def test_options_that_need_others_say_so(tmp_path: Path, options: tuple[str, ...]) -> None:
    refused = foreign.dla(foreign.begin(tmp_path / "project", "stages: {}"), *options)
    assert refused.returncode == 2
    assert refused.stderr.startswith("error: --remote goes with --cluster, and --clone-from with --remote")
