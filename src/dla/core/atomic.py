"""Files and folders that are whole or not there, and that take the place of nothing but what they may replace.

A file replaces a file. A folder replaces a folder only where stages alone write: everywhere else what stands at its
place is somebody's, and stays.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from dla.core.errors import UserError

STAGES_WRITE = ("data", "models", "plots")  # folders of the project; what stages put two levels below is theirs
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS}  # said of a write without a name of a file


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; what is written there takes its place at the end, or leaves no trace.

    Works for a file and for a folder. A link to a file is replaced, never what it leads to. Errors of the body that are
    not of writing to the temporary path pass as they are.

    Raises
    ------
    UserError
        If the disk is full, the place cannot be written, or what stands there is not to be replaced.
    """
    if not path.name:
        raise UserError(f"{path}: is a folder, not a place for something new; name one below it")
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    _refuse_folder_of_others(path)
    try:
        with _explained(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
        except (OSError, SafetensorError) as error:
            if not _is_of_writing(error, temporary):
                raise
            raise _not_written(path, error) from error
        with _explained(path):
            _flush(temporary)
            _replace(path, temporary)
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary)
        elif temporary.exists():
            temporary.unlink()


def destination(path: Path) -> Path:
    """Where a file that a user asked for is to be written: `path`, or what it leads to if it is a link.

    Raises
    ------
    UserError
        If something other than a file stands there, or there is no folder to put it in. Nothing is made or removed.
    """
    try:
        place = path.resolve()
        if place.is_dir():
            raise UserError(f"{path}: is a folder; name a file to write")
        if place.exists() and not place.is_file():
            raise UserError(f"{path}: is not a file that can be replaced; name another")
        if not place.parent.is_dir():
            raise UserError(f"{path}: could not be written (there is no folder {path.parent}); make it or name another")
    except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle
        raise _not_written(path, error) from None
    return place


def _refuse_folder_of_others(path: Path) -> None:
    if path.is_dir() and not _is_output(path):
        raise UserError(f"{path}: is a folder that no stage wrote; move it away, or name another place")


def _is_output(path: Path) -> bool:
    """Whether `path` is where a stage puts a folder, such as data/raw/NAME, and no link leads elsewhere."""
    root, place = Path.cwd(), path.resolve()
    if path.is_symlink() or not place.is_relative_to(root):
        return False
    first, *below = place.relative_to(root).parts or ("",)
    return first in STAGES_WRITE and len(below) >= 2


def _replace(path: Path, temporary: Path) -> None:
    """Put what is at `temporary` to `path`, a file for a file or a folder for a folder."""
    _refuse_folder_of_others(path)  # it may have come while the body ran
    if temporary.is_dir() and path.is_dir():
        old = path.with_name(f".{path.name}.{os.getpid()}.old")
        path.replace(old)
        try:
            temporary.replace(path)
        except OSError:
            old.replace(path)
            raise
        shutil.rmtree(old)
    elif path.is_dir():
        raise UserError(f"{path}: is a folder, where a file is to be written; move it away and run again")
    elif temporary.is_dir() and os.path.lexists(path):
        raise UserError(f"{path}: is a file, where a folder is to be written; move it away and run again")
    else:
        temporary.replace(path)


def _flush(path: Path) -> None:
    """Make the disk hold what was written before the name says so, lest a crash leave an empty file in its place."""
    for file in path.rglob("*") if path.is_dir() else [path]:
        if file.is_file():
            with file.open("rb+") as stream:
                os.fsync(stream.fileno())


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _not_written(path, error) from error


def _not_written(path: Path, error: Exception) -> UserError:
    reason = getattr(error, "strerror", None) or str(error)
    return UserError(f"{path}: could not be written ({reason}); see to it and run again")


def _is_of_writing(error: Exception, temporary: Path) -> bool:
    """Whether an error of the body is about what it writes to `temporary`, and not about something that it reads."""
    if isinstance(error, SafetensorError):
        return "error while serializing" in str(error).lower()
    named = [getattr(error, name, None) for name in ("filename", "filename2")]
    if any(temporary.name in str(name) for name in [*named, error]):
        return True
    return named == [None, None] and getattr(error, "errno", None) in FULL
