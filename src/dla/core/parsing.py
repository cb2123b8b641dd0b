"""Untyped content, from YAML or JSON, as instances of dataclasses; what is wrong with it in one line.

The line names the file, the key, the value and, where there is one, the nearest name that is known.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Collection, Iterable
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError

from dla.core.contents import REMEDY
from dla.core.errors import UserError

T = TypeVar("T")
STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


def parse(schema: type[T], content: object, file: str) -> T:
    """`content` as an instance of the dataclass `schema`, or a `UserError` about the first thing wrong with it."""
    try:
        # By way of JSON, whose strict mode takes a list for a tuple and still no string for a number.
        return TypeAdapter(schema).validate_json(json.dumps(content))
    except ValidationError as error:
        raise UserError(f"{file}: {_explain(schema, content, error)}") from None


def parse_kept(schema: type[T], content: object, path: Path) -> T:
    """What a stage has written of itself as an instance of the dataclass `schema`.

    Raises
    ------
    UserError
        If the file is of another version, of another kind, or damaged.
    """
    try:
        return parse(schema, content, str(path))
    except UserError as error:
        raise UserError(f"{error}; this version did not write it: {REMEDY}") from None


def _explain(schema: Any, content: object, error: ValidationError) -> str:
    # An unknown key and a missing one are most often the same slip: the unknown one names the cause.
    first = min(error.errors(), key=lambda e: e["type"] not in ("unexpected_keyword_argument", "extra_forbidden"))
    keys = [key for key in _walkable(first["loc"], content) if key != "[key]"]  # pydantic's word for a bad key
    where, value = ".".join(map(str, keys)) or "the file", first.get("input")
    match first["type"]:
        case "unexpected_keyword_argument" | "extra_forbidden":
            parent, key = keys[:-1], str(keys[-1])
            return f"{where} is not a setting{did_you_mean(key, _settings(schema, parent, content))}"
        case "missing" | "missing_argument":
            return f"{where} is missing"
        case "literal_error" | "union_tag_invalid":
            if first["type"] == "union_tag_invalid":
                where, value = f"{where}.{first['ctx']['discriminator'].strip(chr(39))}", first["ctx"]["tag"]
            expected = first["ctx"].get("expected") or first["ctx"]["expected_tags"]
            known = [word.strip(" '") for word in expected.replace(" or ", ", ").split(",")]
            return f"{where} = {shown(value)} is not one of {', '.join(known)}{did_you_mean(value, known)}"
        case "union_tag_not_found":
            return f"{where}.{first['ctx']['discriminator'].strip(chr(39))} is missing"
        case "dataclass_type" | "dict_type":
            return f"{where} = {shown(value)} is not a mapping of settings"
    reason = first["msg"].removeprefix("Input ").removeprefix("Value error, ").removeprefix("should ")
    return f"{where} = {shown(value)} should {reason}" if first["msg"].startswith("Input") else f"{where}: {reason}"


def _walkable(location: tuple[int | str, ...], content: object) -> list[int | str]:
    """`location` without the steps that pydantic adds for the members of a union."""
    keys: list[int | str] = []
    for i, key in enumerate(location):
        last = i == len(location) - 1
        if isinstance(content, dict) and (key in content or last):
            content = content.get(key)
            keys.append(key)
        elif isinstance(content, list) and isinstance(key, int):
            content = content[key] if key < len(content) else None  # one too few
            keys.append(key)
    return keys


def _settings(schema: Any, keys: list[int | str], content: Any) -> list[str]:
    """Names of the settings that the dataclass found at `keys` below `schema` takes."""
    for key in keys:
        content = content[key]
        schema = _member(schema, str(key), content)
    return [field.name for field in fields(schema)] if is_dataclass(schema) else []


def _member(schema: Any, key: str, content: Any) -> Any:
    """The type of the entry `key` of a dataclass or a dict; of a union, the member that `content` is tagged as."""
    if is_dataclass(schema):
        schema = get_type_hints(schema).get(key)
    else:
        arguments = get_args(schema)
        schema = arguments[1] if len(arguments) == 2 else None
    members = [member for member in get_args(schema) if is_dataclass(member)]
    return next((member for member in members if _is_tagged(member, content)), schema)


def _is_tagged(member: Any, content: Any) -> bool:
    """Whether `content` says in `type`, `kind` or `name` that it is a `member`."""
    hints = get_type_hints(member)
    tags = [tag for tag in ("type", "kind", "name") if tag in hints and isinstance(content, dict)]
    return any(content.get(tag) in get_args(hints[tag]) for tag in tags)


def refer(where: str, name: str, known: Collection[str]) -> None:
    """A `UserError` unless `name`, found at `where`, is known."""
    if name not in known:
        raise UserError(f"{where} = {shown(name)} is not one of {', '.join(known)}{did_you_mean(name, known)}")


SHOWN = 100  # characters of a value that a message quotes


def shown(value: object) -> str:
    """A value as a message quotes it: of a long one the beginning."""
    text = "null" if value is None else repr(value)
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """`; did you mean X?` if one of the known names is near, else nothing."""
    near = difflib.get_close_matches(str(name), list(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""
