"""Docstrings of the installed libraries: real English text that the dependencies carry.

They are read with `ast`, so no library is imported, and are split by module: what one module says twice over stays in
one split.
"""

from __future__ import annotations

import ast
import importlib.util
import re
from bisect import bisect_left
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import datasets
import numpy as np

# What each library is about, and the names it goes by, which no text may give away.
LIBRARIES = {
    "matplotlib": ("matplotlib", "mpl", "pyplot", "plt", "pylab"),
    "networkx": ("networkx", "nx"),
    "pandas": ("pandas", "pd"),
    "sklearn": ("sklearn", "scikit-learn", "scikit"),
}
SHORTEST = 12  # words of a body that says something
LONGEST = 60  # words kept of a body
SUMMARY = 30  # words of a summary at most; what is longer is none
PER_LIBRARY = 1000  # docstrings taken of each, so that the classes are of one size
HELD_OUT = {"validation": 0.1, "test": 0.2}  # shares of the modules
SEED = 0


@dataclass(frozen=True)
class Docstring:
    """One docstring, without code and without the name of its library."""

    library: str
    module: str
    summary: str  # the first sentence or line
    body: str  # what follows


def libraries() -> dict[str, datasets.Dataset]:
    """Which library is a text from? Stands in for AG News: four classes, a sentence or a paragraph each."""
    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=list(LIBRARIES))}
    )
    return {
        split: datasets.Dataset.from_dict(
            {
                "text": [f"{found.summary} {found.body}" for found in chosen],
                "label": [list(LIBRARIES).index(found.library) for found in chosen],
            },
            features=features,
        )
        for split, chosen in split_by_module(collect(), HELD_OUT).items()
    }


CHARACTERS = 400_000  # of the text for a language model
PLAIN = re.compile(r"[ -~\n]+")  # a text of these alone has the characters of a keyboard


def text() -> str:
    """One long text: docstrings, a line each, module after module in a random order. Stands in for a poem.

    Between modules stands an empty line, at which it may be cut: what one module says twice is in one split.
    """
    modules: dict[str, list[str]] = {}
    for docstring in collect():
        line = f"{docstring.summary} {docstring.body}\n"
        if PLAIN.fullmatch(line):
            modules.setdefault(docstring.module, []).append(line)
    pieces = ["".join(lines) for lines in modules.values()]
    order = np.random.default_rng(SEED).permutation(len(pieces))
    return "\n".join(pieces[i] for i in order)[:CHARACTERS].rpartition("\n\n")[0] + "\n"


QUESTION = "What is this text about?"
LETTERS = "ABCD"
QUESTIONS = {"train": 1000, "validation": 100, "test": 250}  # at most, as an encoder reads up to four texts for each
OPTION = 80  # characters of an option at most, so that there is room for it beside a body


def summaries() -> dict[str, datasets.Dataset]:
    """Which of four summary lines belongs to this body? Stands in for RACE, in its columns.

    Three wrong summaries come from other libraries (`middle`) or from the same one (`high`, harder).
    """
    short = [docstring for docstring in collect() if len(docstring.summary) <= OPTION]
    return {
        split: datasets.Dataset.from_list(_questions(chosen[: QUESTIONS[split]], np.random.default_rng([SEED, number])))
        for number, (split, chosen) in enumerate(split_by_module(short, HELD_OUT).items())
    }


def _questions(docstrings: list[Docstring], generator: np.random.Generator) -> list[dict[str, Any]]:
    same = {library: sorted({one.summary for one in docstrings if one.library == library}) for library in LIBRARIES}
    other = {library: sorted({one.summary for one in docstrings if one.library != library}) for library in LIBRARIES}
    rows = []
    for number, docstring in enumerate(docstrings):
        level = "high" if number % 2 else "middle"
        pool = (same if level == "high" else other)[docstring.library]
        own = bisect_left(pool, docstring.summary) if level == "high" else len(pool)  # where the right one is, if it is
        wrong = generator.choice(len(pool) - (own < len(pool)), 3, replace=False)
        options = [docstring.summary, *(pool[i + (i >= own)] for i in wrong)]
        order = generator.permutation(4)
        rows.append(
            {
                "example_id": f"{level}{number}.txt",
                "article": docstring.body,
                "answer": LETTERS[int(np.flatnonzero(order == 0)[0])],
                "question": QUESTION,
                "options": [options[i] for i in order],
            }
        )
    return rows


