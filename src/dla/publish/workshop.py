"""The clone of the project in which a budget is run for publication: it stays, so that the next run goes on in it."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from contextlib import chdir
from pathlib import Path
from typing import Any

from dvc.repo import Repo
from dvc.utils.serialize import modify_yaml

from dla.core.document import read_document
from dla.core.errors import UserError
from dla.core.parameters import PARAMS_FILE
from dla.publish.record import INSTEAD, KEPT, LOCK, RESULTS, results_of
from dla.repository import clone, git, head

WORKSHOPS = Path(".results")  # below the project's root, ignored by git
WRITTEN = ("metrics", "plots")  # folders that are committed with results of the default run


def open_workshop(root: Path, name: str) -> Path:
    """The clone at the commit that is checked out at `root`, with params.yaml set and the published results laid out.

    It shares the project's cache, so that what either has run the other need not.

    Raises
    ------
    UserError
        If something in the working tree is not committed, what is published apart.
    """
    if changed := git(root, "status", "--porcelain", "--", ".", f":!{RESULTS}").decode().strip():
        first = changed.splitlines()[0].split(maxsplit=1)[1]
        raise UserError(f"{first} is not committed: results are published of a commit alone; commit it, or stash it")
    place = root / WORKSHOPS / name
    if not place.exists():
        place.parent.mkdir(exist_ok=True)
        clone(root, place)
    git(place, "fetch", "--quiet", str(root), "HEAD")
    git(place, "checkout", "--quiet", "--force", "--detach", head(root))
    with Repo(str(place)).config.edit("local") as config:
        config.setdefault("cache", {})["dir"] = Repo(str(root)).cache.local_cache_dir
    _lay_out(results_of(root, name), place)
    with chdir(place), modify_yaml(str(PARAMS_FILE)) as content:
        content["budget"] = name
        if (instead := results_of(root, name) / INSTEAD).exists():
            _replace(content, read_document(instead))
    return place


def _lay_out(published: Path, place: Path) -> None:
    """What is published in the place of what is committed, so that DVC knows what has not changed since."""
    (place / LOCK).unlink(missing_ok=True)
    for folder in WRITTEN:
        shutil.rmtree(place / folder, ignore_errors=True)
    for folder in KEPT:
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
