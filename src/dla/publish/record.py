"""What is kept of a budget's results: results/NAME, a small copy of the workshop with a line about every stage.

dvc.lock, params.yaml   what was run, and the hashes of all that went in and came out
instead.yaml            settings that stood in the place of those of the project's params.yaml, and why: by hand
data.yaml               what the data were, source by source: by hand
stages.json             per stage: commit, seconds, machine
metrics/ plots/ data/   results; no picture of anybody's data, no weights
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from dvc.repo import Repo
from dvc.utils.serialize import dump_yaml

from dla.core.artifacts import atomic
from dla.core.document import read_document
from dla.core.parameters import PARAMS_FILE
from dla.publish.machine import this_machine
from dla.run import durations

RESULTS = Path("results")
LOCK, STAGES = "dvc.lock", "stages.json"
INSTEAD, DATA = "instead.yaml", "data.yaml"
KEPT = ("metrics", "plots", "data/tested", "data/samples")
THEIRS = ("plots/cam/*", "plots/tsne/*.csv")  # test pictures and texts, whose licences are their owners'
LARGEST = 2_000_000  # bytes


@dataclass(frozen=True)
class Ran:
    """How a stage was run."""

    commit: str  # 40 hexadecimal digits
    seconds: float | None  # of all its runs until it ended; None where they were not measured
    machine: str


def results_of(root: Path, name: str) -> Path:
    """The folder of what is published under a name."""
    return root / RESULTS / name


def read_lock(folder: Path) -> dict[str, Any]:
    """The stages of the dvc.lock in this folder; none where there is no such file."""
    if not (folder / LOCK).exists():
        return {}
    stages: dict[str, Any] = read_document(folder / LOCK)["stages"]
    return stages


def read_ran(folder: Path) -> dict[str, Ran]:
    """How every published stage was run; nothing where nothing is published."""
    if not (folder / STAGES).exists():
        return {}
    return {name: Ran(**facts) for name, facts in json.loads((folder / STAGES).read_text(encoding="utf-8")).items()}


def publish(workshop: Path, folder: Path, commit: str) -> list[str]:
    """Copy what is up to date in the workshop into `folder`; the stages that are new there, or others than before.

    A stage that is not up to date in the workshop stays published as it was.
    """
    repo = Repo(str(workshop))
    changed = set(repo.status())
    before, ran = read_lock(folder), read_ran(folder)
    stages = {stage.name: stage for stage in repo.index.stages}
    made = {name: entry for name, entry in read_lock(workshop).items() if name in stages and name not in changed}
    new = [name for name, entry in made.items() if before.get(name) != entry]
    seconds = durations.read(workshop / ".dvc/tmp/dla-run/durations.json")
    ran |= {name: Ran(commit, seconds.get(name), this_machine()) for name in new}
    lock = {name: entry for name, entry in (before | made).items() if name in stages}
    folder.mkdir(parents=True, exist_ok=True)
    wanted = set(_kept(lock))
    for path in wanted & set(_kept(made)):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(workshop / path, folder / path)
    for file in [file for kept in KEPT for file in (folder / kept).rglob("*") if file.is_file()]:
        if file.relative_to(folder).as_posix() not in wanted:
            file.unlink()
    _write(folder, lock, {name: ran[name] for name in lock})
    shutil.copy(workshop / PARAMS_FILE, folder / PARAMS_FILE)
    return new


def _kept(lock: Mapping[str, Any]) -> Iterator[str]:
    """The outputs of these stages that are published."""
    for entry in lock.values():
        for out in entry.get("outs", ()):
            path = PurePosixPath(out["path"])
            small = out.get("size", 0) <= LARGEST and path.suffix in (".json", ".csv", ".png", ".txt")
            if small and out["path"].startswith(KEPT) and not any(map(path.match, THEIRS)):
                yield out["path"]


def _write(folder: Path, lock: Mapping[str, Any], ran: Mapping[str, Ran]) -> None:
    with atomic(folder / LOCK) as temporary:
        dump_yaml(str(temporary), {"schema": "2.0", "stages": dict(lock)})
    with atomic(folder / STAGES) as temporary:
        facts = {name: asdict(one) for name, one in ran.items()}
        temporary.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
