"""Cores: those that this process may use."""

from __future__ import annotations

import os

import pytest

from dla.core.cores import cores


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system gives cores to no process")
def test_cores_are_those_that_this_process_may_use() -> None:
    allowed = os.sched_getaffinity(0)
    assert cores() == len(allowed)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        assert cores() == 1
    finally:
        os.sched_setaffinity(0, allowed)
