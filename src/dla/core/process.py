"""The end of a process that has imported large libraries."""

from __future__ import annotations

import atexit
import os
import sys
from typing import NoReturn

_exit_code: int | None = None  # once there is one


def leave(code: int) -> NoReturn:
    """End the process as `sys.exit` does, but once all that is registered with `atexit` was called leave it as it is.

    Python would take apart every object of torch, scikit-learn and transformers: 0.9 of the 3.8 seconds of
    `stages/train.py mnist-mlp-64`, 1.0 of the 3.9 of `stages/classify.py logreg`, 1.1 of the 4.2 of
    `stages/rank.py margin` (medians of five on two cores).
    """
    global _exit_code
    _exit_code = code
    sys.exit(code)


def _leave() -> None:
    if _exit_code is None:  # of an exception that nobody caught
        return
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(_exit_code)


atexit.register(_leave)  # before the libraries register theirs, and so called after them
