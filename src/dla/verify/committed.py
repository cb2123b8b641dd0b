"""The metrics and plots of a DVC project that are committed with it, as they are at HEAD."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from dla.repository import contents
from dla.verify.comparison import Compared, compare


def compare_results(root: Path, stages: Collection[Any]) -> list[Compared]:
    """Compare what these stages (DVC's objects) have written with what is committed; nothing where nothing is.

    Raises
    ------
    UserError
        If there is no git repository with a commit.
    """
    kinds = {
        Path(out.fs_path).relative_to(root).as_posix(): bool(out.is_metric)
        for stage in stages
        for out in stage.outs
        if (out.is_metric or out.is_plot) and not out.use_cache and out.protocol == "local"
    }
    compared = []
    for file, content in contents(root, list(kinds)).items():
        place = root / file
        now = place.read_bytes() if place.is_file() else None
        compared += compare(file, content, now, is_metric=kinds.get(file, False))
    return compared
