"""The metrics and plots of a DVC project that are committed with it, as they are at HEAD."""

from __future__ import annotations

import subprocess
from collections.abc import Collection
from pathlib import Path
from typing import Any

from dla.core.errors import UserError
from dla.verify.comparison import Compared, compare


def compare_results(root: Path, stages: Collection[Any]) -> list[Compared]:
    """Compare what these stages (DVC's objects) have written with what is committed; nothing where nothing is.

    Raises
    ------
    UserError
        If there is no git repository with a commit.
    """
    kinds = {
        Path(out.fs_path).relative_to(root).as_posix(): bool(out.is_metric)
        for stage in stages
        for out in stage.outs
        if (out.is_metric or out.is_plot) and not out.use_cache and out.protocol == "local"
    }
    compared = []
    for file, content in _read(root, list(kinds)).items():
        place = root / file
        now = place.read_bytes() if place.is_file() else None
        compared += compare(file, content, now, is_metric=kinds.get(file, False))
    return compared


def has_commit(root: Path) -> bool:
    """Whether the folder is in a git repository with a commit."""
    try:
        _git(root, "rev-parse", "--verify", "HEAD")
    except UserError:
        return False
    return True


def _read(root: Path, paths: list[str]) -> dict[str, bytes]:
    """The files of HEAD at or below these paths, sorted."""
    if not paths:
        return {}
    listed = _git(root, "--literal-pathspecs", "ls-tree", "-r", "-z", "HEAD", "--", *paths).decode()
    hashes = {}
    for entry in listed.split("\0")[:-1]:
        _, kind, name = entry.partition("\t")[0].split()
        if kind == "blob":
            hashes[entry.partition("\t")[2]] = name
    told = _git(root, "cat-file", "--batch", said="\n".join(hashes.values()).encode())
    contents = {}
    for path in hashes:  # each as a line that ends with its size, and its bytes, and the end of a line
        about, _, told = told.partition(b"\n")
        size = int(about.split()[-1])
        contents[path], told = told[:size], told[size + 1 :]
    return contents


def _git(root: Path, *arguments: str, said: bytes = b"") -> bytes:
    try:
        ended = subprocess.run(["git", *arguments], input=said, capture_output=True, check=False, cwd=root)  # noqa: S603, S607
    except OSError as error:
        raise UserError(f"git cannot be started ({error.strerror}); install it, or see to PATH") from error
    if ended.returncode != 0:
        raise UserError(f"git {arguments[0]} failed: {ended.stderr.decode(errors='replace').strip()}")
    return ended.stdout
