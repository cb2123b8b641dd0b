"""A process that imports large libraries, without Python's housekeeping for them.

torch, scikit-learn and transformers make a million objects. While they are imported, the garbage collector looks
through all of these again and again, and at the end of the process Python takes each of them apart. In a stage of
seconds that is a third of the time, and it serves nobody: what was imported stays, and the system takes back memory.
"""

from __future__ import annotations

import atexit
import gc
import os
import sys
from typing import NoReturn

_exit_code: int | None = None  # once there is one


def begin_imports() -> None:
    """Collect no garbage until `end_imports`."""
    gc.disable()


def end_imports() -> None:
    """Collect garbage again, but never look through what there is by now."""
    gc.freeze()
    gc.enable()


def leave(code: int) -> NoReturn:
    """End the process as `sys.exit` does, but as soon as all that is registered with `atexit` has been called."""
    global _exit_code
    _exit_code = code
    sys.exit(code)


def _leave() -> None:
    if _exit_code is None:  # of an exception that nobody caught
        gc.unfreeze()  # so that no library complains of objects that are left
        return
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(_exit_code)


atexit.register(_leave)  # before the libraries register theirs, and so called after them
