"""Multiple-choice questions about articles: one parquet file, split once."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from pydantic.dataclasses import dataclass

from dla.core.artifacts import write_texts
from dla.core.errors import UserError
from dla.core.parsing import STRICT
from dla.core.values import Seed
from dla.data.settings import DataSettings
from dla.data.tables import read_source, require_texts

COLUMNS = ("example_id", "article", "question", "options", "answer")
LETTERS = "ABCD"
LEVELS = ("middle", "high")

FILE = "texts.parquet"  # that a data set of this kind consists of


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Settings(DataSettings):
    """One prepared set of multiple-choice questions about articles, in the columns of RACE."""

    split_seed: Seed  # of the order of the training questions


def prepare(raw: Path, settings: Settings, prepared: Path, source: str) -> None:
    """Write one set of questions.

    The file has a row per question with its `split`, `id` (row in the source split), `article`, `question`, four
    `options`, `answer` (0 to 3) and `level` (middle or high, the word that begins RACE's `example_id`). Training
    questions are shuffled by the split seed, so the first n of them are a fair subset: the source has them sorted.

    Raises
    ------
    UserError
        If a file or column is missing, a file is truncated, or a question has not four options and an answer among A
        to D.
    """
    table: dict[str, list[object]] = {
        name: [] for name in ("split", "id", "article", "question", "options", "answer", "level")
    }
    for split in ("train", "validation", "test"):
        rows = read_source(raw, split, COLUMNS)
        for column in ("example_id", "article", "question", "answer"):
            require_texts(rows, column, raw)
        require_texts(rows, "options", raw, lists=True)
        order = np.arange(len(rows))
        if split == "train":
            order = np.random.default_rng(settings.split_seed).permutation(order)
        picked = rows.select(order)
        answers, options = picked["answer"][:], picked["options"][:]
        for row, answer, offered in zip(order.tolist(), answers, options, strict=True):
            if answer not in tuple(LETTERS) or len(offered or ()) != len(LETTERS):
                raise UserError(f"{raw}: row {row} of {split} has {len(offered or ())} options and answer {answer!r}")
        table["split"] += [split] * len(rows)
        table["id"] += order.tolist()
        table["article"] += picked["article"][:]
        table["question"] += picked["question"][:]
        table["options"] += options
        table["answer"] += [LETTERS.index(answer) for answer in answers]
        table["level"] += [_level(name, raw) for name in picked["example_id"]]
    write_texts(prepared, table, {"source": source})


def _level(name: str, raw: Path) -> str:
    """The word that begins the name of a question."""
    if (level := re.split(r"\d", name)[0]) not in LEVELS:
        raise UserError(f"{raw}: the question {name!r} begins with the name of no level: {', '.join(LEVELS)}")
    return level
