"""What is done once a stage has succeeded, and never otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

_waiting: list[list[Callable[[], None]]] = []  # of every block that is open, the innermost last


@contextmanager
def until_success() -> Iterator[None]:
    """At the end of the block call all that was registered in it, in order; nothing if an exception ends it."""
    _waiting.append([])
    try:
        yield
    finally:
        registered = _waiting.pop()
    for callback in registered:
        callback()


def on_success(callback: Callable[[], None]) -> None:
    """Have `callback` called at the end of the innermost `until_success`; outside of all it never is."""
    if _waiting:
        _waiting[-1].append(callback)
