"""dvc.lock, written for many stages at once and whole at any time, in the bytes that DVC writes."""

from __future__ import annotations

import os
import shutil
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from dvc.stage import PipelineStage
from dvc.stage.serialize import to_lockfile
from dvc.utils.serialize import modify_yaml

from dla.core.atomic import atomic


def write_stages(stages: Iterable[Any]) -> None:
    """Record the stages in the dvc.lock beside their dvc.yaml, in the order given, or in their own .dvc files."""
    pipelines: defaultdict[Path, list[Any]] = defaultdict(list)
    for stage in stages:
        if isinstance(stage, PipelineStage):
            pipelines[Path(os.path.splitext(stage.path)[0] + ".lock")].append(stage)  # noqa: PTH122 (as DVC names it)
        else:
            stage.dump(update_pipeline=False)
    for path, recorded in pipelines.items():
        _write(path, recorded)
        recorded[0].repo.scm_context.track_file(os.path.relpath(path))


def _write(path: Path, stages: list[Any]) -> None:
    """What `Lockfile.dump_stages` does, which writes in place: killed meanwhile, it would leave half a file."""
    with atomic(path) as temporary:
        if path.exists():
            shutil.copy(path, temporary)
        with modify_yaml(temporary) as content:
            if not content:
                content["schema"] = "2.0"
            content["stages"] = content.get("stages", {})
            for stage in stages:
                content["stages"].update(to_lockfile(stage))
