"""What libraries log, as sentences of the run: written past its screen, they would be lost below the live table."""

from __future__ import annotations

import logging
from collections.abc import Callable


class Notes(logging.Handler):
    """Passes each message on, a warning or worse."""

    def __init__(self, note: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._note = note

    def emit(self, record: logging.LogRecord) -> None:
        self._note(self.format(record))


def listen_to_dvc(note: Callable[[str], None]) -> None:
    """DVC's warnings are sentences for the user, and its progress bars, over a table, are nothing."""
    logger = logging.getLogger("dvc")
    logger.handlers = [Notes(note)]
    logger.propagate = False
    for name in ("dvc.progress", "dvc_objects", "dvc_data"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
