"""The clone of the project in which a budget is run for publication: it stays, so that the next run goes on in it."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from contextlib import chdir
from pathlib import Path
from typing import Any, get_args

from dvc.repo import Repo
from dvc.utils.serialize import modify_yaml

from dla.core.document import read_document
from dla.core.errors import UserError
from dla.core.parameters import PARAMS_FILE, BudgetName
from dla.publish.record import BY_HAND, FOLDERS, INSTEAD, LOCK, RESULTS, results_of
from dla.repository import clone, git

WORKSHOPS = Path(".results")  # below the project's root, ignored by git
WRITTEN = ("metrics", "plots")  # folders that are committed with results of the default run


def open_workshop(root: Path, name: str, commit: str) -> Path:
    """The clone at a commit, with params.yaml set and the published results laid out.

    It shares the project's cache, so that what either has run the other need not.

    Raises
    ------
    UserError
        If something in the working tree is not committed, what is published apart, or nothing says what NAME is.
    """
    instead = results_of(root, name) / INSTEAD
    if name not in get_args(BudgetName) and not instead.exists():
        raise UserError(f"{name} is no budget, and there is no {instead.relative_to(root)} that says of which it is")
    _require_committed(root)
    place = root / WORKSHOPS / name
    if not place.exists():
        place.parent.mkdir(exist_ok=True)
        new = place.with_name(f"{name}.new")
        shutil.rmtree(new, ignore_errors=True)  # what a killed process has left of it
        clone(root, new)
        new.rename(place)
    git(place, "fetch", "--quiet", str(root), "HEAD")
    git(place, "checkout", "--quiet", "--force", "--detach", commit)
    with Repo(str(place)).config.edit("local") as config:
        config.setdefault("cache", {})["dir"] = Repo(str(root)).cache.local_cache_dir
    _lay_out(results_of(root, name), place)
    with chdir(place), modify_yaml(str(PARAMS_FILE)) as content:
        put_instead(content, name, read_document(instead) if instead.exists() else {})
    return place


def put_instead(content: Any, name: str, settings: Mapping[str, Any]) -> None:
    """Make of params.yaml's content what is run under NAME: that budget, unless instead.yaml has another."""
    content["budget"] = name
    _replace(content, settings)


def _require_committed(root: Path) -> None:
    by_hand = [f":(glob){RESULTS}/*/{file}" for file in BY_HAND]
    changed = git(root, "status", "--porcelain", "--", ".", f":!{RESULTS}").decode()
    changed += git(root, "status", "--porcelain", "--untracked-files=all", "--", *by_hand).decode()
    if changed.strip():
        first = changed.strip().splitlines()[0].split(maxsplit=1)[1]
        raise UserError(f"{first} is not committed: results are published of a commit alone; commit it, or stash it")


def _lay_out(published: Path, place: Path) -> None:
    """What is published in the place of what is committed, so that DVC knows what has not changed since."""
    (place / LOCK).unlink(missing_ok=True)
    for folder in WRITTEN:
        shutil.rmtree(place / folder, ignore_errors=True)
    for folder in FOLDERS:
        if (published / folder).is_dir():
            shutil.copytree(published / folder, place / folder, dirs_exist_ok=True)
    if (published / LOCK).exists():
        shutil.copy(published / LOCK, place / LOCK)


def _replace(content: Any, settings: Mapping[str, Any]) -> None:
    """Put settings into the place of those that are there under the same keys, or beside them."""
    for key, value in settings.items():
        if isinstance(value, dict) and isinstance(content.get(key), dict):
            _replace(content[key], value)
        else:
            content[key] = value
