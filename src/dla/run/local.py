"""The executor of this machine: its CPU threads and GPUs, and one process that starts commands on them."""

from __future__ import annotations

import json
import os
import select
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from dla.core.errors import UserError
from dla.core.pools import ASLEEP, ONE
from dla.run import devices
from dla.run.launcher import GRACE
from dla.run.slots import Grant, Slots
from dla.run.task import Ended, Needs, Task

LAUNCHER = Path(__file__).with_name("launcher.py")
LOST = "the process that starts commands was lost"
ALONE = dict.fromkeys(ONE, "1")  # what libraries are imported with beforehand
# pyarrow's allocator starts a thread as it is imported, unless it is told not to; see `launcher` on threads.
NO_THREADS_ON_IMPORT = {"JE_ARROW_MALLOC_CONF": "background_thread:false"}
SHELL_OPTIONS = {"bash": ["--noprofile", "--norc"], "zsh": ["--no-rcs"]}  # as `dvc repro` has them
SHELL_SIGNS = set("|&;<>()$`\\\"'*?[#~=%!{}\n")


class LocalExecutor:
    """Runs tasks as processes of this machine.

    Parameters
    ----------
    slots : what there is to share out
    gpus : the devices among it, as CUDA_VISIBLE_DEVICES names them
    preload : libraries that are imported once, for all commands `python SCRIPT ARGUMENTS`; see `launcher`
    note : takes a sentence for the user
    """

    def __init__(
        self,
        slots: Slots,
        gpus: Sequence[str] = (),
        preload: Sequence[str] = (),
        note: Callable[[str], None] = print,
    ) -> None:
        self.slots = slots
        self.gpus = gpus
        self._preload = list(preload)
        self._note = note
        self._grants: dict[str, Grant] = {}
        self._pids: dict[str, int] = {}
        self._ended: list[Ended] = []
        self._connection: socket.socket | None = None  # once there is something to run
        self._process: subprocess.Popen[bytes] | None = None
        self._unread = b""

    def room(self, needs: Needs) -> bool:
        """Whether a task with these needs would be started at once."""
        return self.slots.room(needs)

    def start(self, task: Task) -> None:
        """Begin the task; there must be room for it."""
        grant = self._grants[task.name] = self.slots.take(task.needs)
        variables = environment(task, grant.threads) | devices.variables(grant.gpu, self.gpus)
        commands = [shell(command, variables) for command in task.commands]
        script = python_script(task, variables) if self._preload else None
        task.log.parent.mkdir(parents=True, exist_ok=True)
        self._tell(
            {
                "name": task.name,
                "commands": commands,
                "script": script,
                "folder": str(task.folder),
                "environment": variables,
                "log": str(task.log),
            }
        )

    def wait(self, seconds: float) -> Sequence[Ended]:
        """What has ended, as soon as something has; nothing after that many seconds."""
        deadline = time.monotonic() + seconds
        while not self._ended and (left := deadline - time.monotonic()) >= 0 and self._listen(left):
            pass
        ended, self._ended = self._ended, []
        return ended

    def stop(self) -> None:
        """End whatever runs, first as Ctrl-C does; returns when no process of a task is left. A second Ctrl-C kills."""
        if self._connection is not None and self._grants:
            self._tell({"stop": GRACE})
            while self._grants:
                try:
                    self._listen(None)
                except KeyboardInterrupt:
                    self._tell({"stop": 0.0})
        self._close()

    def _tell(self, message: dict[str, Any]) -> None:
        if self._connection is None:
            self._connection = self._launch()
        try:
            self._connection.sendall(json.dumps(message).encode() + b"\n")
        except OSError:
            self._lose()

    def _launch(self) -> socket.socket:
        here, there = socket.socketpair()
        self._process = subprocess.Popen(  # noqa: S603 (this package's own script)
            [sys.executable, str(LAUNCHER), str(there.fileno())],
            pass_fds=[there.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # or who reads ours would wait for it also
            env={**NO_THREADS_ON_IMPORT, **os.environ, **ALONE},
            start_new_session=True,  # a terminal's Ctrl-C is for the driver, which ends commands in order
        )
        there.close()
        if self._preload:
            here.sendall(json.dumps({"preload": self._preload}).encode() + b"\n")
        return here

    def _listen(self, seconds: float | None) -> bool:
        """Hear what there is to hear within the time; whether there was something."""
        if self._connection is None:
            time.sleep(seconds or 0.0)
            return False
        readable, _, _ = select.select([self._connection], [], [], seconds)
        if not readable:
            return False
        received = b""
        with suppress(ConnectionError):
            received = self._connection.recv(1 << 20)
        if not received:
            self._lose()
            return True
        *lines, self._unread = (self._unread + received).split(b"\n")
        for line in lines:
            self._hear(json.loads(line))
        return True

    def _hear(self, message: dict[str, Any]) -> None:
        if "ended" in message:
            ended = Ended(message["ended"], message["code"], message["seconds"], message.get("reason", ""))
            self._end(replace(ended, cpu=message.get("cpu")))
        elif "began" in message:
            self._pids[message["began"]] = message["pid"]
        elif "waits" in message:
            self._note(f"{message['waits']}: waits for processes that an earlier run has left")
        elif "note" in message:
            self._note(message["note"])
        elif "stopped" in message:
            for name in list(self._grants):
                self._end(Ended(name, 130, 0.0))

    def _end(self, ended: Ended) -> None:
        self.slots.give(self._grants.pop(ended.name))
        self._pids.pop(ended.name, None)
        self._ended.append(ended)

    def _lose(self) -> None:
        """The launcher is gone: whatever it ran is ended, and the next task gets another."""
        for pid in self._pids.values():
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)
        for name in list(self._grants):
            self._end(Ended(name, 128 + signal.SIGKILL, 0.0, LOST))
        self._close()

    def _close(self) -> None:
        if self._connection is not None and self._process is not None:
            self._connection.close()
            self._process.wait()
        self._connection = self._process = None
        self._unread = b""


