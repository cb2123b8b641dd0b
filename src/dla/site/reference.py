"""The reference of every parameter, made from the dataclasses of all settings and the comments beside their fields.

    python -m dla.site.reference

prints the page. The documentation makes it anew whenever it is built (dla.site.hooks), so it says what the code says.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from dataclasses import MISSING, Field, fields, is_dataclass
from importlib import import_module
from itertools import groupby
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic.fields import FieldInfo

from dla.core.parsing import Found
from dla.params.whole import Params
from dla.site.comments import comments

INTRODUCTION = """# Every parameter

What `params.yaml` may hold: every setting with its kind of value and limits, what it is where it is left out, and what
it means where its name does not say so. The numbers in use, each with its unit and reason, stand in `params.yaml`
itself. `dla params` checks the whole file, and `dla params STAGE` prints what a stage really runs with under the budget
in force.

NAME is any name of letters, digits, `-`, `_` and `.`. Most of them become stages: `train.NAME` is run by `train@NAME`.

## Sections

"""


def page() -> str:
    """The whole page as Markdown."""
    found = places(Params)
    del found[Params]
    parts = [INTRODUCTION + table(Params)]
    for name, schemas in groupby(_with_bases(found), key=lambda schema: schema.__module__):
        title = name.removeprefix("dla.").removesuffix(".settings").replace(".base", "").replace(".", ": ").capitalize()
        parts.append(f"## {title}\n\n{inspect.getdoc(import_module(name))}\n")
        parts += [section(schema, found.get(schema, [])) for schema in schemas]
    return "\n".join(parts)


def section(schema: type, where: list[str]) -> str:
    """One dataclass: what it is, where it stands in params.yaml, and its settings."""
    paragraphs = [f"### {name_of(schema)} {{#{name_of(schema).lower()}}}", inspect.getdoc(schema) or ""]
    if where:
        paragraphs.append(f"Stands at {', '.join(f'`{place}`' for place in where)}.")
    if bases := [base for base in schema.__mro__[1:] if is_dataclass(base)]:
        paragraphs.append(f"Has the settings of {' and '.join(map(_link, bases))} as well.")
    return "\n\n".join([*paragraphs, table(schema)])


def table(schema: type) -> str:
    """A row per setting of a dataclass's own."""
    own = [field for field in fields(schema) if field.name in schema.__annotations__]
    hints, meanings = get_type_hints(schema, include_extras=True), comments(schema)
    lines = ["| setting | value | if left out | meaning |", "|---|---|---|---|"]
    rows = [_row(field, hints[field.name], meanings[field.name] or _purpose(hints[field.name])) for field in own]
    return "\n".join([*lines, *rows, ""])


def _row(field: Field[Any], hint: Any, meaning: str) -> str:
    cells = (f"`{field.name}`", ", ".join([kind(hint), *limits(hint)]), _default(field), meaning)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _default(field: Field[Any]) -> str:
    if field.default_factory is not MISSING:
        return f"`{field.default_factory()}`"
    return "required" if field.default is MISSING else _literal(field.default)


def _purpose(hint: Any) -> str:
    """What a type's one dataclass says of itself first."""
    schemas = [part for part in (hint, *get_args(hint)) if is_dataclass(part)]
    return (inspect.getdoc(schemas[0]) or "").splitlines()[0].rstrip(".") if len(schemas) == 1 else ""


# --- where a dataclass stands ----------------------------------------------------------------------------------


def places(schema: Any) -> dict[type, list[str]]:
    """Every dataclass in `schema` with the places where it stands, in the order of the file."""
    found: dict[type, list[str]] = {}
    for one, place in _walk(schema, ""):
        found.setdefault(one, []).append(place)
    return found


def _walk(schema: Any, place: str) -> Iterator[tuple[type, str]]:
    arguments = get_args(schema)
    if isinstance(schema, type) and is_dataclass(schema):
        yield schema, place
        for name, hint in get_type_hints(schema, include_extras=True).items():
            yield from _walk(hint, f"{place}.{name}".lstrip("."))
    elif members := open_set(schema):
        for member in members:
            yield from _walk(member, place)
    elif get_origin(schema) is dict:
        key = "BUDGET" if get_origin(arguments[0]) is Literal else "NAME"
        yield from _walk(arguments[1], f"{place}.{key}")
    else:
        for argument in arguments:
            yield from _walk(argument, place)


def _with_bases(schemas: Iterable[type]) -> list[type]:
    """The dataclasses module by module, each after those that it is made from."""
    every = [base for schema in schemas for base in reversed(schema.__mro__) if is_dataclass(base)]
    modules = list(dict.fromkeys(schema.__module__ for schema in every))
    return sorted(dict.fromkeys(every), key=lambda schema: modules.index(schema.__module__))


# --- types in words -------------------------------------------------------------------------------------------

WORDS: dict[Any, str] = {
    int: "whole number",
    float: "number",
    bool: "true or false",
    str: "text",
    NoneType: "null",
    Any: "any",
}


def kind(hint: Any) -> str:
    """What kind of value a type stands for."""
    origin, arguments = get_origin(hint), get_args(hint)
    if members := open_set(hint):
        return " or ".join(map(_link, members))
    if origin is Annotated:
        return kind(arguments[0])
    if origin is Literal:
        return " or ".join(map(_literal, arguments))
    if origin in (Union, UnionType):
        return " or ".join(map(kind, arguments))
    if origin is tuple:
        return f"list of: {kind(arguments[0])}"
    if origin is dict:
        return f"by name: {kind(arguments[1])}"
    return _link(hint) if is_dataclass(hint) else WORDS[hint]


def limits(hint: Any) -> Iterator[str]:
    """The limits that a type sets to its values."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        yield from limits(arguments[0])
        for info in arguments[1:]:
            yield from _limits(info, "entries" if get_origin(arguments[0]) is tuple else "characters")
    elif origin is tuple:
        yield from (f"each {limit}" for limit in limits(arguments[0]))
    elif origin in (Union, UnionType):
        for argument in arguments:
            yield from limits(argument)


SIGNS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}


def _limits(info: Any, counted: str) -> Iterator[str]:
    for limit in info.metadata if isinstance(info, FieldInfo) else []:
        yield from (f"{sign} {getattr(limit, name):,}" for name, sign in SIGNS.items() if hasattr(limit, name))
        if least := getattr(limit, "min_length", 0):
            yield "not empty" if least == 1 else f"at least {least} {counted}"
        if pattern := getattr(limit, "pattern", None):
            yield f"matches `{pattern}`"


def _literal(value: Any) -> str:
    """A value as YAML has it."""
    words = {True: "true", False: "false"} if isinstance(value, bool) else {None: "null"}
    return f"`{words.get(value, value)}`"


def open_set(hint: Any) -> list[type]:
    """The dataclasses that a type stands for which takes any module of a package; else none."""
    marks = [mark for mark in getattr(hint, "__metadata__", ()) if isinstance(mark, Found)]
    return [mark.module(name).Settings for mark in marks for name in mark.names()]


def name_of(schema: type) -> str:
    """What a dataclass is called here: those of an open set are all called Settings, and so like their modules."""
    return schema.__name__ if schema.__name__ != "Settings" else schema.__module__.removeprefix("dla.")


def _link(schema: Any) -> str:
    return f"[{name_of(schema)}](#{name_of(schema).lower()})"


if __name__ == "__main__":
    print(page())
