"""What git knows of the project: commits, and files as they are committed."""

from __future__ import annotations

import subprocess
from pathlib import Path

from dla.core.errors import UserError


def git(root: Path, *arguments: str, said: bytes = b"") -> bytes:
    """What a git command prints in the folder `root`.

    Parameters
    ----------
    said : what it reads from standard input

    Raises
    ------
    UserError
        If git is not there, or says no.
    """
    try:
        ended = subprocess.run(["git", *arguments], input=said, capture_output=True, check=False, cwd=root)  # noqa: S603, S607
    except OSError as error:
        raise UserError(f"git cannot be started ({error.strerror}); install it, or see to PATH") from error
    if ended.returncode != 0:
        raise UserError(f"git {arguments[0]} failed: {ended.stderr.decode(errors='replace').strip()}")
    return ended.stdout


def head(root: Path) -> str:
    """The commit that is checked out, 40 hexadecimal digits."""
    return git(root, "rev-parse", "--verify", "HEAD").decode().strip()


def has_commit(root: Path) -> bool:
    """Whether the folder is in a git repository with a commit."""
    try:
        head(root)
    except UserError:
        return False
    return True


def clone(root: Path, place: Path) -> None:
    """A clone of the repository at `root` at `place`, with what is committed there checked out."""
    git(root, "clone", "--quiet", "--no-checkout", str(root), str(place))
    git(place, "checkout", "--quiet", "--detach", head(root))


def contents(root: Path, paths: list[str], commit: str = "HEAD") -> dict[str, bytes]:
    """The files of a commit at or below these paths, sorted."""
    if not paths:
        return {}
    listed = git(root, "--literal-pathspecs", "ls-tree", "-r", "-z", commit, "--", *paths).decode()
    hashes = {}
    for entry in listed.split("\0")[:-1]:
        _, kind, name = entry.partition("\t")[0].split()
        if kind == "blob":
            hashes[entry.partition("\t")[2]] = name
    told = git(root, "cat-file", "--batch", said="\n".join(hashes.values()).encode())
    found = {}
    for path in hashes:  # each as a line that ends with its size, and its bytes, and the end of a line
        about, _, told = told.partition(b"\n")
        size = int(about.split()[-1])
        found[path], told = told[:size], told[size + 1 :]
    return found
