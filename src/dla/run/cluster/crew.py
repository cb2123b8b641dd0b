"""What one driver has running on a worker, in a thread of its own: an executor is of one, Dask's tasks are of many."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future

import dask
from distributed import Worker

from dla.run import devices
from dla.run.cluster.parcel import Session
from dla.run.local import LocalExecutor
from dla.run.slots import Slots
from dla.run.task import Ended, Task

BEAT = 0.1  # seconds between two looks at what has been handed in and what has ended
IDLE = 60.0  # seconds without a task after which what was imported for a driver's tasks is given up
MANY = 1 << 20  # threads: it is the driver that shares out those of the cluster


class Crew:
    """Runs the tasks of one driver on this worker, from a thread of its own.

    Parameters
    ----------
    executor : used by that thread alone
    leave_off : whether the crew may end, asked when there is nothing to do
    """

    def __init__(self, executor: LocalExecutor, leave_off: Callable[[], bool]) -> None:
        self._executor = executor
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
        while self._begin_new() or not self._leave_off():
            try:
                if self._is_to_stop.is_set():
                    self._stop()
                for ended in self._executor.wait(BEAT) if self._running else ():
                    self._running.pop(ended.name).set_result(ended)
            except Exception as error:  # whoever waits for a task is told; without that it would wait for ever
                while self._running:
                    self._running.popitem()[1].set_exception(error)
        self._executor.stop()

    def _begin_new(self) -> bool:
        """Start what has been handed in, for which it waits while nothing runs; whether there is something to do."""
        while not self._is_to_stop.is_set():
            try:
                handed_in = self._new.get(block=not self._running, timeout=self._patience)
            except queue.Empty:
                break
            if handed_in is not None:
                task, ended = handed_in
                try:
                    self._executor.start(task)
                    self._running[task.name] = ended
                except Exception as error:
                    ended.set_exception(error)
        return bool(self._running) or self._is_to_stop.is_set()

    def _stop(self) -> None:
        self._is_to_stop.clear()
        self._executor.stop()
        for ended in self._executor.wait(0):
            if ended.code == 0:
                self._running.pop(ended.name).set_result(ended)
        while self._running:
            self._running.popitem()[1].set_result(None)


crews: dict[str, Crew] = {}
_lock = threading.Lock()


def dismiss(session: str) -> None:
    """End what runs for a driver here, and what is kept for it."""
    with _lock:
        if session in crews:
            crews[session].leave()


def hand_in(task: Task, session: Session, worker: Worker) -> tuple[Crew, Future[Ended | None]]:
    """Give the task to the crew that the session has on this worker, a new one if there is none."""
    with _lock:
        if session.name not in crews:
            crews[session.name] = Crew(_executor(session, worker), lambda: _leave_off(session.name))
        crew = crews[session.name]
        return crew, crew.begin(task)


def _leave_off(session: str) -> bool:
    with _lock:
        if crews[session].has_new():
            return False
        del crews[session]
        return True


def _executor(session: Session, worker: Worker) -> LocalExecutor:
    _forget_what_dask_set()
    gpus = _gpus(worker)
    slots = Slots(MANY, gpus, session.stages_per_gpu)
    return LocalExecutor(slots, gpus, session.preload, lambda text: worker.log_event(session.name, {"note": text}))


def _gpus(worker: Worker) -> tuple[str, ...]:
    """The devices of the worker, as CUDA_VISIBLE_DEVICES names them: as many as it declares."""
    count = int(worker.state.total_resources.get("GPU", 0))
    if count == 0:
        return ()
    if known := devices.choose("auto"):
        return known[:count]
    visible = os.environ.get(devices.VISIBLE)  # without nvidia-smi, as in some containers, it is taken at its word
    return tuple(visible.split(",") if visible else map(str, range(count)))[:count]


def _forget_what_dask_set() -> None:
    """Take back variables that Dask sets for its own workers: stages are not to compute by them."""
    for name, value in dask.config.get("distributed.nanny.pre-spawn-environ").items():
        if os.environ.get(name) == str(value):
            del os.environ[name]
