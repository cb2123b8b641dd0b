"""Real data that the dependencies already carry, written in the form the Hub serves: parquet, or a folder of a model.

They stand in for the data sets and models of the laboratories where no network is to be used, and are never noise.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import datasets

from dla.artifacts import atomic
from dla.data import docstrings, encoder, scenes
from dla.errors import UserError
from dla.parsing import did_you_mean

if not sys.stderr.isatty():
    datasets.disable_progress_bars()

DATASETS: dict[str, Callable[[], dict[str, datasets.Dataset]]] = {  # name -> maker of the splits
    "digits": scenes.digits,
    "scenes-32": scenes.scenes_32,
    "scenes-64": scenes.scenes_64,
    "docstring-libraries": docstrings.libraries,
    "docstring-summaries": docstrings.summaries,
}
MODELS: dict[str, Callable[[Path], None]] = {"tiny-distilbert": encoder.write}  # name -> writer into a folder


def write(name: str, folder: Path) -> None:
    """Write the embedded source `name` into `folder`: one parquet file per split, or a model's files.

    Raises
    ------
    UserError
        If there is no such source.
    """
    known = [*DATASETS, *MODELS]
    if name not in known:
        raise UserError(f"embedded source {name!r} is not one of {', '.join(known)}{did_you_mean(name, known)}")
    with atomic(folder) as temporary:
        temporary.mkdir()
        if name in MODELS:
            MODELS[name](temporary)
            return
        for split, rows in DATASETS[name]().items():
            rows.to_parquet(temporary / f"{split}-00000.parquet")
