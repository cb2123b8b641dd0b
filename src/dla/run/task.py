"""What a stage is for those that run it, and what they say of its end: nothing here knows DVC."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from dla.core.errors import UserError


@dataclass(frozen=True)
class Needs:
    """What a stage takes of the machine while it runs."""

    threads: int = 1  # CPU threads; at least 1
    gpu: bool = False  # whether it computes on a GPU, where there is one


def read_needs(stage: str, meta: object) -> Needs:
    """What the `meta` block of a stage in dvc.yaml says of its needs: threads and gpu.

    Raises
    ------
    UserError
        If it says something else than a number of threads, or whether it uses a GPU.
    """
    settings = meta if isinstance(meta, dict) else {}
    threads, gpu = settings.get("threads", 1), settings.get("gpu", False)
    if isinstance(threads, bool) or not isinstance(threads, int) or threads < 1:
        raise UserError(f"dvc.yaml: {stage}: meta.threads = {threads!r} is not a whole number above 0")
    if not isinstance(gpu, bool):
        raise UserError(f"dvc.yaml: {stage}: meta.gpu = {gpu!r} is neither true nor false")
    return Needs(threads, gpu)


@dataclass(frozen=True)
class Task:
    """A stage whose inputs are there and whose command is to be run."""

    name: str  # as DVC addresses it: train@cifar10-cnn, or sub/dvc.yaml:train
    commands: tuple[str, ...]  # shell command lines, one after the other, the first that fails ends the stage
    folder: Path  # where they run, absolute
    log: Path  # the file that takes what they print, absolute; written anew
    environment: Mapping[str, str] = field(default_factory=dict)  # variables beside those of the caller
    needs: Needs = Needs()


@dataclass(frozen=True)
class Ended:
    """The end of a task."""

    name: str
    code: int  # exit code as a shell gives it: 0 is success, 128 + n is signal n
    seconds: float  # that its commands took
    reason: str = ""  # one sentence, where it is not the command that failed: "its worker was lost"
    cpu: float | None = None  # seconds of the processor, where they are known


class Executor(Protocol):
    """A place where tasks run. Used from one thread; nothing it does touches DVC."""

    def room(self, needs: Needs) -> bool:
        """Whether a task with these needs would be started at once."""
        ...

    def start(self, task: Task) -> None:
        """Begin the task; there must be room for it."""
        ...

    def wait(self, seconds: float) -> Sequence[Ended]:
        """What has ended, as soon as something has; nothing after that many seconds, or when a signal arrives."""
        ...

    def stop(self) -> None:
        """End whatever runs, first as Ctrl-C does; returns when no process of a task is left."""
        ...
