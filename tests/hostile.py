"""What could come in: content of a file with something changed, and bytes with something broken."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import SearchStrategy

from dla.core.errors import UserError

VALUES: list[Any] = [
    *(None, True, False, 0, 1, 2, -1, 7, 10**9, 10**10, 2**64 - 1, 2**70, 10**4000),
    *(0.0, 0.5, 1.0, -0.0, 1e-9, 5e-324, 1e300, float("inf"), float("nan")),
    *("", " ", "x", "x" * 5000, "../../evil", "/", "\n", "1e-4", "é\u2028", "{}", "auto", "mnist", "demo"),
    *([], {}, [[]], [1, "a"], [1, 1], {"a": 1}, {"name": "mlp"}, [None]),
]


def mutate(content: Any, random: Random) -> Any:
    """Plain content with one to three changes: an entry deleted, doubled, renamed, replaced or exchanged."""
    content = {"": copy.deepcopy(content)}
    for _ in range(random.randint(1, 3)):
        places = [(node, key) for node in _collections(content) for key in _keys(node) if node is not content]
        if not places:
            content[""] = random.choice(VALUES)
            continue
        _change(*random.choice(places), random, places)
    return content[""]


def _change(node: Any, key: Any, random: Random, places: list[tuple[Any, Any]]) -> None:
    match random.choice(["delete", "double", "rename", "replace", "replace", "exchange"]):
        case "delete":
            del node[key]
        case "double" if isinstance(node, dict):
            node[f"{key}-2"] = copy.deepcopy(node[key])
        case "double":
            node.append(copy.deepcopy(node[key]))
        case "rename" if isinstance(node, dict):
            node[random.choice([f"{key}x", key[:-1], key.upper(), "../x", "", "x\ny", "x" * 300])] = node.pop(key)
        case "exchange":
            other, name = random.choice(places)
            node[key] = copy.deepcopy(other[name])
        case _:
            node[key] = copy.deepcopy(random.choice(VALUES))


def _collections(content: Any) -> list[Any]:
    if not isinstance(content, dict | list):
        return []
    return [content, *(inner for key in _keys(content) for inner in _collections(content[key]))]


def _keys(node: Any) -> list[Any]:
    return list(node) if isinstance(node, dict) else list(range(len(node)))


def as_yaml(content: Any) -> str:
    """Content as a file of YAML, of which JSON is a part but for two of its words."""
    return json.dumps(content).replace("Infinity", ".inf").replace("NaN", ".nan")


def damage(content: bytes, random: Random, other: bytes = b"") -> bytes:
    """Bytes of which some are missing, flipped, doubled or zero, or those of another file."""
    broken = bytearray(content)
    start = random.randrange(len(content) + 1)
    end = min(len(content), start + random.randint(1, 64))
    match random.choice(["cut", "flip", "flip", "flip", "zero", "drop", "double", "other", "empty"]):
        case "cut":
            del broken[start:]
        case "flip":
            for _ in range(random.randint(1, 8)):
                if broken:
                    broken[random.randrange(len(broken))] ^= 1 << random.randrange(8)
        case "zero":
            broken[start:end] = bytes(end - start)
        case "drop":
            del broken[start:end]
        case "double":
            broken[end:end] = broken[start:end]
        case "other":
            return other
        case "empty":
            return b""
    return bytes(broken)


def succeeds_or_says(act: Callable[[], object]) -> None:
    """Whatever `act` does, an error is a `UserError` of one line that can be read."""
    said = "a success"
    try:
        act()
    except UserError as error:
        said = str(error)
    assert 0 < len(said) < 2000
    assert len(said.splitlines()) == 1


def many(check: Callable[..., None], examples: int, *inputs: SearchStrategy[Any]) -> None:
    """Call `check` with so many inputs, the same in every run."""
    bounded = settings(
        max_examples=examples, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck)
    )
    bounded(given(*inputs)(check))()


def sizes(quick: int, slow: int) -> pytest.MarkDecorator:
    """Numbers of examples: of `make test`, which has a minute for them all, and of .ci/run, which has ten."""
    return pytest.mark.parametrize(
        "examples", [pytest.param(quick, id="quick"), pytest.param(slow, id="slow", marks=pytest.mark.slow)]
    )