def split_by_module(docstrings: list[Docstring], fractions: dict[str, float]) -> dict[str, list[Docstring]]:
    """Train and the splits of `fractions`, none sharing a module with another, each in a random order."""
    generator = np.random.default_rng(SEED)
    modules = sorted({docstring.module for docstring in docstrings})
    place = dict(zip(modules, generator.permutation(len(modules)) / len(modules), strict=True))
    bounds = np.cumsum([0.0, *fractions.values()])
    splits: dict[str, list[Docstring]] = {split: [] for split in ("train", *fractions)}
    for i in generator.permutation(len(docstrings)):
        position = place[docstrings[i].module]
        inside = [
            split for split, low, high in zip(fractions, bounds, bounds[1:], strict=False) if low <= position < high
        ]
        splits[inside[0] if inside else "train"].append(docstrings[i])
    return splits


@cache
def collect() -> list[Docstring]:
    """Distinct docstrings of `LIBRARIES`, equally many of each as far as they go, in a fixed order."""
    collected: list[Docstring] = []
    seen: set[str] = set()
    for library in LIBRARIES:
        distinct: list[Docstring] = []
        for docstring in _read(library):
            if seen.isdisjoint({docstring.summary.lower(), docstring.body.lower()}):
                seen |= {docstring.summary.lower(), docstring.body.lower()}
                distinct.append(docstring)
                if len(distinct) == PER_LIBRARY:
                    break
        collected += distinct
    return collected


def _read(library: str) -> Iterator[Docstring]:
    """Docstrings of one library, its modules in a random order, so that the first ones are from anywhere in it."""
    files = _files(library)
    for i in np.random.default_rng(SEED).permutation(len(files)):
        module, file = files[i]
        for node in _definitions(ast.parse(file.read_text(encoding="utf-8"))):
            if text := ast.get_docstring(node):
                summary, _, rest = text.partition("\n\n")
                summary, body = clean(summary, library), clean(rest, library)
                if 0 < len(summary.split()) <= SUMMARY and len(body.split()) >= SHORTEST:
                    yield Docstring(library, module, summary, " ".join(body.split()[:LONGEST]))


def _files(library: str) -> list[tuple[str, Path]]:
    """The modules of a library but for its tests, by their paths; none if it is not installed."""
    spec = importlib.util.find_spec(library)
    if spec is None or not spec.submodule_search_locations:
        return []
    root = Path(next(iter(spec.submodule_search_locations)))
    files = [file for file in sorted(root.rglob("*.py")) if not {"tests", "testing"} & set(file.parts)]
    return [(file.relative_to(root.parent).as_posix(), file) for file in files]


def _definitions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.ClassDef]:
    """Functions and classes in the order of `ast.walk`, which would also look into every expression."""
    waiting: deque[ast.AST] = deque([tree])
    while waiting:
        node = waiting.popleft()
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node
        for block in ("body", "handlers", "orelse", "finalbody", "cases"):
            waiting.extend(getattr(node, block, ()))


def clean(text: str, library: str) -> str:
    """The prose of a docstring on one line: no code, no underlines, no markup, no name of the library."""
    lines = [line.strip() for line in text.splitlines()]
    prose = [
        line for line in lines if not line.startswith((">>>", "...", ".. ")) and not re.fullmatch(r"[-=~^]+", line)
    ]
    text = re.sub(r":[a-z:]+:`|[`*|\\]", " ", " ".join(prose))
    names = "|".join(re.escape(name) for name in LIBRARIES[library])
    return " ".join(re.sub(rf"(?i)\b({names})\b", " ", text).split())
