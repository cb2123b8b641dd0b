"""Threads: as many as params.yaml says, else as OMP_NUM_THREADS says, else one per core."""

from __future__ import annotations

import os

import pytest

from dla.core.cores import cores, threads


def test_threads_are_one_per_core_that_may_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        assert threads(None) == 1
        assert threads(3) == 3
    finally:
        os.sched_setaffinity(0, allowed)


@pytest.mark.parametrize(("said", "number"), [("1", 1), ("3", 3), ("2,4", 2), (" 5 ", 5)])
def test_omp_num_threads_holds_where_params_say_nothing(
    monkeypatch: pytest.MonkeyPatch, said: str, number: int
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", said)
    assert threads(None) == number
    assert threads(7) == 7


@pytest.mark.parametrize("said", ["", "0", "-1", "many", "1e3", "1000000000", "9" * 5000, "\u0663"])
def test_what_is_no_number_of_threads_says_nothing(monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", said)
    assert threads(None) == cores()
