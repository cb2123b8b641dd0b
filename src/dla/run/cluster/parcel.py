"""What travels between a driver and its workers; where they share no folder, names of what a DVC remote has, and files.

Paths are relative to the project's folder, with slashes, unless they are `Path`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dla.run.task import Ended


@dataclass(frozen=True)
class Source:
    """What a worker makes a clone of the project from."""

    url: str  # of the git repository
    commit: str
    project: str  # the folder of the project within the repository
    remote: str  # name of the DVC remote
    remote_url: str
    imports_from: tuple[str, ...]  # folders of the project that Python imports from


@dataclass(frozen=True)
class Session:
    """One run of a driver, as its workers know it."""

    name: str  # no other run has it
    shared: Path | Source  # what makes the project's folder: a file in it, or what a clone is made of
    preload: tuple[str, ...] = ()  # libraries to import once, for all commands that are Python scripts
    stages_per_gpu: int = 1


@dataclass(frozen=True)
class Look:
    """What a worker sees."""

    host: str
    sees_folder: bool


@dataclass(frozen=True)
class Kept:
    """An output as DVC's cache has it."""

    hash_name: str
    value: str
    is_executable: bool = False


@dataclass(frozen=True)
class File:
    """A file as it is."""

    content: bytes
    is_executable: bool = False


@dataclass(frozen=True)
class Parcel:
    """Inputs of a stage, or what it has made."""

    kept: Mapping[str, Kept] = field(default_factory=dict)
    files: Mapping[str, File] = field(default_factory=dict)
    folders: tuple[str, ...] = ()  # that `files` has whole


@dataclass(frozen=True)
class Order:
    """A stage to be run in a clone."""

    root: Path  # of the project on the driver's machine, which the task names its paths by
    inputs: Parcel
    outputs: Mapping[str, bool]  # whether DVC's cache keeps it


@dataclass(frozen=True)
class Delivery:
    """What came of a stage that was run in a clone."""

    ended: Ended
    made: Parcel
    log: bytes


def pack(root: Path, path: str) -> tuple[dict[str, File], tuple[str, ...]]:
    """The files at a path, and the path itself if it is a folder; nothing if nothing is there."""
    whole = root / path
    if not whole.is_dir():
        return ({path: _read(whole)} if whole.exists() else {}), ()
    found = (file for file in sorted(whole.rglob("*")) if file.is_file())
    return {file.relative_to(root).as_posix(): _read(file) for file in found}, (path,)


def unpack(root: Path, parcel: Parcel) -> None:
    """Put the files of a parcel where they belong."""
    for folder in parcel.folders:
        (root / folder).mkdir(parents=True, exist_ok=True)
    for path, file in parcel.files.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.content)
        target.chmod(target.stat().st_mode | (0o111 if file.is_executable else 0))


def _read(path: Path) -> File:
    return File(path.read_bytes(), bool(path.stat().st_mode & 0o100))
