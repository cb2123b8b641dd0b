"""What DVC says is wrong, in one line of a newcomer's words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dvc.exceptions import CyclicGraphError, DvcException, NotDvcRepoError, OutputDuplicationError
from dvc.lock import LockError

from dla.core.errors import UserError


class BusyError(Exception):
    """Another DVC process reads or writes what a stage writes."""


@contextmanager
def as_user_errors(whatever: bool = False) -> Iterator[None]:
    """What DVC says is wrong as a line; of a single stage `whatever` happens, as DVC then goes on with others too."""
    try:
        yield
    except (LockError, BusyError, UserError):
        raise
    except NotDvcRepoError as error:
        raise UserError("there is no DVC project here: no .dvc in this folder or above it; see `dvc init`") from error
    except CyclicGraphError as error:
        names = str(error).rpartition(": ")[2].rstrip(".")
        raise UserError(f"these stages wait for each other, as each needs an output of another: {names}") from error
    except OutputDuplicationError as error:
        names = ", ".join(sorted(stage.addressing for stage in error.stages))
        raise UserError(f"output '{error.output}' is written by several stages: {names}") from error
    except DvcException as error:
        cause = f" ({error.__cause__})" if error.__cause__ else ""
        raise UserError(f"{error}{cause}") from error
    except Exception as error:
        if not whatever:
            raise
        raise UserError(_of_file(error) or repr(error)) from error


def _of_file(error: Any) -> str:
    """What the system refused about a file; nothing of other errors."""
    is_of_file = isinstance(error, OSError) and error.filename is not None
    return f"{error.filename}: {error.strerror}" if is_of_file else ""
