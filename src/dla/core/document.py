"""One YAML file as plain content: mappings with texts for keys, lists, texts, numbers, true and false, null.

YAML can say more than a file of settings needs: a page of it can stand for a billion values (aliases of aliases), hold
itself, or have a date or a list for a key. Such a file is refused, before anything is made of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent, NodeEvent

from dla.core.errors import UserError

DEEPEST = 50  # mappings and lists within each other
LARGEST = 200_000  # values, with each alias counted as all that it stands for: a hundred times our own file's


def read_document(path: Path) -> Any:
    """The content of a YAML file.

    Raises
    ------
    UserError
        If the file cannot be read, is not valid YAML, or says what no file of settings needs.
    """
    try:
        text = path.read_text(encoding="utf-8")
        _require_bounded(text, path)
        content = YAML(typ="safe").load(text)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); run from the root of the project") from None
    except (YAMLError, ValueError, KeyError) as error:  # the last two: a value that is none of the kind it is tagged as
        raise UserError(f"{path}: is not valid YAML: {error}") from None
    _require_plain(content, path)
    return content


def _require_bounded(text: str, path: Path) -> None:
    """Go through the parts of the file one by one, which takes as long as the file is, whatever they stand for."""
    sizes: dict[str, int] = {}  # of what an anchor names, once all of it has been seen
    open_: list[tuple[str | None, int]] = []  # collections that have begun: anchor, and values before it
    count = 0
    for event in YAML(typ="safe").parse(text):
        if isinstance(event, AliasEvent):
            if any(anchor == event.anchor for anchor, _ in open_):
                raise UserError(f"{path}: is not valid YAML: *{event.anchor} stands within &{event.anchor} itself")
            count += sizes.get(event.anchor, 1)
        elif isinstance(event, CollectionStartEvent):
            open_.append((event.anchor, count))
            count += 1
        elif isinstance(event, CollectionEndEvent):
            anchor, before = open_.pop()
            if anchor:
                sizes[anchor] = count - before
        elif isinstance(event, NodeEvent):
            count += 1
        if len(open_) > DEEPEST:
            raise UserError(f"{path}: has more than {DEEPEST} lists and mappings within each other; settings need few")
        if count > LARGEST:
            raise UserError(f"{path}: comes to more than {LARGEST:,} values with its aliases; settings need fewer")


def _require_plain(content: Any, path: Path) -> None:
    for where, value in _walk(content):
        place = f"{path}: {'.'.join(where)}" if where else str(path)
        if isinstance(value, dict):
            for key in value:
                if not isinstance(key, str):
                    raise UserError(f"{place}: the key {_shown(key)} is not a text; put it in quotes")
        elif isinstance(value, date):
            raise UserError(f"{place} = {value} is a date; put it in quotes")
        elif not isinstance(value, list | str | int | float | None):
            raise UserError(f"{place} is a {type(value).__name__}, which no setting is")
        elif isinstance(value, int) and value.bit_length() > 256:
            raise UserError(f"{place} is a number of more than 256 bits, which no setting is")


def _walk(content: Any, where: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every value of plain content with the keys that lead to it, those on the outside first."""
    yield where, content
    if isinstance(content, dict):
        for key, value in content.items():
            yield from _walk(value, (*where, str(key)))
    elif isinstance(content, list):
        for number, value in enumerate(content):
            yield from _walk(value, (*where, str(number)))


def _shown(key: Any) -> str:
    return str(key) if isinstance(key, date | int | float) else repr(key)
