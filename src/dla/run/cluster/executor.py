"""The executor of a Dask cluster: stages run on its workers.

The driver chooses the worker of each task itself, by the threads and GPUs that it has given out there, so that a task
starts at once or not at all. Dask would count every task as one thread, may move it to another worker and may run it
twice: a task is therefore bound to its worker, and to make up for a lost worker is the driver's part.
"""

from __future__ import annotations

import os
import queue
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dla.core.errors import UserError
from dla.run.cluster.seats import Seat
from dla.run.leftovers import is_written
from dla.run.local import pooled, read_preload
from dla.run.slots import Grant
from dla.run.task import Ended, Needs, Task

try:
    from distributed import CancelledError, Future, KilledWorker

    from dla.run.cluster import worker
    from dla.run.cluster.connection import connect
    from dla.run.cluster.crew import dismiss
    from dla.run.cluster.parcel import Delivery, Session
    from dla.run.cluster.remote import Remote
    from dla.run.cluster.roster import Roster
    from dla.run.project import Project
except ModuleNotFoundError as missing:
    raise UserError(
        f"--cluster needs Dask, which is not installed here ({missing}): pip install 'dla[cluster]'"
    ) from None

BEAT = 0.5  # seconds between two looks at which workers there are
ANSWERS_WITHIN = 10.0  # seconds that the result of a task that has ended may take
GRACE = 15.0  # seconds that tasks have to end when they are stopped; a worker kills what does not heed that after 10
STARTS = 2  # times that a stage is started, if its worker is lost
FAILED = 1  # exit code of a stage that could not be run
INTERRUPTED = 130  # exit code of a stage that was stopped
LOST = 137  # exit code of a stage whose workers were lost, as of one that was killed


@dataclass(frozen=True)
class Attempt:
    """A task on a worker."""

    task: Task
    seat: Seat
    grant: Grant
    future: Future[Ended | Delivery | None]


