"""What a worker of a Dask cluster does for `dla run`: it runs a task's commands, as the driver's machine would.

The commands are processes of the worker's machine, started by the launcher that a worker has for each driver. They end
when the driver wants them no more: it has stopped, or it is gone, so that the scheduler has dropped what it asked for;
and when the worker closes or is killed.
"""

from __future__ import annotations

import functools
import os
import queue
import socket
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path

import dask
from distributed import Worker, get_worker
from distributed.core import Status

from dla.run import devices
from dla.run.local import LocalExecutor
from dla.run.slots import Slots
from dla.run.task import Ended, Task

BEAT = 0.05  # seconds between two looks at what has been handed in and what has ended
POLL = 0.2  # seconds between two looks at whether a task is still wanted
IDLE = 60.0  # seconds without a task after which what was imported for a driver's tasks is given up
MANY = 1 << 20  # threads: it is the driver that shares out those of the cluster


@dataclass(frozen=True)
class Session:
    """One run of a driver, as its workers know it."""

    name: str  # no other run has it
    proof: Path  # a file that the driver wrote, absolute: whoever sees the name of the session there shares its folder
    preload: tuple[str, ...] = ()  # libraries to import once, for all commands that are Python scripts
    stages_per_gpu: int = 1


@dataclass(frozen=True)
class Look:
    """What a worker sees."""

    host: str
    sees_folder: bool


def look(session: Session) -> Look:
    """Whether this worker has the project's folder at the same place."""
    try:
        sees = session.proof.read_text() == session.name
    except OSError:
        sees = False
    return Look(socket.gethostname(), sees)


def run(task: Task, session: Session) -> Ended | None:
    """Run the task's commands to their end; None if they were ended because nobody waits for them any more."""
    worker = get_worker()
    key = worker.get_current_task()
    crew, ended = _hand_in(replace(task, environment=_environment(task)), session, worker)
    while True:
        try:
            return ended.result(timeout=POLL)
        except TimeoutError:
            if not _is_wanted(worker, key):
                crew.stop()


def end(session: str) -> None:
    """End what runs for a driver here, and what was kept for it; its tasks then return."""
    with _lock:
        if session in _crews:
            _crews[session].leave()


def _is_wanted(worker: Worker, key: str) -> bool:
    """Whether somebody waits for the task: the scheduler drops those of a driver that is gone or has cancelled them."""
    state = worker.state.tasks.get(key)
    return worker.status in (Status.running, Status.paused) and state is not None and state.state == "executing"


def _environment(task: Task) -> dict[str, str]:
    """The task's variables, with this worker's Python as the first: it may have been started by its path alone."""
    path = task.environment.get("PATH") or os.environ.get("PATH", os.defpath)
    return {**task.environment, "PATH": os.pathsep.join([str(Path(sys.executable).parent), path])}


class Crew:
    """Runs the tasks of one driver on this worker, from a thread of its own.

    Parameters
    ----------
    make_executor : called in that thread
    leave_off : whether the crew may end, asked when there is nothing to do
    """

    def __init__(self, make_executor: Callable[[], LocalExecutor], leave_off: Callable[[], bool]) -> None:
        self._make_executor = make_executor
        self._leave_off = leave_off
        self._new: queue.SimpleQueue[tuple[Task, Future[Ended | None]] | None] = queue.SimpleQueue()
        self._running: dict[str, Future[Ended | None]] = {}
        self._is_to_stop = threading.Event()
        self._patience = IDLE
        threading.Thread(target=self._work, name="dla", daemon=True).start()

    def begin(self, task: Task) -> Future[Ended | None]:
        """Start the task; its end is what the future says, or None if it was stopped."""
        ended: Future[Ended | None] = Future()
        self._new.put((task, ended))
        return ended

    def has_new(self) -> bool:
        """Whether something was handed in that is not begun."""
        return not self._new.empty()

    def stop(self) -> None:
        """End what runs. Returns at once."""
        self._is_to_stop.set()
        self._new.put(None)

    def leave(self) -> None:
        """End what runs, and then be gone. Returns at once."""
        self._patience = 0.0
        self.stop()

    def _work(self) -> None:
        executor = self._make_executor()
        while self._begin_new(executor) or not self._leave_off():
            try:
                if self._is_to_stop.is_set():
                    self._stop(executor)
                for ended in executor.wait(BEAT) if self._running else ():
                    self._running.pop(ended.name).set_result(ended)
            except Exception as error:  # whoever waits for a task is told; without that it would wait for ever
                while self._running:
                    self._running.popitem()[1].set_exception(error)
        executor.stop()

    def _begin_new(self, executor: LocalExecutor) -> bool:
        """Start what has been handed in, for which it waits while nothing runs; whether there is something to do."""
        while not self._is_to_stop.is_set():
            try:
                handed_in = self._new.get(block=not self._running, timeout=self._patience)
            except queue.Empty:
                break
            if handed_in is not None:
                task, ended = handed_in
                try:
                    executor.start(task)
                    self._running[task.name] = ended
                except Exception as error:
                    ended.set_exception(error)
        return bool(self._running) or self._is_to_stop.is_set()

    def _stop(self, executor: LocalExecutor) -> None:
        self._is_to_stop.clear()
        executor.stop()
        executor.wait(0)  # what it says of those that were stopped
        while self._running:
            self._running.popitem()[1].set_result(None)


_crews: dict[str, Crew] = {}
_lock = threading.Lock()


def _hand_in(task: Task, session: Session, worker: Worker) -> tuple[Crew, Future[Ended | None]]:
    """Give the task to the crew that the session has on this worker, a new one if there is none."""
    with _lock:
        if session.name not in _crews:
            _forget_what_dask_set()
            gpus = _gpus(worker)
            slots = Slots(MANY, gpus, session.stages_per_gpu)
            note = functools.partial(_note, worker, session.name)
            _crews[session.name] = Crew(
                lambda: LocalExecutor(slots, gpus, session.preload, note), lambda: _leave_off(session.name)
            )
        crew = _crews[session.name]
        return crew, crew.begin(task)


def _leave_off(session: str) -> bool:
    with _lock:
        if _crews[session].has_new():
            return False
        del _crews[session]
        return True


def _note(worker: Worker, session: str, text: str) -> None:
    worker.log_event(session, {"note": text})


def _gpus(worker: Worker) -> tuple[str, ...]:
    """The devices of the worker, as CUDA_VISIBLE_DEVICES names them: as many as it declares."""
    count = int(worker.state.total_resources.get("GPU", 0))
    return (devices.choose("auto") or tuple(str(number) for number in range(count)))[:count]


def _forget_what_dask_set() -> None:
    """Take back variables that Dask sets for its own workers: stages are not to compute by them."""
    for name, value in dask.config.get("distributed.nanny.pre-spawn-environ").items():
        if os.environ.get(name) == str(value):
            del os.environ[name]
