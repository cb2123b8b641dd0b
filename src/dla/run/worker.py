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
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path

import dask
from distributed import Worker, get_worker
from distributed.core import Status
from dvc.exceptions import DvcException

from dla.core.errors import UserError
from dla.run import devices
from dla.run.clone import Clone
from dla.run.local import LocalExecutor
from dla.run.logs import last_line
from dla.run.parcel import Delivery, Order, Parcel, Source
from dla.run.slots import Slots
from dla.run.task import Ended, Task

BEAT = 0.05  # seconds between two looks at what has been handed in and what has ended
POLL = 0.2  # seconds between two looks at whether a task is still wanted
LINE_EVERY = 1.0  # seconds between two last lines of a log that is sent
IDLE = 60.0  # seconds without a task after which what was imported for a driver's tasks is given up
MANY = 1 << 20  # threads: it is the driver that shares out those of the cluster


@dataclass(frozen=True)
class Session:
    """One run of a driver, as its workers know it."""

    name: str  # no other run has it
    shared: Path | Source  # what makes the project's folder: a file in it, or what a clone is made of
    preload: tuple[str, ...] = ()  # libraries to import once, for all commands that are Python scripts
    stages_per_gpu: int = 1


@dataclass(frozen=True)
class Look:
    """What a worker sees."""

    host: str
    sees_folder: bool


def look(session: Session) -> Look:
    """Whether this worker has the project's folder at the same place, or needs none."""
    sees = True
    if isinstance(session.shared, Path):  # the driver has written the session's name into it
        try:
            sees = session.shared.read_text() == session.name
        except OSError:
            sees = False
    return Look(socket.gethostname(), sees)


def run(task: Task, session: Session, watch: Callable[[], None] = lambda: None) -> Ended | None:
    """Run the task's commands to their end; None if they were ended because nobody waits for them any more.

    Parameters
    ----------
    watch : called now and then while they run
    """
    worker = get_worker()
    key = worker.get_current_task()
    crew, ended = _hand_in(replace(task, environment=_environment(task)), session, worker)
    while True:
        try:
            return ended.result(timeout=POLL)
        except TimeoutError:
            watch()
            if not _is_wanted(worker, key):
                crew.stop()


def run_in_clone(task: Task, session: Session, order: Order) -> Delivery | None:
    """The same where no folder is shared: inputs are fetched before it, and what it made is sent after it."""
    worker = get_worker()
    try:
        clone = _clone(session, worker)
        here = clone.prepare(task, order)
        ended = run(here, session, _LastLine(worker, session, here).tell)
        if ended is None:
            return None
        made = clone.collect(order.outputs) if ended.code == 0 else Parcel()
        return Delivery(ended, made, here.log.read_bytes())
    except (UserError, DvcException) as error:
        reason = f"on worker {worker.address}: {error}"
        return Delivery(Ended(task.name, 1, 0.0, reason), Parcel(), f"{reason}\n".encode())


class _LastLine:
    """Tells the driver the last line of a log, where it cannot read it: not more often than somebody reads."""

    def __init__(self, worker: Worker, session: Session, task: Task) -> None:
        self._worker, self._session, self._task = worker, session, task
        self._told = ""
        self._next = 0.0

    def tell(self) -> None:
        """Send the line if there is a new one."""
        if time.monotonic() >= self._next and (line := last_line(self._task.log)) != self._told:
            self._worker.log_event(self._session.name, {"task": self._task.name, "line": line})
            self._told, self._next = line, time.monotonic() + LINE_EVERY


def _clone(session: Session, worker: Worker) -> Clone:
    """The session's clone on this worker. A new one replaces those of drivers that have nothing running here."""
    if not isinstance(session.shared, Source):
        raise TypeError("the session's folder is shared")
    with _clones_lock:
        if session.name not in _clones:
            for other in _clones.keys() - _crews.keys():
                _clones.pop(other).remove()
            _clones[session.name] = Clone(session.shared, Path(worker.local_directory) / session.name)
        return _clones[session.name]


_clones: dict[str, Clone] = {}
_clones_lock = threading.Lock()


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
