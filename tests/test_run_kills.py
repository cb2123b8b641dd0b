"""`dla run` killed and interrupted: nothing is left running, nothing that was done is lost, and the end is the same."""

from __future__ import annotations

import fcntl
import json
import os
import random
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

import psutil
import pytest
from ruamel.yaml import YAML

from . import foreign

STEPS = 6
# Work in steps, after each a checkpoint: of each step it is written down that it is begun.
WORK = f"""\
name=$1; shift
mkdir -p .checkpoints
done=$(cat .checkpoints/$name 2>/dev/null || echo 0)
while [ $done -lt {STEPS} ]; do
  done=$((done + 1))
  echo "$name $done" >> "$RAN"
  sleep 0.03
  echo $done > .checkpoints/$name.new && mv .checkpoints/$name.new .checkpoints/$name
done
cat work.sh "$@" | cksum > $name.txt
rm .checkpoints/$name
"""
NEEDS = {"s": [], "a": ["s"], "b": ["s"], "c": ["s"], "d": ["a", "b"], "e": ["b"], "f": ["c"], "g": ["d", "e", "f"]}


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of eight stages with checkpoints, before it has run."""
    blocks = [
        f"  {name}:\n    cmd: sh work.sh {name} {inputs}\n    deps: [work.sh{deps}]\n    outs: [{name}.txt]\n"
        for name, needs in NEEDS.items()
        for inputs in [" ".join(f"{other}.txt" for other in needs)]
        for deps in ["".join(f", {other}.txt" for other in needs)]
    ]
    root = foreign.begin(tmp_path_factory.mktemp("work") / "template", "stages:\n" + "".join(blocks))
    (root / "work.sh").write_text(WORK)
    (root / ".gitignore").write_text("/.checkpoints\n")
    return root


@pytest.fixture(scope="module")
def finished(worker: Path) -> tuple[Path, float]:
    """The same after a serial `dvc repro`, and the seconds that `dla run` takes for it."""
    serial, timed = (foreign.copy(worker, worker.with_name(name)) for name in ("serial", "timed"))
    assert foreign.dvc(serial, "repro").returncode == 0
    began = time.monotonic()
    assert foreign.dla(timed, "--jobs", "3").returncode == 0
    return serial, time.monotonic() - began


def recorded(root: Path) -> set[str]:
    """The stages whose result DVC knows, in dvc.lock or its run-cache."""
    yaml = YAML(typ="safe")
    commands = [yaml.load(entry)["cmd"] for entry in (root / ".dvc/cache/runs").glob("*/*/[0-9a-f]*")]
    lock = root / "dvc.lock"
    stages = yaml.load(lock)["stages"] if lock.exists() else {}
    return {command.split()[2] for command in commands} | set(stages)


def steps(root: Path) -> list[tuple[str, int]]:
    """The steps that were begun, in their order."""
    lines = foreign.ran_file(root).read_text().splitlines() if foreign.ran_file(root).exists() else []
    return [(name, int(step)) for name, step in map(str.split, lines)]


def killed_at(root: Path, seconds: float) -> bool:
    """Run and kill the driver after that time; whether it was still there to be killed."""
    run = foreign.start(root, "--jobs", "3", stdout=subprocess.DEVNULL)
    try:
        return run.wait(seconds) != 0
    except subprocess.TimeoutExpired:
        run.kill()
        run.wait()
        return True


def check_after_a_kill(root: Path, serial: Path) -> None:
    foreign.wait_until(lambda: not foreign.processes(root), 8)
    lock = (root / "dvc.lock").read_bytes() if (root / "dvc.lock").exists() else b""
    assert (serial / "dvc.lock").read_bytes().startswith(lock)


def check_that_work_went_on(root: Path, done: set[str], before: list[tuple[str, int]]) -> None:
    """After a kill at which these stages were recorded and these steps begun."""
    after = steps(root)[len(before) :]
    assert not {name for name, _ in after} & done
    for name in NEEDS:
        reached = max((step for other, step in before if other == name), default=0)
        first = min((step for other, step in after if other == name), default=None)
        if first is not None and 0 < reached < STEPS:
            assert first >= reached  # at most the step that was cut short is taken again


def end_and_compare(root: Path, serial: Path) -> None:
    assert foreign.dla(root, "--jobs", "3").returncode == 0
    assert not (root / ".checkpoints").exists() or not list((root / ".checkpoints").iterdir())
    (root / ".checkpoints").rmdir()
    (serial / ".checkpoints").mkdir(exist_ok=True)
    assert foreign.differences(serial, root) == []


@pytest.mark.slow
def test_killed_several_times_in_a_row_nothing_done_is_done_again(
    worker: Path, finished: tuple[Path, float], tmp_path: Path
) -> None:
    serial, seconds = finished
    root = foreign.copy(worker, tmp_path / "project")
    moments = random.Random(18)
    for _ in range(2):
        killed_at(root, seconds * moments.uniform(0.4, 0.9))
        done, before = recorded(root), steps(root)
        check_after_a_kill(root, serial)
        killed_at(root, seconds * moments.uniform(0.4, 0.9))  # at once, and so while the first ends
        check_that_work_went_on(root, done, before)
    foreign.wait_until(lambda: not foreign.processes(root), 8)
    end_and_compare(root, serial)


@pytest.mark.slow
@pytest.mark.parametrize("moment", random.Random(755).sample(range(100), 10))
def test_killed_at_any_moment_the_next_run_ends_as_if_nothing_had_been(
    worker: Path, finished: tuple[Path, float], tmp_path: Path, moment: int
) -> None:
    serial, seconds = finished
    root = foreign.copy(worker, tmp_path / "project")
    killed_at(root, seconds * moment / 100)
    check_after_a_kill(root, serial)
    done, before = recorded(root), steps(root)
    end_and_compare(root, serial)
    check_that_work_went_on(root, done, before)


LONG = """\
stages:
  short:
    cmd: echo short > short.txt; RECORDS
    outs: [short.txt]
  long:
    cmd:
      - >
        trap 'CLEANS; echo half > long.txt; echo cleaned >> "$RAN"; exit CODE' INT; echo begun >> "$RAN";
        sh -c 'sleep 60 & sleep 60'; cp short.txt long.txt
      - touch never.txt
    deps: [short.txt]
    outs: [long.txt]
