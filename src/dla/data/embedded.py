"""Real data that the dependencies already carry, written in the form the Hub serves: parquet, a folder
of a model, or a text.

They stand in for the data sets and models of the laboratories where no network is to be used, and are never noise.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import datasets

from dla.core.artifacts import atomic
from dla.core.errors import UserError
from dla.core.parsing import did_you_mean
from dla.data import docstrings, encoder, scenes
from dla.data.raw import ABSENT, TEXT

if not sys.stderr.isatty():
    datasets.disable_progress_bars()

DATASETS: dict[str, Callable[[], dict[str, datasets.Dataset]]] = {  # name -> maker of the splits
    "digits": scenes.digits,
    "scenes-32": scenes.scenes_32,
    "scenes-64": scenes.scenes_64,
    "docstring-libraries": docstrings.libraries,
    "docstring-summaries": docstrings.summaries,
}
MODELS: dict[str, Callable[[Path], None]] = {  # name -> writer into a folder
    "minilm": encoder.write_minilm,
    "nothing": lambda folder: (folder / ABSENT).touch(),
}
TEXTS: dict[str, Callable[[], str]] = {"docstring-text": docstrings.text}


def write(name: str, folder: Path) -> None:
    """Write the embedded source `name` into `folder`: one parquet file per split, a model's files, or text.txt.

    Raises
    ------
    UserError
        If there is no such source.
    """
    known = [*DATASETS, *MODELS, *TEXTS]
    if name not in known:
        raise UserError(f"embedded source {name!r} is not one of {', '.join(known)}{did_you_mean(name, known)}")
    with atomic(folder) as temporary:
        temporary.mkdir()
        if name in MODELS:
            MODELS[name](temporary)
            return
        if name in TEXTS:
            (temporary / TEXT).write_text(TEXTS[name](), encoding="utf-8")
            return
        for split, rows in DATASETS[name]().items():
            rows.to_parquet(temporary / f"{split}-00000.parquet")
