"""A worker's own copy of the project, where it shares no folder with the driver: a clone, filled from a DVC remote."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from dvc.repo import Repo
from dvc_data.hashfile.hash_info import HashInfo
from dvc_data.hashfile.meta import Meta

from dla.core.errors import UserError
from dla.run.cluster.parcel import File, Kept, Order, Parcel, Source, pack, unpack
from dla.run.task import Task


class Clone:
    """The project at one commit. Several stages may run in it at once: what one writes, no other does.

    Parameters
    ----------
    source : what it is a clone of
    folder : where it is made, absolute

    Raises
    ------
    UserError
        If the repository or the commit cannot be had.
    """

    def __init__(self, source: Source, folder: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        _git("clone", "--quiet", "--no-checkout", source.url, str(folder), what=f"{source.url} cannot be cloned")
        _git(
            *("-C", str(folder), "checkout", "--quiet", "--detach", source.commit),
            what=f"commit {source.commit[:12]} is not in {source.url} (push it)",
        )
        self.root = folder / source.project
        self._imports_from = source.imports_from
        self._repo = Repo(str(self.root), remote=source.remote, remote_config={"url": source.remote_url})
        self._remote = source.remote
        self._lock = threading.Lock()  # DVC is of one thread

    def prepare(self, task: Task, order: Order) -> Task:
        """Lay out what the stage reads, remove what it writes, and say how it is run here."""
        with self._lock:
            for path in order.outputs:
                _remove(self.root / path)
            for path in (*order.inputs.kept, *order.inputs.folders):
                _remove(self.root / path)
            unpack(self.root, order.inputs)
            outs = [self._out(path) for path in order.inputs.kept]
            lay_out(self._repo, self._remote, outs, order.inputs.kept, self.root)
            for path in order.outputs:
                (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        environment = {name: self._here(value, order.root) for name, value in task.environment.items()}
        paths = [str(self.root / folder) for folder in self._imports_from]
        if (before := environment.get("PYTHONPATH") or os.environ.get("PYTHONPATH")) is not None:
            paths.append(before)
        if paths:
            environment["PYTHONPATH"] = os.pathsep.join(paths)
        folder = Path(self._here(str(task.folder), order.root))
        return replace(task, folder=folder, log=Path(self._here(str(task.log), order.root)), environment=environment)

    def collect(self, outputs: Mapping[str, bool]) -> Parcel:
        """Push what the stage has made and DVC's cache keeps, and take the rest along; what is missing is left out."""
        kept: dict[str, Kept] = {}
        files: dict[str, File] = {}
        folders: tuple[str, ...] = ()
        with self._lock:
            there = [path for path in outputs if os.path.lexists(self.root / path)]
            outs = {path: self._out(path) for path in there if outputs[path]}
            for path, out in outs.items():
                out.save()
                out.commit(relink=False)
                kept[path] = Kept(out.hash_info.name, out.hash_info.value, bool(out.meta.isexec))
            push(self._repo, self._remote, outs.values())
            for path in there:
                if not outputs[path]:
                    more, folder = pack(self.root, path)
                    files.update(more)
                    folders += folder
        return Parcel(kept, files, folders)

    def remove(self) -> None:
        """Close it, and delete it."""
        with self._lock:
            self._repo.close()
            shutil.rmtree(self.root, ignore_errors=True)

    def _out(self, path: str) -> Any:
        return self._repo.find_outs_by_path(str(self.root / path))[0]

    def _here(self, text: str, root: Path) -> str:
        """A path of the driver's machine as it is here; other text as it is."""
        if text == str(root) or text.startswith(f"{root}{os.sep}"):
            return str(self.root) + text[len(str(root)) :]
        return text


def lay_out(repo: Repo, remote: str, outs: list[Any], kept: Mapping[str, Kept], root: Path) -> None:
    """Pull outputs (DVC's objects) from the remote, with the hashes that `kept` has by path, and put them in place.

    Raises
    ------
    UserError
        If the remote does not have them.
    """
    for out in outs:
        known = kept[Path(out.fs_path).relative_to(root).as_posix()]
        out.hash_info, out.meta, out.obj = (
            HashInfo(known.hash_name, known.value),
            Meta(isexec=known.is_executable),
            None,
        )
        objects = {each for found in out.get_used_objs(remote=remote).values() for each in found}
        if not objects or repo.cloud.pull(objects, remote=remote).failed:
            raise UserError(
                f"{out}: the DVC remote {remote} does not have it, or does not answer; see `dvc pull -v {out}`"
            )
        out.obj = None
        out.checkout(force=True)


def push(repo: Repo, remote: str, outs: Any) -> None:
    """Push outputs (DVC's objects) from the cache to the remote.

    Raises
    ------
    UserError
        If it does not take them, or the cache has not got them.
    """
    objects = {each for out in outs for found in out.get_used_objs(push=True).values() for each in found}
    if objects and repo.cloud.push(objects, remote=remote).failed:
        names = ", ".join(str(out) for out in outs)
        raise UserError(f"{names}: the DVC remote {remote} has not taken it; see `dvc push -v`")


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _git(*arguments: str, what: str) -> None:
    ended = subprocess.run(  # noqa: S603
        ["git", *arguments],  # noqa: S607
        capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
        env={**os.environ, "GIT_TERMINAL_PROMPT": "0", "GIT_LFS_SKIP_SMUDGE": "0"},
    )  # fmt: skip
    if ended.returncode != 0:
        raise UserError(f"{what}: {ended.stderr.strip()}")
