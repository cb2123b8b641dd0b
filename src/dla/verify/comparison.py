"""A result beside the committed one: equal, within a tolerance, or different, value by value."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import PurePath
from typing import Any

from dla.core.artifacts import parse_cell, parse_rows
from dla.core.contents import parse_object

# float32 resolves 6e-8 of a number: sums of some thousand terms in another order agree to about this, and what a
# training has made of such a difference does not.
RELATIVE = 1e-6
ABSOLUTE = 1e-9  # of numbers near zero, as p-values are
TOLERANCE = f"within {RELATIVE:g}"


class Verdict(IntEnum):
    """From good to bad."""

    EQUAL = 0  # to the last digit
    WITHIN = 1  # numbers that are no counts, which differ by less than the tolerance
    DIFFERENT = 2


@dataclass(frozen=True)
class Compared:
    """A metric, or a whole file of another kind.

    Parameters
    ----------
    place : the file, and for a metric its key
    change : what was committed and what is there, where they differ
    is_metric : and not a plot's file, or another output
    """

    place: str
    verdict: Verdict
    change: str = ""
    is_metric: bool = False


def compare(file: str, committed: bytes, now: bytes | None, is_metric: bool = False) -> list[Compared]:
    """Every metric of a JSON file, or one for all of a table or another file.

    Parameters
    ----------
    now : None if the file is missing
    """
    if now is None:
        return [Compared(file, Verdict.DIFFERENT, "is missing", is_metric)]
    if is_metric:
        try:
            before, after = (dict(_leaves(parse_object(content))) for content in (committed, now))
        except ValueError:  # in another format, or broken
            return [_whole(file, committed, now, is_metric)]
        return [_metric(f"{file}: {key}", before, after, key) for key in dict.fromkeys([*before, *after])]
    if committed != now and PurePath(file).suffix == ".csv":
        return [_table(file, committed, now)]
    return [_whole(file, committed, now)]


def summary(results: Iterable[Compared]) -> str:
    """How many metrics, and how many other files, stand how to the committed ones; nothing where there are none."""
    kinds: dict[str, Counter[Verdict]] = {}
    for result in results:
        kinds.setdefault("metrics" if result.is_metric else "files", Counter())[result.verdict] += 1
    return "; ".join(
        f"{kind}: {counts[Verdict.EQUAL]:,} equal to the committed ones, {counts[Verdict.WITHIN]:,} {TOLERANCE} "
        f"of them, {counts[Verdict.DIFFERENT]:,} different"
        for kind, counts in sorted(kinds.items(), reverse=True)
    )


def lines(results: Iterable[Compared]) -> Iterator[str]:
    """A line for each that is not equal."""
    for result in results:
        if result.verdict is not Verdict.EQUAL:
            word = TOLERANCE if result.verdict is Verdict.WITHIN else "different"
            yield f"{word:<12}  {result.place}  {result.change}".rstrip()


def _metric(place: str, before: dict[str, Any], after: dict[str, Any], key: str) -> Compared:
    if key not in after:
        return Compared(place, Verdict.DIFFERENT, "is missing", is_metric=True)
    if key not in before:
        return Compared(place, Verdict.DIFFERENT, "is not among the committed ones", is_metric=True)
    verdict = _judge(before[key], after[key])
    change = "" if verdict is Verdict.EQUAL else f"{before[key]} → {after[key]}"
    return Compared(place, verdict, change, is_metric=True)


def _table(file: str, committed: bytes, now: bytes) -> Compared:
    try:
        before, after = (parse_rows(content.decode().splitlines()) for content in (committed, now))
    except ValueError:
        return _whole(file, committed, now)
    if len(before) != len(after):
        return Compared(file, Verdict.DIFFERENT, f"{len(before)} rows → {len(after)} rows")
    if before and before[0].keys() != after[0].keys():
        return Compared(file, Verdict.DIFFERENT, "has other columns")
    cells = [
        (_judge(parse_cell(cell), parse_cell(new[name])), f"row {row}, {name}: {cell} → {new[name]}")
        for row, (old, new) in enumerate(zip(before, after, strict=True), start=1)
        for name, cell in old.items()
    ]
    worst = max((verdict for verdict, _ in cells), default=Verdict.EQUAL)
    if worst is Verdict.EQUAL:  # and still the bytes differ
        return Compared(file, Verdict.WITHIN, "is written otherwise")
    return Compared(file, worst, next(change for verdict, change in cells if verdict is worst))


def _whole(file: str, committed: bytes, now: bytes, is_metric: bool = False) -> Compared:
    if committed == now:
        return Compared(file, Verdict.EQUAL, is_metric=is_metric)
    return Compared(file, Verdict.DIFFERENT, f"{len(committed):,} bytes → {len(now):,} bytes", is_metric)


def _judge(before: Any, after: Any) -> Verdict:
    if type(before) is type(after) and before == after:
        return Verdict.EQUAL
    are_numbers = all(type(value) in (int, float) for value in (before, after))
    if are_numbers and float in (type(before), type(after)):
        is_close = math.isclose(before, after, rel_tol=RELATIVE, abs_tol=ABSOLUTE)
        return Verdict.WITHIN if is_close else Verdict.DIFFERENT
    return Verdict.DIFFERENT


def _leaves(content: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Every value by its dotted key; an empty list or mapping is one."""
    entries: Sequence[tuple[Any, Any]] = ()
    if isinstance(content, dict):
        entries = list(content.items())
    elif isinstance(content, list):
        entries = list(enumerate(content))
    for name, value in entries:
        yield from _leaves(value, f"{key}.{name}" if key else f"{name}")
    if not entries:
        yield key, content
