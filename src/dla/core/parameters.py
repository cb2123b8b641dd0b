"""params.yaml block by block, each as the budget in force cuts it down: what a stage reads of it.

A block may hold `cuts: {BUDGET: {...}}`: settings that replace its own under that budget. They only ever cut down: of
what counts something the smaller holds; a learning rate, say, may be any other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, overload

from dla.core.document import read_document
from dla.core.errors import UserError
from dla.core.parsing import did_you_mean, parse, refer, shown

T = TypeVar("T")

PARAMS_FILE = Path("params.yaml")
CUTS = "cuts"
BudgetName = Literal["demo", "quick", "full"]
# Settings by which dvc.yaml names what a stage depends on, or how much of the machine it takes. DVC sees no cuts.
READ_BY_DVC = {"data", "source", "kind", "corpus", "features", "name", "algorithm", "family", "encoder", "pretrained"}
READ_BY_DVC |= {"trained", "group", "threads"}


@overload
def read_block(schema: type[T], *place: str) -> T: ...
@overload
def read_block(schema: Any, *place: str) -> Any: ...
def read_block(schema: Any, *place: str) -> Any:
    """One block of params.yaml as an instance of the dataclass `schema`, under the budget in force.

    Parameters
    ----------
    place : the keys that lead to the block, such as "train", "mnist-mlp-64"

    Raises
    ------
    UserError
        If the file cannot be read, there is no such block, or something in it is wrong.
    """
    content: Any = _read()
    budget = _budget(content)
    for depth, key in enumerate(place):
        _refer(place[:depth], key, content)
        content = content[key]
    return parse(schema, cut(content, budget, place), str(PARAMS_FILE), place)


def read_budget() -> str:
    """The name of the budget in force."""
    return _budget(_read())


def read_parameters(path: Path = PARAMS_FILE, budget: str | None = None) -> dict[str, Any]:
    """The whole of params.yaml as it is written, under a budget, by default that in force: nothing else is checked."""
    content = _read(path)
    settings: dict[str, Any] = cut(content, budget or _budget(content))
    return settings


def read_names(*place: str) -> list[str]:
    """The keys, or the entries of a list, at this place of params.yaml; none where there is no such place.

    Without any key: the sections that there are.
    """
    content: Any = _read() if PARAMS_FILE.exists() else {}
    for key in place:
        content = content.get(key, {}) if isinstance(content, dict) else {}
    return [str(name) for name in content if name != CUTS] if isinstance(content, dict | list) else []


def cut(content: Any, budget: str, place: tuple[str, ...] = ()) -> Any:
    """Plain content in which every block is cut as it says for this budget, and no block speaks of cuts any more.

    Raises
    ------
    UserError
        If a cut replaces what dvc.yaml reads.
    """
    if not isinstance(content, dict):
        return content
    settings = {key: cut(value, budget, (*place, key)) for key, value in content.items() if key != CUTS}
    if CUTS not in content:
        return settings
    cuts = content[CUTS]
    if not isinstance(cuts, dict) or not all(isinstance(partial, dict) for partial in cuts.values()):
        raise UserError(f"{_shown(*place, CUTS)} should be a mapping of budgets, each with the settings that it cuts")
    for name in cuts:
        refer(_shown(*place, CUTS), name, get_args(BudgetName))
    return _merge(settings, cuts.get(budget, {}), (*place, CUTS, budget))


def _merge(settings: Mapping[str, Any], partial: Mapping[str, Any], place: tuple[str, ...]) -> dict[str, Any]:
    merged = dict(settings)
    for key, value in partial.items():
        before = settings.get(key)
        if isinstance(value, dict) and isinstance(before, dict):
            merged[key] = _merge(before, value, (*place, key))
            continue
        if key in READ_BY_DVC and value != before:
            raise UserError(f"{_shown(*place, key)} = {shown(value)}: dvc.yaml reads it, which sees no cuts")
        merged[key] = value if key.endswith("seed") else _least(value, before)
    return merged


def _least(value: Any, before: Any) -> Any:
    """What replaces a setting: of what counts something, alone or in a list, the smaller; of lists the shorter."""
    if isinstance(value, list) and isinstance(before, list):
        return before if len(value) > len(before) else list(map(_least, value, before))
    counts = all(isinstance(number, int) and not isinstance(number, bool) for number in (value, before))
    return min(value, before) if counts else value


def _read(path: Path = PARAMS_FILE) -> dict[str, Any]:
    content = read_document(path)
    if not isinstance(content, dict):
        raise UserError(f"{path}: the file = {shown(content)} is not a mapping of settings")
    return content


def _budget(content: Mapping[str, Any]) -> str:
    if "budget" not in content:
        raise UserError(f"{PARAMS_FILE}: budget is missing")
    budget = str(content["budget"])
    refer(f"{PARAMS_FILE}: budget", budget, get_args(BudgetName))  # under one that is not there nothing would be cut
    return budget


def _refer(place: tuple[str, ...], key: str, content: Any) -> None:
    if not isinstance(content, dict):
        raise UserError(f"{_shown(*place)} = {shown(content)} is not a mapping of settings")
    if not place and key not in content:
        raise UserError(f"{PARAMS_FILE}: {key} is missing")
    refer(_shown(*place), key, [name for name in content if name != CUTS])


def _shown(*place: str) -> str:
    return f"{PARAMS_FILE}: {'.'.join(place)}"


# --- what a stage makes and is not there yet ---------------------------------------------------------------------

LONGEST = 60  # characters of a wrong name that a message quotes


def untrained(path: Path, sections: Sequence[str], there: Sequence[str]) -> UserError:
    """The error that the model at `path` is missing: the stage that makes it, or the nearest of all that are known.

    Parameters
    ----------
    sections : of params.yaml that such models are named in; a stage is called like its section
    there : names of those that are trained
    """
    name, known = path.stem, _sections_of_names(sections)
    trained = f"trained: {', '.join(there) or 'none yet'}"
    if name in known:
        return UserError(f"{path}: is missing; `dvc repro {known[name]}@{name}` makes it; {trained}")
    quoted = name if len(name) <= LONGEST else f"{name[:LONGEST]}..."
    hint = did_you_mean(name, list(dict.fromkeys([*there, *known])))
    return UserError(f"{quoted!r} is no name under {' or '.join(sections)} in params.yaml; {trained}{hint}")


def _sections_of_names(sections: Sequence[str]) -> dict[str, str]:
    """Names under these sections of params.yaml, each with its section; none where the file cannot be read."""
    with suppress(UserError):
        return {name: section for section in sections for name in read_names(section)}
    return {}
