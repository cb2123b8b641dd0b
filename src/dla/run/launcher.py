"""The process that starts commands, watches them, and ends them all when whoever started it is gone.

    python launcher.py FD

It talks over the socket FD, a JSON object per line, and is run as a script, so that nothing of `dla` is imported in it.
A command gets a session of its own, so that it can be ended with all that it has started. It holds a lock on its log
file as long as one of its processes lives: a stage that is started anew waits for what an earlier run has left.

`python script.py ARGUMENTS` is forked instead of started where that is asked for: large libraries are imported once,
here, and a script begins with them. A process that has threads cannot be forked safely, so that a library which
starts some as it is imported turns this off.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import gc
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

GRACE = 10.0  # seconds that a command has to end after an interrupt, as after Ctrl-C, before it is killed
POLL = 0.2  # seconds between two looks at a log that an earlier run holds

Message = dict[str, Any]


@dataclass
class Script:
    """A Python script that this process, a fork, is to become."""

    path: str
    arguments: list[str]
    folder: str
    environment: dict[str, str]


@dataclass
class Job:
    """A task of which commands are running or to come."""

    name: str
    commands: list[list[str]]  # those still to be started, each as arguments
    script: list[str] | None  # the one command as a script and its arguments, if it may be forked
    folder: str
    environment: dict[str, str]
    log: int  # the open log file; its lock is shared by all who write to it
    began: float | None = None  # None: it waits for an earlier run's processes
    pid: int = 0
    process: subprocess.Popen[bytes] | None = None  # None: a fork
    cpu: float | None = None  # seconds of its processes that have ended, with what they had started and waited for


class Launcher:
    """Starts what it is told to, and tells what has ended."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.jobs: dict[str, Job] = {}
        self.unread = b""
        self.is_warm = False
        self.preload: list[str] = []
        self.woken, self.wakes = os.pipe()
        for end in (self.woken, self.wakes):
            os.set_blocking(end, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self.wakes)

    def serve(self) -> Script | None:
        """Work until the other side has gone; what a fork is to run, or None at the end."""
        while True:
            waits = any(job.began is None for job in self.jobs.values())
            timeout = 0.0 if self.preload else POLL if waits else None
            sources: list[Any] = [self.connection, self.woken]
            readable, _, _ = select.select(sources, [], [], timeout)
            self._forget_wakes()
            self._collect_ended()
            if self.connection in readable:
                messages = self._receive()
                if messages is None:
                    self.end_all()
                    return None
                for message in messages:
                    if (script := self._obey(message)) is not None:
                        return script
            for job in [job for job in self.jobs.values() if job.began is None]:
                if (script := self._try_to_begin(job)) is not None:
                    return script
            if self.preload:
                self._import_next()

    def end_all(self, grace: float = GRACE) -> None:
        """End every command with all that it has started, first as Ctrl-C does; at once if that is said meanwhile."""
        for job in [job for job in self.jobs.values() if job.began is None]:
            os.close(self.jobs.pop(job.name).log)
        self._signal(signal.SIGINT)
        deadline = time.monotonic() + grace
        sources: list[Any] = [self.woken, self.connection]
        while self.jobs and (left := deadline - time.monotonic()) > 0:
            readable, _, _ = select.select(sources, [], [], left)
            self._forget_wakes()
            self._collect_ended(and_what_it_left=True)
            if self.connection in readable:
                sources.remove(self.connection)
                if self._receive() is not None:
                    deadline = time.monotonic()
        self._signal(signal.SIGKILL)
        for job in self.jobs.values():
            self._wait(job)
            code = 128 + signal.SIGKILL
            self._tell({"ended": job.name, "code": code, "seconds": self._seconds(job), "cpu": job.cpu})
        self.jobs = {}

    def _obey(self, message: Message) -> Script | None:
        if "preload" in message:
            self.preload = list(message["preload"])
        elif "stop" in message:
            self.end_all(message["stop"])
            self._tell({"stopped": True})
        else:
            return self._accept(message)
        return None

    def _accept(self, message: Message) -> Script | None:
        try:
            log = os.open(message["log"], os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
        except OSError as error:
            self._tell({"ended": message["name"], "code": 126, "seconds": 0.0, "reason": f"{error}"})
            return None
        fields = {key: message[key] for key in ("name", "commands", "script", "folder", "environment")}
        job = self.jobs[message["name"]] = Job(**fields, log=log)
        script = self._try_to_begin(job)
        if script is None and job.name in self.jobs and job.began is None:
            self._tell({"waits": job.name})
        return script

    def _try_to_begin(self, job: Job) -> Script | None:
        with contextlib.suppress(OSError):  # where there are no locks, nothing can be waited for
            try:
                fcntl.flock(job.log, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return None
        os.ftruncate(job.log, 0)
        job.began = time.monotonic()
        return self._start_next(job)

    def _start_next(self, job: Job) -> Script | None:
        command = job.commands.pop(0)
        if job.script is not None and self.is_warm:
            return self._fork(job, *job.script)
        try:
            job.process = subprocess.Popen(  # noqa: S603 (the stage's own command)
                command,
                cwd=job.folder,
                env=job.environment,
                stdin=subprocess.DEVNULL,
                stdout=job.log,
                stderr=job.log,
                start_new_session=True,
            )
        except OSError as error:
            os.write(job.log, f"{error}\n".encode(errors="replace"))
            self._end(job, 127)
            return None
        job.pid = job.process.pid
        self._tell({"began": job.name, "pid": job.pid})
        return None

    def _fork(self, job: Job, path: str, *arguments: str) -> Script | None:
        pid = os.fork()
        if pid:
            job.pid = pid
            self._tell({"began": job.name, "pid": pid})
            return None
        os.setsid()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((nothing, 0), (job.log, 1), (job.log, 2)):
            os.dup2(source, target)
        self.connection.close()
        for end in (self.woken, self.wakes, nothing, *(other.log for other in self.jobs.values())):
            os.close(end)
        return Script(path, list(arguments), job.folder, job.environment)

    def _forget_wakes(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self.woken, 4096)

    def _collect_ended(self, and_what_it_left: bool = False) -> None:
        for job in list(self.jobs.values()):
            if job.began is None or (code := self._exit_code(job)) is None:
                continue
            if and_what_it_left:
                _signal_group(job.pid, signal.SIGKILL)
                self._end(job, code or 128 + signal.SIGINT)  # who heeds an interrupt well has still not done all
            elif code == 0 and job.commands:
                self._start_next(job)
            else:
                self._end(job, code)

    def _end(self, job: Job, code: int) -> None:
        del self.jobs[job.name]
        self._tell({"ended": job.name, "code": code, "seconds": self._seconds(job), "cpu": job.cpu})
        with contextlib.suppress(OSError):  # what it has left running on purpose is not to be waited for
            fcntl.flock(job.log, fcntl.LOCK_UN)
        os.close(job.log)

    def _exit_code(self, job: Job) -> int | None:
        code = self._wait(job, os.WNOHANG)
        return code if code is None or code >= 0 else 128 - code

    def _wait(self, job: Job, how: int = 0) -> int | None:
        """The exit code of the job's process, negative after a signal, once it has one; its CPU seconds are noted."""
        pid, status, usage = os.wait4(job.pid, how)
        if not pid:
            return None
        job.cpu = (job.cpu or 0.0) + usage.ru_utime + usage.ru_stime
        code = os.waitstatus_to_exitcode(status)
        if job.process is not None:
            job.process.returncode = code  # or it would ask for a process that is no more
        return code

    def _seconds(self, job: Job) -> float:
        return time.monotonic() - (job.began or time.monotonic())

    def _signal(self, number: signal.Signals) -> None:
        for job in self.jobs.values():
            _signal_group(job.pid, number)

    def _receive(self) -> list[Message] | None:
        """What has been said since; None once nobody is there to say anything."""
        try:
            received = self.connection.recv(1 << 20)
        except ConnectionError:
            return None
        if not received:
            return None
        *lines, self.unread = (self.unread + received).split(b"\n")
        return [json.loads(line) for line in lines]

    def _tell(self, message: Message) -> None:
        with contextlib.suppress(OSError):  # whoever listened is gone, which the next `recv` says
            self.connection.sendall(json.dumps(message).encode() + b"\n")

    def _import_next(self) -> None:
        name = self.preload.pop(0)
        try:
            with _silence():
                importlib.import_module(name)
        except Exception as error:  # a script that needs it will say so itself
            self._tell({"note": f"{name} could not be imported beforehand: {error}"})
        if (threads := _threads()) != 1:
            self.preload = []
            self._tell({"note": f"{name} starts threads as it is imported: no script begins with what is imported"})
        elif not self.preload:
            gc.freeze()  # what is shared with the scripts is not to be copied because a collector looked at it
            self.is_warm = threads == 1


def become(script: Script) -> None:
    """Run the script as `python script.py` does; returns or raises as its last line does."""
    atexit.register(gc.unfreeze)  # what is left at the end is taken apart as in any process, or libraries complain
    os.chdir(script.folder)
    os.environ.clear()
    os.environ.update(script.environment)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    sys.argv = [script.path, *script.arguments]
    if not sys.flags.safe_path:
        sys.path.insert(0, os.path.dirname(os.path.realpath(script.path)))  # noqa: PTH120 (as Python does it)
    if "numpy.random" in sys.modules:  # Python's own random numbers begin anew in a fork, these do not
        sys.modules["numpy.random"].seed()
    main = types.ModuleType("__main__")
    main.__dict__.update(__file__=os.path.abspath(script.path), __builtins__=__builtins__)  # noqa: PTH100
    sys.modules["__main__"] = main
    try:
        with open(script.path, "rb") as stream:  # noqa: PTH123
            code = compile(stream.read(), main.__file__ or "", "exec", dont_inherit=True)
        exec(code, main.__dict__)  # noqa: S102 (the stage's own script)
    except Exception as error:
        # What Python does at the end, without the frames of this file, which say nothing to the script's author.
        error = error.with_traceback(error.__traceback__ and error.__traceback__.tb_next)
        sys.excepthook(type(error), error, error.__traceback__)
        sys.exit(1)


def _threads() -> int:
    """The threads of this process; 0 where the system does not say."""
    try:
        return len(os.listdir("/proc/self/task"))  # noqa: PTH208
    except OSError:
        return 0


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """What a library says as it is imported is not said here, but in nobody's log."""
    with open(os.devnull, "w") as nothing, contextlib.redirect_stdout(nothing), contextlib.redirect_stderr(nothing):  # noqa: PTH123
        yield


def _signal_group(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def main() -> Callable[[], None] | None:
    """Serve the socket that the command line names; in a fork, what is to be done then."""
    if sys.path[0] == os.path.dirname(os.path.abspath(__file__)):  # noqa: PTH100, PTH120
        del sys.path[0]  # modules beside this one are not to be taken for a library's
    signal.signal(signal.SIGINT, signal.default_int_handler)  # commands are ended by it, also where a shell ignores it
    script = Launcher(socket.socket(fileno=int(sys.argv[1]))).serve()
    return None if script is None else lambda: become(script)


if __name__ == "__main__":
    if (then := main()) is not None:
        then()
    else:
        os._exit(0)  # nothing is left to be flushed, and taking large libraries apart takes a second