"""


def lines(root: Path) -> list[str]:
    return foreign.ran_file(root).read_text().split() if foreign.ran_file(root).exists() else []


def begun(
    tmp_path: Path, code: int = 1, cleans: str = "sleep 0.5", **settings: object
) -> tuple[Path, subprocess.Popen[str]]:
    """A run in the middle of a long stage, which on an interrupt cleans up and ends with that code."""
    root = foreign.begin(tmp_path / "project", LONG.replace("CODE", str(code)).replace("CLEANS", cleans))
    run = foreign.start(root, "--jobs", "2", **settings)
    foreign.wait_until(lambda: "begun" in lines(root))
    return root, run


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_run_in_order_and_says_so(tmp_path: Path, number: signal.Signals) -> None:
    root, run = begun(tmp_path, code=0)  # as scripts do that take an interrupt for an early end
    run.send_signal(number)
    text, _ = run.communicate(timeout=15)
    assert run.returncode == 128 + number
    assert "stopped while running: long; the same command goes on from here" in text
    assert foreign.processes(root) == []
    assert lines(root) == ["short", "begun", "cleaned"]
    lock = (root / "dvc.lock").read_text()
    assert "short:" in lock
    assert "long:" not in lock  # nobody knows what it has left undone
    assert not (root / "never.txt").exists()


def test_ctrl_c_on_a_terminal_ends_the_run_in_order(tmp_path: Path) -> None:
    terminal, inside = os.openpty()
    root, run = begun(
        tmp_path,
        stdin=inside,
        stdout=inside,
        stderr=inside,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(inside, termios.TIOCSCTTY, 0),
    )
    os.write(terminal, b"\x03")
    assert run.wait(15) == 130
    assert foreign.processes(root) == []
    assert lines(root) == ["short", "begun", "cleaned"]
    os.close(inside)
    os.close(terminal)


def test_a_second_ctrl_c_does_not_wait_for_what_does_not_heed_the_first(tmp_path: Path) -> None:
    stages = """stages: {deaf: {cmd: "trap '' INT; echo begun >> $RAN; while :; do sleep 1; done"}}"""
    root = foreign.begin(tmp_path / "project", stages)
    run = foreign.start(root)
    foreign.wait_until(lambda: lines(root))
    run.send_signal(signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        run.wait(1.5)
    run.send_signal(signal.SIGINT)
    text, _ = run.communicate(timeout=5)
    assert run.returncode == 130
    assert "stopped while running: deaf; the same command goes on from here" in text
    foreign.wait_until(lambda: not foreign.processes(root), 3)


def test_a_run_started_at_once_waits_until_what_a_killed_one_left_has_ended(tmp_path: Path) -> None:
    root, run = begun(tmp_path, cleans="until [ -e released ]; do sleep 0.02; done")
    run.kill()
    second = foreign.start(root, "--jobs", "2")
    foreign.wait_for_line(second, "long waits: processes that an earlier run has left have not ended yet")
    assert lines(root) == ["short", "begun"]
    (root / "released").touch()
    foreign.wait_until(lambda: lines(root).count("begun") == 2)
    assert lines(root) == ["short", "begun", "cleaned", "begun"]
    assert not (root / "long.txt").exists()  # what the first one wrote at its end is gone
    second.send_signal(signal.SIGINT)
    assert second.wait(15) == 130
    for process in (run, second):
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def test_without_its_launcher_a_run_ends_what_ran_and_says_so(tmp_path: Path) -> None:
    root, run = begun(tmp_path)
    (launcher,) = psutil.Process(run.pid).children()
    launcher.kill()
    text, _ = run.communicate(timeout=15)
    assert run.returncode == 1
    assert "long failed: the process that starts commands was lost" in text
    foreign.wait_until(lambda: not foreign.processes(root), 3)


def test_what_a_kill_can_leave_half_done_is_mended(tmp_path: Path) -> None:
    root = foreign.begin(tmp_path / "project", "stages: {a: {cmd: cp in.txt a.txt, deps: [in.txt], outs: [a.txt]}}")
    (root / "in.txt").touch()
    assert foreign.dla(root).returncode == 0
    before = foreign.contents(root)

    (root / ".dvc/tmp/rwlock").write_text('{"write": {"/')
    (entry,) = (root / ".dvc/cache/runs").glob("*/*/*")
    entry.unlink()  # DVC makes its folder first
    (root / "dvc.lock").rename(root / ".dvc.lock.1234.partial")
    run = foreign.dla(root)
    assert run.returncode == 0, run.stdout
    assert "DVC's list of locks was half written" in run.stdout
    assert foreign.contents(root) == before


ENDS_ITSELF = """
import os, re, sys
times = []
def watch(event, values):
    if event in ("os.rename", "os.replace", "os.link", "os.symlink") and re.search(PATTERN, str(values[1])):
        times.append(1)
        if len(times) == COUNT:
            os._exit(9)
