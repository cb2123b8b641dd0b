"""A stage that DVC started ends with it: alone it would train on, beside the stage that the next `dvc repro` starts.

A stage that a user started, from a shell or with nohup, is left alone.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

STARTED_BY_DVC = "DVC_STAGE"  # a variable that DVC sets for every command it runs
PROC = Path("/proc")
END = signal.SIGUSR1  # not SIGINT, which is ignored in what a script's shell has put into the background
GRACE = 3.0  # seconds that the stage has to remove what is half written


def end_with_dvc() -> None:
    """From now on, end this process soon after the DVC that started it, if one did."""
    if STARTED_BY_DVC in os.environ and (dvc := _find_dvc()) is not None:
        signal.signal(END, signal.default_int_handler)
        threading.Thread(target=_wait_and_end, args=(dvc,), daemon=True).start()


def _find_dvc() -> int | None:
    """The nearest process above that was not itself started by DVC: between it and this one there may be shells."""
    stage, process = os.environ[STARTED_BY_DVC], os.getppid()
    while process > 1 and _variable(process, STARTED_BY_DVC) == stage:
        _, parent, *_ = _state(process) or ("", "0")
        process = int(parent)
    return process if process > 1 else None


def _variable(process: int, name: str) -> str | None:
    """A variable of the environment that a process was started with."""
    try:
        variables = (PROC / f"{process}/environ").read_bytes().split(b"\0")
    except OSError:  # another user's, or gone
        return None
    marked = f"{name}=".encode()
    return next((os.fsdecode(text[len(marked) :]) for text in variables if text.startswith(marked)), None)


def _state(process: int) -> list[str]:
    """What the kernel says of a process after its name: its state, its parent, ...; nothing if there is none."""
    try:
        return (PROC / f"{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _wait_and_end(process: int) -> None:
    _wait_for_end(process)
    with suppress(OSError):  # the terminal may have ended too
        print("error: dvc has ended, and so does the stage that it started; a checkpoint stays", file=sys.stderr)
    signal.pthread_kill(threading.main_thread().ident or 0, END)  # as Ctrl-C, so that nothing half written is left
    time.sleep(GRACE)
    os._exit(130)


def _wait_for_end(process: int) -> None:
    try:
        ended = os.pidfd_open(process)
    except ProcessLookupError:
        return
    except (OSError, AttributeError):  # not Linux 5.3, or a Python that was built on an older one
        while _state(process)[:1] not in ([], ["Z"]):
            time.sleep(1)
        return
    waiting = select.poll()
    waiting.register(ended, select.POLLIN)
    waiting.poll()
    os.close(ended)
