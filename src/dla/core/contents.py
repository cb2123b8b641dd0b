"""What was read from a file: to ask it for what it has not is an error of the file, in one line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn, Protocol, TypeVar

from dla.core.errors import UserError

T = TypeVar("T")
REMEDY = "delete it and run `dvc repro`"


class Contents(dict[str, T]):
    """Named things out of the file `path`."""

    def __init__(self, things: Mapping[str, T], path: Path) -> None:
        super().__init__(things)
        self.path = path

    def __missing__(self, name: str) -> NoReturn:
        raise UserError(f"{self.path}: has no {name!r}, so this version did not write it; {REMEDY}")


def parse_object(text: str | bytes) -> dict[str, Any]:
    """A JSON object.

    Raises
    ------
    ValueError
        If it is not JSON, is JSON of another kind, or has numbers that are none.
    """
    try:
        found = json.loads(text, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("lists and objects within each other without end") from None
    if not isinstance(found, dict):
        raise ValueError(f"a {type(found).__name__} where an object should be")
    return found


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number of JSON")


class Net(Protocol):
    """What takes weights: a module of torch, which need not be imported to say so."""

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> Any: ...

    def state_dict(self) -> Mapping[str, Any]: ...


def load_weights(net: Net, weights: Mapping[str, Any], path: Path) -> None:
    """Put the tensors `weights` of the file `path` into a net that was built for them.

    Raises
    ------
    UserError
        If they are of another net: names, shapes or kinds of number differ.
    """
    wanted, there = _kinds(net.state_dict()), _kinds(weights)
    wrong = sorted(name for name in wanted.keys() | there.keys() if wanted.get(name) != there.get(name))
    if wrong:
        raise UserError(f"{path}: holds the weights of another model ({wrong[0]} differs); {REMEDY}")
    net.load_state_dict(weights)


def _kinds(weights: Mapping[str, Any]) -> dict[str, tuple[tuple[int, ...], Any]]:
    """Shape and kind of number of every tensor; a single number was written as a vector of one."""
    return {name: (tuple(value.shape) or (1,), value.dtype) for name, value in weights.items()}
