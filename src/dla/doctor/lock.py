"""What dvc.lock records of the last run of every stage."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

LOCK = Path("dvc.lock")


@dataclass(frozen=True)
class Lock:
    """What dvc.lock records of the stages."""

    stages: dict[str, Any]

    def outputs(self) -> Iterator[tuple[str, int]]:
        """Path and bytes of every output."""
        for stage in self.stages.values():
            for output in stage.get("outs", []):
                yield output["path"], output.get("size", 0)

    def has(self, budget: str) -> bool:
        """Whether it was written by a run of that budget: parameters are recorded with the budget's name."""
        key = f"budgets.{budget}.data"
        return any(key in stage.get("params", {}).get("params.yaml", {}) for stage in self.stages.values())

    def after(self, changed: Collection[str]) -> set[str]:
        """The stages that read what the changed ones write, directly or by way of others."""
        found: set[str] = set()
        waiting = set(changed)
        while waiting:
            written = {path for name in waiting for path in self._written(name)}
            waiting = {
                name
                for name, stage in self.stages.items()
                if name not in changed
                and name not in found
                and any(dep["path"] in written for dep in stage.get("deps", []))
            }
            found |= waiting
        return found

    def _written(self, stage: str) -> Iterator[str]:
        """The outputs of a stage and the folders they lie in, which another stage can depend on as a whole."""
        for output in self.stages.get(stage, {}).get("outs", []):
            path = PurePosixPath(output["path"])
            yield from map(str, (path, *path.parents))


def read_lock() -> Lock:
    """dvc.lock, or nothing where there is none or it is not whole, which DVC itself will say."""
    try:
        content = YAML(typ="safe").load(LOCK.read_text(encoding="utf-8"))
        return Lock(content["stages"])
    except (OSError, YAMLError, UnicodeDecodeError, TypeError, KeyError):
        return Lock({})
