"""What is kept of a budget's results: results/NAME, a small copy of the workshop with a line about every stage.

dvc.lock, params.yaml   what was run, and the hashes of all that went in and came out; params.yaml is the last run's
instead.yaml            settings that stood in the place of those of the project's params.yaml, and why: by hand
data.yaml               what the data were, and what a number needs to be understood: by hand
stages.json             per stage: commit, seconds, machine
metrics/ plots/ data/   results; no picture or text of anybody, no weights
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
from dla.core.parameters import PARAMS_FILE, cut
from dla.publish.machine import this_machine
from dla.run import durations

RESULTS = Path("results")
LOCK, STAGES = "dvc.lock", "stages.json"
INSTEAD, DATA = "instead.yaml", "data.yaml"
BY_HAND = (INSTEAD, DATA)
# Numbers, curves, classes that were predicted, and what models wrote. Test pictures and texts, which maps and charts of
# t-SNE show, are their owners'.
PUBLISHED = (
    "metrics/**/*.json",
    *(f"plots/{kind}/*.csv" for kind in ("train", "repeats", "gradients", "classify", "labels", "finetune", "rank")),
    *(f"plots/{kind}/*.csv" for kind in ("lm", "agent", "agents", "confusion")),
    "plots/confusion/*.png",
    "plots/tsne/*.png",
    "data/tested/*.csv",
    "data/samples/*.txt",
    "data/generated.json",
)
FOLDERS = ("metrics", "plots", "data")
LARGEST = 2_000_000  # bytes


@dataclass(frozen=True)
class Ran:
    """How a stage was run."""

    commit: str  # 40 hexadecimal digits
    machine: str
    seconds: float | None = None  # of all its runs until it ended; None where they were not measured
    cpu: float | None = None  # seconds of the processor, likewise


@dataclass(frozen=True)
class Times:
    """How long the stages of a workshop took that ran there last, by name."""

    seconds: Mapping[str, float]
    cpu: Mapping[str, float]

    @classmethod
    def read(cls, workshop: Path) -> Times:
        """As `dla run` has left them."""
        state = workshop / ".dvc/tmp/dla-run"
        return cls(durations.read(state / "durations.json"), durations.read(state / "cpu.json"))

    def since(self, earlier: Times) -> Times:
        """Those that are not what they were: of stages that have run since."""
        pairs = ((self.seconds, earlier.seconds), (self.cpu, earlier.cpu))
        return Times(*({name: v for name, v in now.items() if v and before.get(name) != v} for now, before in pairs))


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


def read_settings(folder: Path, budget: str | None = None) -> dict[str, Any]:
    """params.yaml, in which the blocks of published stages are as they ran with them, under a budget.

    Parameters
    ----------
    budget : by default that in force
    """
    content = read_document(folder / PARAMS_FILE)
    for entry in read_lock(folder).values():
        for key, value in entry.get("params", {}).get(str(PARAMS_FILE), {}).items():
            *blocks, last = key.split(".")
            block = content
            for name in blocks:
                block = block.setdefault(name, {})
            block[last] = value
    settings: dict[str, Any] = cut(content, budget or content["budget"])
    return settings


def publish(workshop: Path, folder: Path, commit: str, times: Times) -> list[str]:
    """Copy what is up to date in the workshop into `folder`; the stages that are new there, or others than before.

    A stage that is not up to date in the workshop stays published as it was. A killed process leaves files that fit an
    earlier dvc.lock, which is written last: the same command mends that.

    Parameters
    ----------
    times : of the stages that have just been run
    """
    repo = Repo(str(workshop))
    before, ran = read_lock(folder), read_ran(folder)
    current = {stage.name: stage for stage in repo.index.stages}
    recorded = read_lock(workshop)
    with repo.lock:
        made = {name: recorded[name] for name, stage in current.items() if name in recorded and not stage.changed()}
    new = [name for name, entry in made.items() if before.get(name) != entry or name not in ran]
    ran |= {name: Ran(commit, this_machine(), times.seconds.get(name), times.cpu.get(name)) for name in new}
    merged = {name: entry for name, entry in (before | made).items() if name in current}
    lock = {name: merged[name] for name in merged if name in _needed(merged)}
    folder.mkdir(parents=True, exist_ok=True)
    copied = set(published_paths(made)) & set(published_paths(lock))
    for path in sorted(copied):
        with atomic(folder / path) as temporary:
            shutil.copy(workshop / path, temporary)
    _forget(folder, set(published_paths(lock)))
    shutil.copy(workshop / PARAMS_FILE, folder / PARAMS_FILE)
    _write(folder, lock, {name: ran[name] for name in lock})
    return [name for name in new if name in lock]


def _needed(lock: Mapping[str, Any]) -> set[str]:
    """The stages of which something is published, and those whose outputs they depend on."""
    makers = {out["path"]: name for name, entry in lock.items() for out in entry.get("outs", ())}
    waiting = [name for name, entry in lock.items() if any(published_paths({name: entry}))]
    needed: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed.add(name)
            deps = [dep["path"] for dep in lock[name].get("deps", ())]
            waiting += [maker for out, maker in makers.items() if any(f"{out}/".startswith(f"{dep}/") for dep in deps)]
    return needed


def published_paths(lock: Mapping[str, Any]) -> Iterator[str]:
    """The outputs of these stages that are published."""
    for entry in lock.values():
        for out in entry.get("outs", ()):
            path = PurePosixPath(out["path"])
            if out.get("size", LARGEST + 1) <= LARGEST and any(_matches(path, pattern) for pattern in PUBLISHED):
                yield out["path"]


def _matches(path: PurePosixPath, pattern: str) -> bool:
    """`PurePath.match` from the first part on; `**` stands for any folders, which it knows from Python 3.13 on."""
    wanted = PurePosixPath(pattern).parts
    if "**" in wanted:
        return path.parts[0] == wanted[0] and path.match(wanted[-1])
    return len(path.parts) == len(wanted) and path.match(pattern)


def _forget(folder: Path, wanted: set[str]) -> None:
    """Remove files that are published no longer."""
    for file in [file for kept in FOLDERS for file in (folder / kept).rglob("*") if file.is_file()]:
        if file.relative_to(folder).as_posix() not in wanted:
            file.unlink()


def _write(folder: Path, lock: Mapping[str, Any], ran: Mapping[str, Ran]) -> None:
    with atomic(folder / STAGES) as temporary:
        facts = {name: asdict(one) for name, one in ran.items()}
        temporary.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    with atomic(folder / LOCK) as temporary:
        dump_yaml(str(temporary), {"schema": "2.0", "stages": dict(lock)})
