"""Whether published results hang together: from the commit's code and the data, hash by hash, to every number.

    python -m dla.publish.chain

Says what does not fit of all that is below results/, a line each.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from dla.core.errors import UserError
from dla.core.parameters import PARAMS_FILE
from dla.publish.record import FOLDERS, INSTEAD, RESULTS, Ran, published_paths, read_lock, read_ran
from dla.publish.workshop import put_instead
from dla.repository import contents

VERSIONS = "versions.yaml"
CODE = ("stages/", "src/")
Hashes = dict[str, str]


def find_breaks(folder: Path, root: Path) -> list[str]:
    """What does not fit, a sentence each; none if every link holds.

    Parameters
    ----------
    folder : published results
    root : a clone of the project that has the commits they were made at
    """
    lock, ran = read_lock(folder), read_ran(folder)
    documents = cache(lambda commit: _documents(root, folder.name, commit))
    outs = {out["path"]: out["md5"] for entry in lock.values() for out in entry.get("outs", ())}
    breaks = [*_lost_files(folder, outs, set(published_paths(lock)))]
    for name, entry in lock.items():
        if name not in ran:
            breaks.append(f"{name}: nothing says how it was run")
            continue
        breaks += [f"{name}: {problem}" for problem in _of_stage(entry, outs, ran[name], root, documents)]
    return breaks


def _documents(root: Path, name: str, commit: str) -> dict[str, Any]:
    """params.yaml as it was taken under a name at a commit, and versions.yaml."""
    instead = (RESULTS / name / INSTEAD).as_posix()
    committed = contents(root, [str(PARAMS_FILE), VERSIONS, instead], commit)
    read = {path: YAML(typ="safe").load(text.decode()) for path, text in committed.items()}
    put_instead(read[str(PARAMS_FILE)], name, read.pop(instead, {}))
    return read


def _of_stage(
    entry: Mapping[str, Any], outs: Hashes, ran: Ran, root: Path, documents: Callable[[str], Mapping[str, Any]]
) -> Iterator[str]:
    """What does not fit of one stage's entry in dvc.lock."""
    code = [dep["path"] for dep in entry.get("deps", ()) if dep["path"].startswith(CODE)]
    try:
        committed, settings = contents(root, code, ran.commit), documents(ran.commit)
    except UserError:
        yield f"commit {ran.commit} is not in this repository; if the clone is shallow: git fetch --unshallow"
        return
    files = {path: hashlib.md5(content, usedforsecurity=False).hexdigest() for path, content in committed.items()}
    at = f"commit {ran.commit[:9]}"
    for dep in entry.get("deps", ()):
        known = files if dep["path"] in code else outs
        if (there := _hash(dep["path"], known)) != dep["md5"]:
            where = at if known is files else "what another stage wrote"
            yield f"{dep['path']} has the hash {dep['md5']}, and in {where} {there}"
    for file, values in entry.get("params", {}).items():
        for key, value in values.items():
            if _look_up(settings.get(file), key) != value:
                yield f"{file}: {key} is not what {at} says"


def _hash(path: str, known: Hashes) -> str | None:
    """DVC's hash of a file, or of a folder from those of the files in it."""
    if path in known:
        return known[path]
    inside = {file.removeprefix(f"{path}/"): value for file, value in known.items() if file.startswith(f"{path}/")}
    if not inside:
        return None
    listed = json.dumps([{"md5": inside[file], "relpath": file} for file in sorted(inside)], sort_keys=True)
    return f"{hashlib.md5(listed.encode(), usedforsecurity=False).hexdigest()}.dir"


def _lost_files(folder: Path, outs: Hashes, wanted: set[str]) -> Iterator[str]:
    """Published files that are not what a stage wrote, or are missing."""
    there = {path.relative_to(folder).as_posix() for kept in FOLDERS for path in (folder / kept).rglob("*.*")}
    for place in sorted(there | wanted):
        if place not in there:
            yield f"{place}: is missing"
        elif outs.get(place) != hashlib.md5((folder / place).read_bytes(), usedforsecurity=False).hexdigest():
            yield f"{place}: no stage wrote it as it is"


def _look_up(content: Any, key: str) -> Any:
    for name in key.split("."):
        content = content.get(name) if isinstance(content, dict) else None
    return content


if __name__ == "__main__":
    breaks = [sentence for folder in sorted(RESULTS.iterdir()) for sentence in find_breaks(folder, Path())]
    sys.exit("\n".join(breaks) or None)
