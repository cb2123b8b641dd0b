"""A stage has one process at a time, and one that DVC started does not outlive DVC."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dla.core.parent import _wait_for_end

from .conftest import ROOT

STAGE = """
import os, sys, time
from pathlib import Path
from dla.core import stage
from dla.core.artifacts import write_text
from dla.core.atomic import atomic

def main(name):
    write_text(Path(".checkpoints/state"), "epoch 1")
    with atomic(Path("models/half")) as temporary:
        temporary.write_text("half")
        Path("running").write_text(str(os.getpid()))
        time.sleep(60)

stage.run(main, None, "a name")
"""
DVC_YAML = "stages: {{train: {{cmd: '{command}', outs: [models/half]}}}}"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "stages").mkdir()
    (tmp_path / "stages/slow.py").write_text(STAGE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_STAGE", raising=False)
    yield tmp_path
    if (pid := running(seconds=0)) and is_alive(pid):
        os.kill(pid, signal.SIGKILL)


def running(seconds: float = 30.0) -> int:
    """The process of the stage, once it is at work; 0 if it never is."""
    file = Path("running")
    return int(file.read_text()) if eventually(lambda: file.exists() and bool(file.read_text()), seconds) else 0


def eventually(truth: Callable[[], bool], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not (found := truth()) and time.monotonic() < end:
        time.sleep(0.05)
    return found


def is_alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


def started(*command: str) -> subprocess.Popen[str]:
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("after", ["", " && true"])  # with more to do, a shell stays between DVC and the stage
@pytest.mark.parametrize(
    "interrupt", [signal.SIG_DFL, signal.SIG_IGN]
)  # ignored: what a script put into the background
def test_a_stage_ends_with_the_dvc_that_started_it(
    place: Path, after: str, sign: signal.Signals, interrupt: signal.Handlers
) -> None:
    (place / "dvc.yaml").write_text(DVC_YAML.format(command=f"{sys.executable} stages/slow.py one{after}"))
    subprocess.run([sys.executable, "-m", "dvc", "init", "--no-scm", "-q"], check=True)
    dvc = subprocess.Popen(
        [sys.executable, "-m", "dvc", "repro", "-q"],
        stdout=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGINT, interrupt),
    )
    pid = running()
    dvc.send_signal(sign)
    dvc.wait()
    assert eventually(lambda: not is_alive(pid), 5)
    assert Path(".checkpoints/state").read_text() == "epoch 1"
    assert list(Path("models").iterdir()) == []


def test_the_end_of_a_process_is_seen_without_the_kernels_help(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "pidfd_open", raising=False)
    process = subprocess.Popen(["sleep", "60"])
    waiting = threading.Thread(target=_wait_for_end, args=(process.pid,), daemon=True)
    waiting.start()
    waiting.join(0.2)
    assert waiting.is_alive()
    process.kill()  # and not waited for: what the kernel has left of it does not count
    waiting.join(5)
    assert not waiting.is_alive()
    process.wait()


def test_a_stage_that_a_user_started_outlives_the_shell(place: Path) -> None:
    subprocess.run(["sh", "-c", f"nohup {sys.executable} stages/slow.py one > log 2>&1 &"], check=True)
    pid = running()
    time.sleep(0.5)
    assert is_alive(pid)


def test_a_stage_is_run_by_one_process_at_a_time(place: Path) -> None:
    first = started(sys.executable, "stages/slow.py", "one")
    pid = running()
    second = started(sys.executable, "stages/slow.py", "one")
    _, told = second.communicate()
    assert second.returncode == 2
    assert told.startswith(f"error: slow@one: is being run by another process here, process {pid}; wait until")
    assert told.count("\n") == 1
    assert is_alive(pid)
    first.kill()
    first.communicate()

    Path("running").unlink()
    third = started(sys.executable, "stages/slow.py", "one")  # a killed process leaves no lock
    assert is_alive(running())
    third.kill()
    third.communicate()


def test_where_locks_cannot_be_had_a_line_says_so(place: Path) -> None:
    Path(".cache").write_text("no folder")
    Path("stages/slow.py").write_text(STAGE.replace("sleep(60)", "sleep(0)"))
    done = subprocess.run([sys.executable, "stages/slow.py", "../../one"], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert done.stderr.startswith("warning: slow@../../one cannot be locked")


def test_single_stages_side_by_side_wait_for_the_lock_and_are_both_kept(place: Path) -> None:
    stages = "\n".join(f"  {name}: {{cmd: 'sleep 1; echo {name} > {name}', outs: [{name}]}}" for name in ("a", "b"))
    (place / "dvc.yaml").write_text(f"stages:\n{stages}\n")
    dvc = (sys.executable, "-m", "dvc")
    subprocess.run([*dvc, "init", "--no-scm", "-q"], check=True)
    both = [started(*dvc, "--wait-for-lock", "repro", "-s", name) for name in ("a", "b")]
    assert [process.communicate() and process.returncode for process in both] == [0, 0]
    assert {"  a:", "  b:"} <= set(Path("dvc.lock").read_text().splitlines())


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda page: page.stem)
def test_pages_that_run_single_stages_side_by_side_let_them_wait(page: Path) -> None:
    for line in page.read_text().splitlines():
        if "repro -s" in line and ("&" in line or "SLURM" in line or "CUDA_VISIBLE" in line):
            assert line.count("dvc --wait-for-lock repro -s") == line.count("repro -s")
