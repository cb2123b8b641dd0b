"""The processors' cores that a run may use."""

from __future__ import annotations

import os

MOST_THREADS = 1024  # more than any machine has cores: a slip, and a system that makes no more ends the process


def cores() -> int:
    """The cores that this process may use: of a shared machine often not all."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
