"""What the stages have written, as far as they have: a page of the rest is made all the same."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable, Mapping
from io import StringIO
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from dla.core.artifacts import parse_rows
from dla.core.contents import parse_object
from dla.core.errors import UserError

T = TypeVar("T")
Row = dict[str, Any]
Settings = Mapping[str, Any]  # params.yaml or a block of it, as the budget in force leaves it


class Written(dict[str, T]):
    """What a stage wrote: to ask for what it has not is an error of the file."""

    def __init__(self, things: Mapping[str, T], file: str, stage: str) -> None:
        super().__init__(things)
        self.error = f"{file}: has no {{!r}}, so another version wrote it; write it anew: dvc repro -f -s {stage}"

    def __missing__(self, name: str) -> NoReturn:
        raise UserError(self.error.format(name))


class Results:
    """Files below the project's root, and which stages would write those that are not there."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.missing: list[str] = []
        self.origins: set[str] = set()  # where the data of what was read come from: embedded, hub, ...

    def metrics(self, path: str, stage: str) -> dict[str, Any] | None:
        """A JSON file, or None if STAGE has not run."""
        text = self.text(path, stage)
        if text is None:
            return None
        try:
            found = parse_object(text)
        except ValueError as error:
            raise UserError(f"{path}: is not JSON ({error}); write it anew: dvc repro -f -s {stage}") from None
        if "data" in found:
            self.origins.add(found["data"])
        return _guard(found, path, stage)  # type: ignore[no-any-return]

    def rows(self, path: str, stage: str) -> list[Row]:
        """The rows of a table, numbers as numbers and empty fields as None; none if STAGE has not run."""
        text = self.text(path, stage)
        if text is None:
            return []
        try:
            rows = [{name: _value(cell) for name, cell in row.items()} for row in _read(text)]
        except ValueError as error:
            raise UserError(f"{path}: is not a table ({error}); write it anew: dvc repro -f -s {stage}") from None
        return [Written(row, path, stage) for row in rows]

    def picture(self, path: str, stage: str) -> str | None:
        """A picture as an address that holds it whole, or None if STAGE has not run."""
        content = self._bytes(path, stage)
        if content is None:
            return None
        return f"data:image/{Path(path).suffix[1:]};base64,{base64.b64encode(content).decode()}"

    def text(self, path: str, stage: str) -> str | None:
        """A text, or None if STAGE has not run."""
        content = self._bytes(path, stage)
        try:
            return None if content is None else content.decode("utf-8")
        except UnicodeDecodeError as error:
            raise UserError(f"{path}: is not text ({error}); write it anew: dvc repro -f -s {stage}") from None

    def each(self, names: Iterable[str], folder: str) -> dict[str, dict[str, Any]]:
        """The metrics of those of `names` whose stage `folder@NAME` has run."""
        found = {name: self.metrics(f"metrics/{folder}/{name}.json", f"{folder}@{name}") for name in names}
        return {name: metrics for name, metrics in found.items() if metrics is not None}

    def _bytes(self, path: str, stage: str) -> bytes | None:
        try:
            return (self.root / path).read_bytes()
        except FileNotFoundError:
            if stage not in self.missing:
                self.missing.append(stage)
            return None
        except OSError as error:
            raise UserError(f"{path}: cannot be read ({error.strerror})") from None


def _guard(content: Any, file: str, stage: str) -> Any:
    """JSON whose objects know the file that they are from."""
    if isinstance(content, dict):
        return Written({name: _guard(value, file, stage) for name, value in content.items()}, file, stage)
    return [_guard(value, file, stage) for value in content] if isinstance(content, list) else content


def _read(text: str) -> list[dict[str, str]]:
    return parse_rows(StringIO(text, newline=""))


def _value(text: str) -> float | str | None:
    if not text:
        return None
    try:
        number = float(text)
    except ValueError:
        return text
    return number if math.isfinite(number) else None
