"""DVC's locks: that of the project, and those of the files that running stages read and write."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from dvc.dependency.db import AbstractDependency
from dvc.dependency.repo import RepoDependency
from dvc.exceptions import DvcException
from dvc.lock import LockError
from dvc.rwlock import rwlock

from dla.run import leftovers
from dla.run.complaints import BusyError


class Holds:
    """What this process holds of a project, so that another DVC process beside it waits or says a sentence.

    Parameters
    ----------
    repo : DVC's `Repo`
    """

    def __init__(self, repo: Any) -> None:
        self._repo = repo
        self._running: dict[str, ExitStack] = {}  # by the name of the stage

    @contextmanager
    def project(self, note: Callable[[str], None], is_wanted: Callable[[], bool] = lambda: True) -> Iterator[None]:
        """Hold the project, as every DVC command does while it reads or writes it.

        Raises
        ------
        BusyError
            If another DVC process holds it, and nobody wants to wait for that any more.
        """
        waits = False
        while True:
            try:
                with _heeded_at_the_end():
                    self._repo.lock.lock()
                break
            except KeyboardInterrupt:
                if self._repo.lock.is_locked:
                    self._repo.lock.unlock()
                raise
            except LockError as error:  # after three seconds
                if not is_wanted():
                    raise BusyError(str(error)) from error
                if not waits:
                    note("waiting for another DVC process to release its lock on this project")
                waits = True
        try:
            yield
        finally:
            self._repo.lock.unlock()

    def stage(self, stage: Any, command: str | None = None) -> AbstractContextManager[None]:
        """Hold the files of a stage. What the same command holds does not keep it out, as a DVC's own methods are not.

        Raises
        ------
        LockError
            When it is entered, if another DVC process reads what the stage writes or writes what it reads.
        """
        context: AbstractContextManager[None] = rwlock(
            self._repo.tmp_dir,
            self._repo.fs,
            command or " ".join(sys.argv),  # as DVC's own methods name it
            [dep.fs_path for dep in stage.deps if not isinstance(dep, RepoDependency | AbstractDependency)],
            [out.fs_path for out in stage.outs],
            self._repo.config["core"].get("hardlink_lock", False),
        )
        return context

    def while_it_runs(self, stage: Any) -> None:
        """Hold the files of a stage until `release`."""
        self._running[stage.addressing] = held = ExitStack()
        held.enter_context(self.stage(stage, f"{' '.join(sys.argv)} ({stage.addressing})"))

    def release(self, name: str) -> None:
        """Give back what a stage held while it ran, if it did."""
        if held := self._running.pop(name, None):
            with suppress(AssertionError, DvcException):  # somebody has removed or damaged DVC's list of locks
                held.close()

    def release_all(self) -> None:
        """Give back what every stage held."""
        for name in list(self._running):
            self.release(name)

    def mend(self, note: Callable[[str], None]) -> None:
        """Forget what processes held that were killed."""
        leftovers.mend_locks(Path(self._repo.tmp_dir) / "rwlock", note)


@contextmanager
def _heeded_at_the_end() -> Iterator[None]:
    """An interrupt that would end the process does so after the block, which takes three seconds at most.

    DVC makes a progress bar while it waits for its lock, and Python ignores what is raised in a destructor such as the
    bar's: an interrupt in that moment would be lost.
    """
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:  # somebody else sees to it
        yield
        return
    interrupts: list[int] = []
    signal.signal(signal.SIGINT, lambda number, frame: interrupts.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if interrupts:
            raise KeyboardInterrupt