def environment(task: Task, threads: int) -> dict[str, str]:
    """All variables of a task's processes: libraries compute with so many threads, unless the caller has said."""
    variables = pooled({**os.environ, **task.environment}, threads)
    variables.setdefault("PYTHONUNBUFFERED", "1")  # so that the last line of a log is the last that was printed
    return variables


def pooled(variables: dict[str, str], threads: int) -> dict[str, str]:
    """The variables with the size of libraries' thread pools, and with threads that sleep while they have no work.

    Threads that wait by spinning, as OpenMP's do for a while, take the core that another stage computes on.
    """
    return {**dict.fromkeys(ONE, str(threads)), **ASLEEP, **variables}


def shell(command: str, variables: dict[str, str]) -> list[str]:
    """The command in the user's shell without its start-up files, as `dvc repro` runs it."""
    path = variables.get("SHELL") or "/bin/sh"
    return [path, *SHELL_OPTIONS.get(Path(path).name, []), "-c", command]


def python_script(task: Task, variables: dict[str, str]) -> list[str] | None:
    """Path and arguments, if the task is one Python script run by this Python with nothing of a shell's about it.

    Libraries read the size of their pools as they are imported: a script that is to have others is not forked.
    """
    if len(task.commands) != 1 or SHELL_SIGNS & set(task.commands[0]) or not variables.items() >= ALONE.items():
        return None
    python, *words = shlex.split(task.commands[0]) or [""]
    found = shutil.which(python, path=variables.get("PATH"))
    is_script = bool(words) and words[0].endswith(".py") and (task.folder / words[0]).is_file()
    return words if python.startswith("python") and found and is_script and _is_this_python(Path(found)) else None


def _is_this_python(path: Path) -> bool:
    """Whether it is the same interpreter, and of the same environment; python3.12 may lie beside python3.11."""
    this = Path(sys.executable)
    return path.parent == this.parent and path.resolve() == this.resolve()


def on_this_machine(
    root: Path, jobs: int, gpus: str = "auto", jobs_per_gpu: int = 1, note: Callable[[str], None] = print
) -> LocalExecutor:
    """An executor that shares out so many CPU threads, and GPUs as `devices.choose` takes them.

    What is imported beforehand is for the project at `root` to say, in its pyproject.toml: `[tool.dla.run] preload`.

    Raises
    ------
    UserError
        If a device is not there, or pyproject.toml is not what it should be.
    """
    chosen = devices.choose(gpus)
    slots = Slots(jobs, chosen, jobs_per_gpu, lambda gpu: devices.has_memory(gpu, 1 / jobs_per_gpu))
    return LocalExecutor(slots, chosen, read_preload(root / "pyproject.toml"), note)


def read_preload(path: Path) -> list[str]:
    """Modules to import once for all scripts, as a project's pyproject.toml names them; none if it does not."""
    try:
        with path.open("rb") as stream:
            tools = tomllib.load(stream).get("tool", {})
    except FileNotFoundError:
        return []
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{path}: {error}; mend it") from error
    try:
        preload = tools.get("dla", {}).get("run", {}).get("preload", [])
    except AttributeError:
        raise UserError(f"{path}: tool.dla.run is not a table; it may have the key preload") from None
    if not isinstance(preload, list) or not all(isinstance(name, str) for name in preload):
        raise UserError(f"{path}: tool.dla.run.preload should be a list of names of modules")
    return preload
