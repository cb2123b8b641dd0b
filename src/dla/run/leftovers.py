"""What processes that were killed have left half done in DVC's folders and in logs, which would keep out a run."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from dla.core.atomic import atomic


def mend_locks(path: Path, note: Callable[[str], None]) -> None:
    """Take from DVC's list of locks those of processes that are no more; call it while DVC's lock is held.

    DVC itself does so, with a warning about each. But it writes the file in place, so that half of it may be there; and
    in a container the next process may have the same number, or nobody takes notice of the end of the one before.
    """
    try:
        locks = json.loads(path.read_bytes())
        write = {file: lock for file, lock in locks.get("write", {}).items() if not _is_left(lock)}
        read = {file: [lock for lock in all_ if not _is_left(lock)] for file, all_ in locks.get("read", {}).items()}
    except FileNotFoundError:
        return
    except (ValueError, AttributeError, TypeError, KeyError):
        path.unlink()
        note("DVC's list of locks was half written by a process that was killed; it has been begun anew")
        return
    kept = {"write": write, "read": {file: readers for file, readers in read.items() if readers}}
    if any(locks.get(mode, {}) != kept[mode] for mode in kept):
        with atomic(path) as temporary:
            temporary.write_text(json.dumps(kept), encoding="utf-8")


def _is_left(lock: dict[str, Any]) -> bool:
    """Whether a lock names this process, which has none yet, or one that has ended."""
    try:
        return bool(lock["pid"] == os.getpid() or psutil.Process(lock["pid"]).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True
    except psutil.Error:
        return False


def remove_empty_entries(run_cache: Path) -> bool:
    """Remove folders of DVC's run-cache without the entry for which they were made; whether there were any.

    DVC (3.67) fails with a TypeError, time and again, where it finds such a folder.
    """
    empty = [folder for folder in run_cache.glob("*/*") if folder.is_dir() and not any(folder.iterdir())]
    for folder in empty:
        folder.rmdir()
    return bool(empty)


def is_written(log: Path) -> bool:
    """Whether a process of an earlier run still holds the log; see `launcher`."""
    with suppress(FileNotFoundError), log.open("rb") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:  # where there are no locks, nothing can be known
            return False
    return False
