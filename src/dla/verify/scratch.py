"""Stages run anew in a clone of what is committed, which is thrown away."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Collection, Iterator
from contextlib import chdir, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from dvc.exceptions import DvcException
from dvc.repo import Repo

from dla.core.errors import UserError
from dla.repository import clone, git
from dla.run.complaints import as_user_errors
from dla.run.imports import imports_from
from dla.verify.committed import compare_results
from dla.verify.comparison import Compared, Verdict

ALL = ("-c", "from dla.cli.main import run; run()", "run", "--force", "--all-pipelines")
THESE = ("-m", "dvc", "repro", "--force", "--single-item", "--no-commit", "--no-run-cache")


def verify_stages(root: Path, names: Collection[str]) -> list[Compared]:
    """Run stages of the project at `root` anew, from what the cache has of their inputs, and compare.

    Results are compared value by value, other outputs with the hashes in the committed dvc.lock.

    Raises
    ------
    UserError
        If there is no such stage, an input is not in the cache, or a stage fails.
    """
    with _clone(root) as copy, as_user_errors():
        with (repo := Repo(str(copy))).config.edit("local") as settings:
            settings.setdefault("cache", {})["dir"] = Repo(str(root)).cache.local_cache_dir
        repo = Repo(str(copy))
        addresses = [stage.addressing for name in names for stage in repo.stage.collect(name)]
        _lay_out_inputs(repo, addresses)
        _run([*THESE, *addresses], root, copy)
        return _compare(repo, addresses)


def verify_all(root: Path) -> list[Compared]:
    """Run all stages of the project at `root` anew, with nothing from its cache, and compare.

    Raises
    ------
    UserError
        If a stage fails.
    """
    with _clone(root) as copy, as_user_errors():
        repo = Repo(str(copy))
        _run(ALL, root, copy)
        return _compare(repo, [stage.addressing for stage in repo.index.stages])


@contextmanager
def _clone(root: Path) -> Iterator[Path]:
    """The project as it is at HEAD, in a temporary folder; the working directory is there what it is here."""
    top = Path(git(root, "rev-parse", "--show-toplevel").decode().strip()).resolve()
    with TemporaryDirectory(prefix="dla-verify-", ignore_cleanup_errors=True) as folder:
        place = Path(folder).resolve() / "clone"
        clone(top, place)
        with chdir(place / Path.cwd().relative_to(top)):  # as DVC takes names to be of the dvc.yaml that is there
            yield place / root.resolve().relative_to(top)


def _lay_out_inputs(repo: Repo, addresses: Collection[str]) -> None:
    """Put in place what these stages read of others that are not run."""
    graph = repo.index.graph
    stages = [stage for stage in repo.index.stages if stage.addressing in addresses]
    earlier = {other for stage in stages for other in graph.successors(stage)} - set(stages)
    outs = {out.fs_path for stage in earlier for out in stage.outs if out.use_cache}
    for out in sorted(outs):
        try:
            repo.checkout([out], force=True)
        except DvcException as error:
            raise UserError(
                f"{Path(out).relative_to(repo.root_dir)}: what is committed is not in the cache; `dla run` makes it, "
                "and `dla verify --all` needs none"
            ) from error


def _run(command: Collection[str], root: Path, copy: Path) -> None:
    code = run_in(copy, root, command)
    if code in (-signal.SIGINT, 128 + signal.SIGINT):
        raise KeyboardInterrupt
    if code != 0:
        raise UserError("a stage could not be run anew; what it says stands above")


def run_in(copy: Path, root: Path, command: Collection[str]) -> int:
    """Run a command of this Python in a clone of the project at `root`, with the clone's code; its exit code.

    What it says goes to standard error. Interrupted, it waits for the command, which has been interrupted as well;
    a termination is passed on to it.
    """
    paths = [str(copy / folder) for folder in imports_from(root)]
    paths += [before] if (before := os.environ.get("PYTHONPATH")) else []
    variables = os.environ | ({"PYTHONPATH": os.pathsep.join(paths)} if paths else {})
    with subprocess.Popen([sys.executable, *command], env=variables, stdout=sys.stderr) as process:  # noqa: S603
        handler = signal.signal(signal.SIGTERM, lambda number, _: process.send_signal(number))
        try:
            while True:
                with suppress(KeyboardInterrupt):
                    return process.wait()
        finally:
            signal.signal(signal.SIGTERM, handler)


def _compare(before: Repo, addresses: Collection[str]) -> list[Compared]:
    """Compare what the stages of a clone have written since with what is committed."""
    root = Path(before.root_dir)
    stages = [stage for stage in Repo(str(root)).index.stages if stage.addressing in addresses]
    committed = _hashes(stage for stage in before.index.stages if stage.addressing in addresses)
    now = _hashes(stages)
    outputs = [
        Compared(out, Verdict.EQUAL) if now.get(out) == value else Compared(out, Verdict.DIFFERENT, "has another hash")
        for out, value in committed.items()
    ]
    return compare_results(root, stages) + outputs


def _hashes(stages: Any) -> dict[str, str | None]:
    """The hashes in dvc.lock of outputs that are not results, by path."""
    outs = (out for stage in stages for out in stage.outs if out.use_cache and out.hash_info)
    return {Path(out.fs_path).relative_to(out.repo.root_dir).as_posix(): out.hash_info.value for out in outs}
