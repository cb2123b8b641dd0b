"""Errors that are the user's to mend: one sentence saying what was wrong, where, and what to do."""

from __future__ import annotations


class UserError(Exception):
    """Something outside the code is wrong: parameters, data, network, disk. Shown as one line, exit code 2."""
