"""What is recorded of stages: in dvc.lock now and then, and in DVC's run-cache at once."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from dla.run.complaints import as_user_errors
from dla.run.lockfile import Places, write_stages

SHARE_OF_WRITING = 0.05  # of a run's time may be spent on writing dvc.lock before its end


class Records:
    """The results of a run's stages, of which dvc.lock has some already.

    Parameters
    ----------
    memory : the file that remembers which entries of dvc.lock came ahead of their turn
    """

    def __init__(self, memory: Path) -> None:
        self._places = Places(memory)
        self._stages: dict[str, Any] = {}  # in serial order
        self._over: set[str] = set()  # stages of which no more is to come
        self._unwritten: dict[str, Any] = {}  # those with a result that is not in dvc.lock yet
        self._last_write, self._cost_of_write = time.monotonic(), 0.0

    def plan(self, stages: Iterable[Any]) -> None:
        """These stages may be recorded, by a serial run in this order."""
        self._stages = {stage.addressing: stage for stage in stages}
        self._places.plan(self._stages.values())

    def end(self, name: str) -> None:
        """Nothing more is to come of the stage than what is kept of it now."""
        self._over.add(name)
        self._places.over(self._stages[name])

    def keep(self, stage: Any) -> None:
        """Remember the result that DVC's object of the stage holds."""
        self._unwritten[stage.addressing] = stage

    @property
    def has_unwritten(self) -> bool:
        """Whether something is kept that dvc.lock does not have."""
        return bool(self._unwritten)

    def write_if_cheap(self) -> None:
        """Write dvc.lock if that takes a small part of the time since it was last written.

        What is not in it yet is in DVC's run-cache: if this process is killed, the next run restores it.
        """
        if time.monotonic() - self._last_write > self._cost_of_write / SHARE_OF_WRITING:
            self.write(only_in_order=True)

    def write(self, only_in_order: bool = False) -> None:
        """Write what is kept to dvc.lock, as `dvc repro` does after each stage.

        Parameters
        ----------
        only_in_order : leave out stages before which, in serial order, others are still to come: a new stage's place
            in the file is that of its end, and so the file is at any time one that `dvc repro` could have left
        """
        started = time.monotonic()
        due = {}
        for name, stage in self._stages.items():
            if only_in_order and name not in self._over:
                break
            if name in self._unwritten:
                due[name] = stage
        with as_user_errors():
            write_stages(due.values(), self._places)
        for name in due:
            del self._unwritten[name]
        self._last_write = time.monotonic()
        if due:
            self._cost_of_write = self._last_write - started


def is_restorable(stage: Any) -> bool:
    """Whether DVC's run-cache takes the result of such a stage (dvc/stage/cache.py, _can_hash, without the hashing)."""
    return (
        bool(stage.deps and stage.outs)
        and not stage.always_changed
        and all(dep.protocol == "local" for dep in stage.deps)
        and all(out.protocol == "local" and out.is_in_repo and not out.persist for out in stage.outs)
    )
