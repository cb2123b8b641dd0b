"""Errors that are the user's to mend: one sentence saying what was wrong, where, and what to do."""

from __future__ import annotations


class UserError(Exception):
    """Something outside the code is wrong: parameters, data, network, disk. Shown as one line, exit code 2.

    What libraries say of an error has several lines at times; here they become one.
    """

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(line.strip() for line in message.splitlines() if line.strip()))