class ClusterExecutor:
    """Runs tasks on the workers of a Dask cluster, in the project's folder, seen by all at the same path, or in clones.

    Parameters
    ----------
    address : of the scheduler, `tcp://HOST:8786` or `tls://HOST:8786`; or `local:N`, N workers on this machine
    sharing : a folder of the project that git ignores, absolute: by a file in it workers show that they see the
        project; or a remote, by which they share files without seeing it
    preload : libraries that a worker imports once, for all commands that are Python scripts
    stages_per_gpu : stages that may share a GPU
    clear : removes what a lost task may have half written, by the task's name, before it is started again
    note : takes a sentence for the user

    Raises
    ------
    UserError
        If the address is none, nothing answers there, the scheduler goes away, or no worker sees the folder.
    """

    def __init__(
        self,
        address: str,
        sharing: Path | Remote,
        preload: Sequence[str] = (),
        stages_per_gpu: int = 1,
        clear: Callable[[str], None] = lambda name: None,
        note: Callable[[str], None] = print,
    ) -> None:
        name = f"dla-{uuid.uuid4().hex}"
        self._clear = clear
        self._note = note
        self._connection = connect(address)
        self._client = self._connection.client
        self._remote = None if isinstance(sharing, Path) else sharing
        shared = sharing / name if isinstance(sharing, Path) else sharing.source
        self._session = Session(name, shared, tuple(preload), stages_per_gpu)
        self._attempts: dict[str, Attempt] = {}  # by key
        self._ended: list[Ended] = []
        self._is_stopping = False
        self._is_closed = False
        self._done: queue.SimpleQueue[Any] = queue.SimpleQueue()  # keys, and sentences of workers
        self._lost_at: dict[str, list[str]] = {}  # hosts of the workers that each task has lost
        self._again: list[Task] = []  # lost, and to be started before any other
        self._client.subscribe_topic(name, lambda event: self._done.put(event[1]))
        self._roster = Roster(self._client, address, self._session, self._done.put, note)
        if isinstance(shared, Path):
            shared.parent.mkdir(parents=True, exist_ok=True)
            shared.write_text(name)

    def room(self, needs: Needs) -> bool:
        """Whether a task with these needs would be started at once."""
        self._look_around()
        return not self._again and self._roster.seats.choose(needs) is not None

    def start(self, task: Task) -> None:
        """Begin the task; there must be room for it."""
        seat = self._roster.seats.choose(task.needs)
        if seat is None:
            raise ValueError(f"{task.name}: no worker has room for {task.needs}")
        task = replace(task, environment={**_pools(task.needs.threads), **task.environment})
        work: tuple[Any, ...] = (worker.run, task, self._session)
        if self._remote is not None:
            task.log.write_bytes(b"")
            try:
                work = (worker.run_in_clone, task, self._session, self._remote.order(task.name))
            except UserError as error:
                self._ended.append(Ended(task.name, FAILED, 0.0, str(error)))
                return
        on_gpu = task.needs.gpu and seat.gpus > 0
        future = self._client.submit(
            *work,
            key=f"{task.name}-{uuid.uuid4().hex}",
            workers=[seat.address],
            resources={"GPU": 1 / self._session.stages_per_gpu} if on_gpu else None,
            retries=0,
            pure=False,
        )
        self._attempts[future.key] = Attempt(task, seat, seat.take(task.needs), future)
        future.add_done_callback(self._done.put)

    def wait(self, seconds: float) -> Sequence[Ended]:
        """What has ended, as soon as something has; nothing after that many seconds, or when a worker has come."""
        deadline = time.monotonic() + seconds
        while not self._ended and not self._is_closed:
            has_come = self._look_around()
            self._start_again()
            self._collect(min(BEAT, max(0.0, deadline - time.monotonic())))
            if has_come or time.monotonic() >= deadline:
                break
        ended, self._ended = self._ended, []
        return ended

    def stop(self) -> None:
        """End whatever runs, first as Ctrl-C does; returns when no process of a task is left, and leaves the cluster.

        A worker that does not answer is not waited for: its tasks end when it notices that nobody wants them any more.
        """
        self._is_stopping, self._again = True, []
        with suppress(OSError, TimeoutError, KeyboardInterrupt, UserError):
            self._roster.hurry()
            self._roster.look_around()
            self._client.run(dismiss, self._session.name, workers=self._roster.seats.addresses(), on_error="ignore")
            deadline = time.monotonic() + GRACE
            while self._attempts and time.monotonic() < deadline:
                self._collect(BEAT)
        self._is_closed = True
        with suppress(OSError, TimeoutError):
            self._client.cancel([attempt.future for attempt in self._attempts.values()], force=True)
        self._attempts = {}
        if isinstance(self._session.shared, Path):
            self._session.shared.unlink(missing_ok=True)
        self._connection.close()

    def _look_around(self) -> bool:
        """See which workers there are; whether one has come."""
        has_come = self._roster.look_around()
        for attempt in list(self._attempts.values()):
            if attempt.seat.address not in self._roster.seats:  # Dask keeps a task for a worker that has left in order
                self._done.put(attempt.future)
        if not self._attempts:
            self._roster.check()
        return has_come

    def _collect(self, seconds: float) -> None:
        """Take up what has ended, waiting so long for the first."""
        with suppress(queue.Empty):
            news = self._done.get(timeout=seconds)
            while True:
                if isinstance(news, Future):
                    self._settle(news)
                else:
                    self._hear_of(news)
                news = self._done.get_nowait()

    def _hear_of(self, news: dict[str, str]) -> None:
        """A worker has a sentence for the user, or the last line of a log that is not here."""
        if "note" in news:
            self._note(news["note"])
        for attempt in self._attempts.values():
            if attempt.task.name == news.get("task"):
                with attempt.task.log.open("a") as log:
                    log.write(news["line"] + "\n")

    def _settle(self, future: Future[Ended | Delivery | None]) -> None:
        """A task has come to its end, or its worker has."""
        attempt = self._attempts.pop(future.key, None)
        if attempt is None:
            self._roster.hurry()  # a worker has said what it sees
            return
        attempt.seat.give(attempt.grant)
        try:
            ended = future.result(timeout=ANSWERS_WITHIN) if future.done() else None
        except (KilledWorker, CancelledError, TimeoutError, OSError):
            ended = None
        except Exception as error:
            ended = Ended(attempt.task.name, FAILED, 0.0, f"worker {attempt.seat.address} could not run it: {error}")
        if not future.done():
            future.cancel(force=True)
        if isinstance(ended, Delivery):
            ended = self._take(attempt.task, ended)
        if ended is not None:
            self._ended.append(ended)
        else:
            self._lose(attempt)

    def _take(self, task: Task, delivery: Delivery) -> Ended:
        """Put in place what a stage has made elsewhere, and its log."""
        task.log.write_bytes(delivery.log)
        if self._remote is not None and delivery.ended.code == 0:
            try:
                self._remote.take(task.name, delivery.made)
            except UserError as error:
                return replace(delivery.ended, code=FAILED, reason=str(error))
        return delivery.ended

    def _lose(self, attempt: Attempt) -> None:
        """A task's worker is gone, or has ended the task as it closed: it is started once more, elsewhere."""
        name = attempt.task.name
        self._roster.hurry()
        if self._is_stopping:
            self._ended.append(Ended(name, INTERRUPTED, 0.0))
            return
        hosts = self._lost_at.setdefault(name, [])
        hosts.append(attempt.seat.host)
        if len(hosts) < STARTS:
            self._note(f"{name}: its worker {attempt.seat.address} was lost; it is started again on another")
            self._again.append(attempt.task)
        else:
            reason = (
                f"its worker was lost {len(hosts)} times, on {', '.join(hosts)}: has it memory and time enough there?"
            )
            self._ended.append(Ended(name, LOST, 0.0, reason))

    def _start_again(self) -> None:
        for task in list(self._again):
            if self._roster.seats.choose(task.needs) is not None and not is_written(task.log):
                self._again.remove(task)
                self._clear(task.name)
                self.start(task)


def on_cluster(
    address: str,
    project: Project,
    sharing: Path | Remote,
    jobs_per_gpu: int = 1,
    note: Callable[[str], None] = print,
) -> ClusterExecutor:
    """An executor for the project, which says what a worker imports beforehand; see `ClusterExecutor`."""
    preload = read_preload(project.root / "pyproject.toml")
    return ClusterExecutor(address, sharing, preload, jobs_per_gpu, project.clear, note)


def _pools(threads: int) -> dict[str, str]:
    """Thread pools as on this machine: what the caller has set holds on workers too, and nothing of their own does."""
    asked = pooled({}, threads)
    return {name: os.environ.get(name, value) for name, value in asked.items()}
