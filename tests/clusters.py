"""A Dask scheduler and workers on loopback, as processes of their own, and DVC projects to run on them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil

ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if not name.startswith("DASK_")},
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    "OMP_NUM_THREADS": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "DVC_NO_ANALYTICS": "1",
}
SECONDS = 60.0  # after which a condition will not come true any more


def wait_until(condition: Callable[[], object], what: str) -> None:
    """Look until the condition is true."""
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {SECONDS:.0f} s"
        time.sleep(0.02)


class Farm:
    """A scheduler, and workers that are started and killed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.processes: list[subprocess.Popen[bytes]] = []
        self.workers: list[subprocess.Popen[bytes]] = []
        file = folder / "scheduler.json"
        options = "--host 127.0.0.1 --port 0 --no-dashboard --dashboard-address 127.0.0.1:0 --scheduler-file"
        self.scheduler = self._start("dask_scheduler", *options.split(), file)
        wait_until(file.exists, "the scheduler is there")
        self.address: str = json.loads(file.read_text())["address"]

    def keep_workers(self, count: int, *options: str) -> None:
        """Start as many as are missing."""
        self.workers = [worker for worker in self.workers if worker.poll() is None]
        while len(self.workers) < count:
            self.workers.append(self.start_worker(*options))

    def start_worker(self, *options: str) -> subprocess.Popen[bytes]:
        """Start one more, of one thread if nothing else is said."""
        always = f"{self.address} --host 127.0.0.1 --no-dashboard --no-nanny --nthreads 1 --local-directory"
        return self._start("dask_worker", *always.split(), self.folder, *options)

    def _start(self, program: str, *options: str | Path) -> subprocess.Popen[bytes]:
        log = (self.folder / f"{program}-{len(self.processes)}.log").open("wb")
        process = subprocess.Popen(
            [sys.executable, "-m", f"distributed.cli.{program}", *map(str, options)],
            env=ENVIRONMENT, stdout=log, stderr=log, cwd=self.folder,
        )  # fmt: skip
        self.processes.append(process)
        return process

    def worker_of(self, process: int) -> subprocess.Popen[bytes]:
        """The worker that a stage's process belongs to."""
        above = {parent.pid for parent in psutil.Process(process).parents()}
        return next(worker for worker in self.processes if worker.pid in above)

    def close(self) -> None:
        """End all."""
        for process in self.processes:
            process.kill()
            process.wait()


class Project:
    """A DVC project in a git repository."""

    def __init__(self, folder: Path, stages: str) -> None:
        self.folder = folder
        folder.mkdir()
        (folder / "dvc.yaml").write_text(stages)
        self.do("git", "init", "--quiet")
        self.do("git", "config", "user.email", "a@b.c")
        self.do("git", "config", "user.name", "a")
        self.do("dvc", "init", "--quiet")

    def do(self, *command: str) -> str:
        """Run a command that must end well; what it prints."""
        ended = subprocess.run(
            command, cwd=self.folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=SECONDS
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout

    def begin(self, *options: str) -> subprocess.Popen[str]:
        """Start `dla run`."""
        return subprocess.Popen(
            [Path(sys.executable).with_name("dla"), "run", *options],
            cwd=self.folder, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    def run(self, *options: str) -> tuple[int, str]:
        """What `dla run` ends with, and what it prints."""
        process = self.begin(*options)
        output, _ = process.communicate(timeout=SECONDS)
        return process.returncode, output

    def read(self, name: str) -> str:
        """A file; nothing if it is not there."""
        path = self.folder / name
        return path.read_text() if path.exists() else ""

    def serial_lock(self, *files: str) -> str:
        """The dvc.lock that `dvc repro` leaves in a new project with these stages, and these files."""
        other = Project(self.folder.with_name(f"{self.folder.name}-serial"), self.read("dvc.yaml"))
        for name in files:
            (other.folder / name).write_text("there")
        other.do("dvc", "repro", "--quiet")
        return other.read("dvc.lock")

    def processes(self) -> list[psutil.Process]:
        """Those that work in the project's folder."""
        found = []
        for process in psutil.process_iter():
            try:
                if Path(process.cwd()) == self.folder:
                    found.append(process)
            except (psutil.Error, OSError):
                continue
        return found
