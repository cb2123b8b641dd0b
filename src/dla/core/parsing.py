"""Untyped content, from YAML or JSON, as instances of dataclasses; what is wrong with it in one line.

The line names the file, the key, the value and, where there is one, the nearest name that is known.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass, fields, is_dataclass
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from types import ModuleType, UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic_core import PydanticKnownError, core_schema

from dla.core.contents import REMEDY
from dla.core.errors import UserError

T = TypeVar("T")
STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


@dataclass(frozen=True)
class Found:
    """Marks settings that name a module of a package, whose dataclass `Settings` they are instances of.

    Adding to such an open set is adding a module: nothing lists them.

    Parameters
    ----------
    package : whose modules are the set
    key : the setting that names one
    """

    package: str
    key: str

    def names(self) -> list[str]:
        """The modules that there are."""
        path = import_module(self.package).__path__
        return sorted(module.name for module in iter_modules(path) if not module.ispkg)

    def module(self, name: str) -> ModuleType:
        """The module of that name."""
        return import_module(f"{self.package}.{name}")

    def schema(self, content: object) -> type[Any] | None:
        """The dataclass that the content is meant for, if it names one."""
        name = content.get(self.key) if isinstance(content, dict) else None
        return self.module(name).Settings if name in self.names() else None

    def __get_pydantic_core_schema__(self, source: object, handler: object) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(self._validate)

    def _validate(self, content: object) -> object:
        if type(content).__module__.startswith(f"{self.package}."):  # parsed already
            return content
        if not isinstance(content, dict):
            raise PydanticKnownError("dict_type")
        if self.key not in content:
            raise PydanticKnownError("union_tag_not_found", {"discriminator": self.key})
        schema = self.schema(content)
        if schema is None:
            known = ", ".join(self.names())
            tag = str(content[self.key])
            raise PydanticKnownError(
                "union_tag_invalid", {"discriminator": self.key, "tag": tag, "expected_tags": known}
            )
        return TypeAdapter(schema).validate_json(json.dumps(content))


def parse(schema: type[T], content: object, file: str, place: tuple[str, ...] = ()) -> T:
    """`content` as an instance of the dataclass `schema`, or a `UserError` about the first thing wrong with it.

    Parameters
    ----------
    file, place : where the content stands, the keys that lead to it
    """
    try:
        # By way of JSON, whose strict mode takes a list for a tuple and still no string for a number.
        parsed: T = TypeAdapter(schema).validate_json(json.dumps(content))
    except ValidationError as error:
        raise UserError(f"{file}: {_explain(schema, content, error, place)}") from None
    return parsed


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


def _explain(schema: Any, content: object, error: ValidationError, place: tuple[str, ...]) -> str:
    # An unknown key and a missing one are most often the same slip: the unknown one names the cause.
    first = min(error.errors(), key=lambda e: e["type"] not in ("unexpected_keyword_argument", "extra_forbidden"))
    keys = [key for key in _walkable(first["loc"], content) if key != "[key]"]  # pydantic's word for a bad key
    where, value = ".".join(map(str, (*place, *keys))) or "the file", first.get("input")
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
        schema = _meant(_member(schema, str(key)), content)
    schema = _meant(schema, content)
    return [field.name for field in fields(schema)] if is_dataclass(schema) else []


def _member(schema: Any, key: str) -> Any:
    """The type of the entry `key` of a dataclass or a dict."""
    if is_dataclass(schema):
        return get_type_hints(schema, include_extras=True).get(key)
    arguments = get_args(schema)
    return arguments[1] if get_origin(schema) is dict else None


def _meant(schema: Any, content: Any) -> Any:
    """Of several kinds of settings, the dataclass that the content is meant for."""
    if get_origin(schema) is Annotated:
        found = [mark for mark in schema.__metadata__ if isinstance(mark, Found)]
        return found[0].schema(content) if found else _meant(get_args(schema)[0], content)
    if get_origin(schema) not in (Union, UnionType):
        return schema
    members = [member for member in get_args(schema) if is_dataclass(member)]
    return next((member for member in members if len(members) == 1 or _is_tagged(member, content)), schema)


def _is_tagged(member: Any, content: Any) -> bool:
    """Whether the content says in `type` that it is a `member`."""
    return isinstance(content, dict) and content.get("type") in get_args(get_type_hints(member).get("type"))


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
