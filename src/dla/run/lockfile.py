"""dvc.lock, written for many stages at once and whole at any time, in the bytes that a serial `dvc repro` leaves."""

from __future__ import annotations

import json
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


class Places:
    """Where a stage that dvc.lock does not have yet belongs in it.

    A serial run appends each stage as it ends. Stages that were recorded here ahead of their turn are remembered, also
    beyond this process, which may be interrupted: what a serial run would have appended before them is put there.

    Parameters
    ----------
    memory : the file that remembers them
    """

    def __init__(self, memory: Path) -> None:
        self._memory = memory
        self._turns: dict[str, int] = {}
        self._waiting: set[str] = set()  # stages that may still be recorded in this run
        self._remembered = _read(memory)
        self._ahead = set(self._remembered)

    def plan(self, stages: Iterable[Any]) -> None:
        """These stages may be recorded, by a serial run in this order."""
        self._turns = {_key(stage): turn for turn, stage in enumerate(stages)}
        self._waiting = set(self._turns)

    def over(self, stage: Any) -> None:
        """No more is to come of the stage than what is recorded now, so that others need not leave it room."""
        self._waiting.discard(_key(stage))

    def put(self, recorded: dict[str, Any], stage: Any) -> None:
        """Put the stage where it was in dvc.lock, or else before those ahead of their turn, or at the end."""
        following = []
        if stage.name not in recorded:
            turn = self._turns[_key(stage)]
            ahead = {key for key in self._ahead if self._turns.get(key, -1) > turn}
            names = list(recorded) if ahead else []
            first = next((place for place, name in enumerate(names) if _key(stage, name) in ahead), len(names))
            following = [(name, recorded.pop(name)) for name in names[first:]]
            self._ahead.add(_key(stage))
        recorded.update(to_lockfile(stage))
        recorded.update(following)

    def prepare(self, recorded: dict[str, Any], stage: Any) -> None:
        """Find out which of those recorded in the stage's dvc.lock have others to come before them.

        Call it before that file takes its place: killed on either side of that moment, what is remembered is enough.
        """
        here = _key(stage, " ").rstrip()
        missing = self._waiting - {_key(stage, name) for name in recorded}
        first = min((self._turns[key] for key in missing if key.startswith(here)), default=len(self._turns))
        self._ahead = {key for key in self._ahead if not key.startswith(here) or self._turns.get(key, -1) > first}
        self._remember(self._remembered | self._ahead)

    def settle(self) -> None:
        """Forget those of which nothing is to come before, as dvc.lock says so itself now."""
        self._remember(self._ahead)

    def _remember(self, ahead: set[str]) -> None:
        if ahead != self._remembered:
            with atomic(self._memory) as temporary:
                temporary.write_text(json.dumps(sorted(ahead)) + "\n", encoding="utf-8")
            self._remembered = set(ahead)


def write_stages(stages: Iterable[Any], places: Places) -> None:
    """Record the stages in the dvc.lock beside their dvc.yaml, in the order given, or in their own .dvc files."""
    pipelines: defaultdict[Path, list[Any]] = defaultdict(list)
    for stage in stages:
        if isinstance(stage, PipelineStage):
            pipelines[Path(os.path.splitext(stage.path)[0] + ".lock")].append(stage)  # noqa: PTH122 (as DVC names it)
        else:
            stage.dump(update_pipeline=False)
    for path, recorded in pipelines.items():
        _write(path.resolve(), recorded, places)
        recorded[0].repo.scm_context.track_file(os.path.relpath(path))


def _write(path: Path, stages: list[Any], places: Places) -> None:
    """What `Lockfile.dump_stages` does, which writes in place: killed meanwhile, it would leave half a file."""
    for left in path.parent.glob(f".{path.name}.*.partial"):  # by a process that was killed: DVC's lock is ours now
        left.unlink()
    with atomic(path) as temporary:
        if path.exists():
            shutil.copy(path, temporary)
        with modify_yaml(temporary) as content:
            if not content:
                content["schema"] = "2.0"
            content["stages"] = content.get("stages", {})
            for stage in stages:
                places.put(content["stages"], stage)
            places.prepare(content["stages"], stages[0])
    places.settle()


def _key(stage: Any, name: str | None = None) -> str:
    """The stage, or the one with that name in the same dvc.yaml, whatever the working directory is."""
    return f"{stage.path_in_repo}:{name or getattr(stage, 'name', '')}"


def _read(path: Path) -> set[str]:
    try:
        names = json.loads(path.read_bytes())
    except (OSError, ValueError):  # the order of entries is lost, no result
        return set()
    return {name for name in names if isinstance(name, str)} if isinstance(names, list) else set()
