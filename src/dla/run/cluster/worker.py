"""What a worker of a Dask cluster does for `dla run`: it runs a task's commands, as the driver's machine would.

The commands are processes of the worker's machine, started by the launcher that a worker has for each driver. They end
when the driver wants them no more: it has stopped, or it is gone, so that the scheduler has dropped what it asked for;
and when the worker closes or is killed.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from distributed import Worker, get_worker
from distributed.core import Status
from dvc.exceptions import DvcException

from dla.core.errors import UserError
from dla.run.cluster.clone import Clone
from dla.run.cluster.crew import crews, hand_in
from dla.run.cluster.parcel import Delivery, Look, Order, Parcel, Session, Source
from dla.run.logs import last_line
from dla.run.task import Ended, Task

POLL = 0.2  # seconds between two looks at whether a task is still wanted
LINE_EVERY = 1.0  # seconds between two last lines of a log that is sent


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
    crew, ended = hand_in(replace(task, environment=_environment(task)), session, worker)
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
            for other in _clones.keys() - crews.keys():
                _clones.pop(other).remove()
            _clones[session.name] = Clone(session.shared, Path(worker.local_directory) / session.name)
        return _clones[session.name]


_clones: dict[str, Clone] = {}
_clones_lock = threading.Lock()


def _is_wanted(worker: Worker, key: str) -> bool:
    """Whether somebody waits for the task: the scheduler drops those of a driver that is gone or has cancelled them."""
    state = worker.state.tasks.get(key)
    return worker.status in (Status.running, Status.paused) and state is not None and state.state == "executing"


def _environment(task: Task) -> dict[str, str]:
    """The task's variables, with this worker's Python as the first: it may have been started by its path alone."""
    path = task.environment.get("PATH") or os.environ.get("PATH", os.defpath)
    return {**task.environment, "PATH": os.pathsep.join([str(Path(sys.executable).parent), path])}
