"""The processors' cores that a run may use."""

from __future__ import annotations

import os

MOST_THREADS = 1024  # more than any machine has cores: a slip, and a system that makes no more ends the process


def threads(asked: int | None) -> int:
    """CPU threads of this process: those asked for, those that OMP_NUM_THREADS allows, or one per core."""
    return asked or _allowed() or cores()


def cores() -> int:
    """The cores that this process may use: of a shared machine often not all."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _allowed() -> int | None:
    """What OMP_NUM_THREADS says, of a list its first number; None if it says nothing that can be."""
    number = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    if not (number.isascii() and number.isdecimal() and len(number) <= len(str(MOST_THREADS))):
        return None
    return int(number) if 1 <= int(number) <= MOST_THREADS else None
