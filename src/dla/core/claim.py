"""One stage's outputs and checkpoint belong to one process at a time."""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from dla.core.errors import UserError

FOLDER = Path(".cache/locks")
LONGEST = 200  # characters of a file's name


@contextmanager
def claim(stage: str) -> Iterator[None]:
    """Hold the stage for the time of the block; the kernel gives it back, however the process ends.

    Where locks cannot be had, as on some shared file systems, a line says so and the block runs.

    Raises
    ------
    UserError
        If another process of this machine, or of one that shares the file system's locks, has it.
    """
    path = FOLDER / f"{quote(stage, safe='@')[:LONGEST]}.lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        _warn(stage, error)
        yield
        return
    try:
        _lock(lock, stage)
        yield
    finally:
        os.close(lock)


def _lock(lock: int, stage: str) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.pread(lock, 20, 0).decode("ascii", "replace").strip()
        known = f", process {owner}" if owner else ""
        raise UserError(
            f"{stage}: is being run by another process here{known}; wait until it is done, or end it: its checkpoint "
            "stays"
        ) from None
    except OSError as error:
        _warn(stage, error)
        return
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)


def _warn(stage: str, error: OSError) -> None:
    print(f"warning: {stage} cannot be locked ({error.strerror}): run it once at a time", file=sys.stderr)
