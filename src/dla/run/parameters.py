"""A stage's parameters, looked up once as long as their file has the same bytes.

DVC parses the whole params.yaml and searches it each time that it asks for a stage's parameters: once to see whether
they have changed, and up to eight times more for a stage that runs. There is no setting for that, so its function is
replaced by one that remembers. `python bench/run.py --parameters` measures a run with and without it.
"""

from __future__ import annotations

from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

import dpath
from dvc.dependency import param

DATA = {".yaml", ".yml", ".json", ".toml"}  # files whose values follow from their bytes alone, unlike .py
_read = param.read_param_file


@dataclass
class _File:
    """A file of parameters, and what has been looked up in it."""

    content: bytes
    parameters: Any
    answers: dict[tuple[str, ...], dict[str, Any]] = field(default_factory=dict)


_files: dict[str, _File] = {}


def remember_parameters() -> None:
    """From now on, in this process."""
    param.read_param_file = _read_once


def _read_once(fs: Any, path: str, key_paths: list[str] | None = None, flatten: bool = False, **options: Any) -> Any:
    """As DVC's function. Each answer is a copy: shared objects would become anchors and aliases in dvc.lock."""
    if not (key_paths and flatten) or options or PurePath(path).suffix.lower() not in DATA:
        return _read(fs, path, key_paths, flatten, **options)
    with fs.open(path, "rb") as stream:
        content = stream.read()
    file = _files.get(path)
    if file is None or file.content != content:
        file = _files[path] = _File(content, _read(fs, path))
    question = tuple(key_paths)
    if question not in file.answers:
        file.answers[question] = _look_up(file.parameters, key_paths)
    return deepcopy(file.answers[question])


def _look_up(parameters: Any, key_paths: list[str]) -> dict[str, Any]:
    found = {}
    for key_path in key_paths:
        with suppress(KeyError):
            found[key_path] = dpath.get(parameters, key_path, separator=".")
    return found