sys.addaudithook(watch)
from dla.cli.main import main
main(["run", "--jobs", "2"])
"""


def ended_before(root: Path, pattern: str, count: int = 1, **variables: str) -> None:
    """A run that ends without warning just before a path with that pattern takes its place, at that time of several."""
    script = ENDS_ITSELF.replace("PATTERN", repr(pattern)).replace("COUNT", str(count))
    command = [sys.executable, "-c", script]
    environment = foreign.environment(root) | variables
    run = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 9, run.stderr


def test_killed_just_before_dvc_lock_takes_its_place_its_order_is_kept(tmp_path: Path) -> None:
    wait = 'while [ "$WAITS" ] && ! grep -q second dvc.lock; do sleep 0.01; done'
    root = foreign.begin(tmp_path / "project", f"stages: {{first: {{cmd: '{wait}'}}, second: {{cmd: 'true'}}}}")
    serial = foreign.copy(root, tmp_path / "serial")
    assert foreign.dvc(serial, "repro").returncode == 0

    ended_before(root, "/dvc.lock$", count=2, WAITS="yes")
    assert recorded(root) == {"second"}
    assert foreign.dla(root).returncode == 0
    assert foreign.differences(serial, root) == []


@pytest.mark.parametrize("place", ["/cache/files/", "/cache/runs/", "/dvc.lock$"])
def test_killed_while_a_result_is_recorded_what_the_run_cache_names_is_there(tmp_path: Path, place: str) -> None:
    stages = "stages: {a: {cmd: 'cp in.txt a.txt; RECORDS', deps: [in.txt], outs: [a.txt]}}"
    root = foreign.begin(tmp_path / "project", stages)
    (root / "in.txt").touch()
    serial = foreign.copy(root, tmp_path / "serial")
    assert foreign.dvc(serial, "repro").returncode == 0

    ended_before(root, place)
    is_recorded = bool(list((root / ".dvc/cache/runs").glob("*/*/[0-9a-f]*")))
    assert foreign.ran(root) == ["a"]
    assert foreign.dla(root).returncode == 0
    assert not (is_recorded and foreign.ran(root))
    assert foreign.differences(serial, root) == []


def test_the_time_of_an_interrupted_run_belongs_to_that_of_the_stage(tmp_path: Path) -> None:
    """As a stage that goes on from a checkpoint takes the less: its time is planned with, and published."""
    root, run = begun(tmp_path)
    run.send_signal(signal.SIGINT)
    run.communicate(timeout=15)
    remembered = [root / ".dvc/tmp/dla-run" / name for name in ("interrupted.json", "durations.json")]
    spent = json.loads(remembered[0].read_text())["long"]
    assert spent >= 0.5  # it took as long to clean up
    pipeline = root / "dvc.yaml"
    pipeline.write_text(pipeline.read_text().replace("sh -c 'sleep 60 & sleep 60'", "true"))
    again = foreign.start(root, "--jobs", "2")
    again.communicate(timeout=30)
    assert again.returncode == 0
    assert json.loads(remembered[0].read_text())["long"] == 0
    assert json.loads(remembered[1].read_text())["long"] >= spent
