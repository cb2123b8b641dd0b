"""The driver's side of workers that share no folder with it: what they are sent, and what is fetched from them."""

from __future__ import annotations

import subprocess
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from dvc.exceptions import DvcException

from dla.core.errors import UserError
from dla.run.cluster.clone import lay_out, push
from dla.run.cluster.parcel import File, Kept, Order, Parcel, Source, pack, unpack
from dla.run.imports import imports_from
from dla.run.project import Project


class Remote:
    """A project whose stages are run in clones of its commit.

    Parameters
    ----------
    project : with a plan
    stages : names of those that may be run
    name : of the DVC remote; None: the project's default
    url : of a git repository that all workers reach; None: that of `origin`, or without one the repository's own path

    Raises
    ------
    UserError
        If a clone would not be what is here: tracked files are changed, a file that a stage reads is not in git, the
        commit is not pushed; or there is no such remote.
    """

    def __init__(
        self, project: Project, stages: Collection[str], name: str | None = None, url: str | None = None
    ) -> None:
        self._project = project
        self._repo = project.repo
        self._root = project.root
        self._pushed: set[str] = set()  # hashes that the remote is known to have
        self.name, remote_url = self._find_remote(name)
        top = Path(self._git("rev-parse", "--show-toplevel"))
        self.source = Source(
            url=url or self._find_url(top),
            commit=self._git("rev-parse", "HEAD"),
            project=self._root.resolve().relative_to(top.resolve()).as_posix(),
            remote=self.name,
            remote_url=remote_url,
            imports_from=tuple(imports_from(self._root)),
        )
        self._check_clean()
        for stage in stages:
            self._check_stage(stage)

    def order(self, name: str) -> Order:
        """What a worker needs to run the stage; what the remote lacks of it is pushed."""
        stage = self._project.stage(name)
        inputs = list(self._inputs(stage))
        self._check_inputs(stage, inputs)
        cached = [out for out in inputs if _is_kept(out)]
        new = [out for out in cached if out.hash_info.value not in self._pushed]
        self._push(new)
        kept = {self._path(out): Kept(out.hash_info.name, out.hash_info.value, bool(out.meta.isexec)) for out in cached}
        files: dict[str, File] = {}
        folders: tuple[str, ...] = ()
        for out in inputs:
            if not _is_kept(out):
                more, folder = pack(self._root, self._path(out))
                files.update(more)
                folders += folder
        return Order(self._root, Parcel(kept, files, folders), {self._path(out): out.use_cache for out in stage.outs})

    def take(self, name: str, made: Parcel) -> None:
        """Put what the stage has made in place, as if it had run here."""
        stage = self._project.stage(name)
        outs = [out for out in stage.outs if self._path(out) in made.kept]
        with self._project.locked():
            unpack(self._root, made)
            try:
                lay_out(self._repo, self.name, outs, made.kept, self._root)
            except DvcException as error:
                raise UserError(f"{name}: what it has made cannot be fetched: {error}") from error
        self._pushed.update(known.value for known in made.kept.values())

    def _push(self, outs: list[Any]) -> None:
        try:
            push(self._repo, self.name, outs)
        except DvcException as error:
            raise UserError(f"{', '.join(map(str, outs))}: cannot be pushed to {self.name}: {error}") from error
        self._pushed.update(out.hash_info.value for out in outs)

    def _inputs(self, stage: Any) -> Iterator[Any]:
        """The outputs of other stages, and what .dvc files track, of which the stage reads something."""
        for out in self._repo.index.outs:
            if out.stage is not stage and any(_overlap(out, dep) for dep in stage.deps):
                yield out

    def _check_inputs(self, stage: Any, inputs: list[Any]) -> None:
        """What is here must be what its stage has left: that is what the remote gets."""
        recorded = {out.fs_path: out.hash_info for out in inputs if _is_kept(out)}
        for dep in stage.deps:
            if dep.fs_path in recorded and dep.hash_info != recorded[dep.fs_path]:
                raise UserError(
                    f"{dep} is not what DVC has recorded of it: `dvc commit {dep}` first, or share a folder"
                )

    def _path(self, out: Any) -> str:
        return Path(out.fs_path).relative_to(self._root).as_posix()

    def _find_remote(self, name: str | None) -> tuple[str, str]:
        name = name or self._repo.config["core"].get("remote")
        remotes = self._repo.config["remote"]
        if name not in remotes:
            known = ", ".join(remotes) or "none"
            raise UserError(
                f"--remote {name}: this project has no such DVC remote, only {known}; see `dvc remote add`"
                if name
                else "workers share files by a DVC remote, and this project has no default one: see `dvc remote add -d`"
            )
        return name, remotes[name]["url"]

    def _find_url(self, top: Path) -> str:
        try:
            url = self._git("remote", "get-url", "origin")
        except UserError:
            return str(top)
        if not self._git("branch", "--remotes", "--contains", "HEAD", "--list", "origin/*"):
            raise UserError("the commit that is checked out is not in origin, where workers clone it: `git push` first")
        return url

    def _check_clean(self) -> None:
        """Clones have what is committed. What stages themselves write may differ: they get it, or make it anew."""
        written = {self._path(out) for out in self._repo.index.outs if out.is_in_repo}
        status = self._git("status", "--porcelain", "-z", "--untracked-files=no", "--no-renames", "--", str(self._root))
        top = Path(self._git("rev-parse", "--show-toplevel"))
        for entry in filter(None, status.split("\0")):
            path = (top / entry[3:]).relative_to(self._root.resolve())
            parents = {parent.as_posix() for parent in (path, *path.parents)}
            if path.name not in ("dvc.lock", ".gitignore") and not parents & written:
                raise UserError(f"{path} is changed and not committed: workers would run what is committed; commit it")

    def _check_stage(self, name: str) -> None:
        stage = self._project.stage(name)
        if any(out.persist for out in stage.outs):
            raise UserError(f"{name}: an output that persists cannot be shared by a DVC remote; take a shared folder")
        produced = self._repo.index.outs
        for dep in stage.deps:
            if dep.protocol != "local" or not dep.is_in_repo or any(_overlap(out, dep) for out in produced):
                continue
            if not self._git("ls-files", "--", dep.fs_path):
                raise UserError(
                    f"{name} reads {dep}, which is neither in git nor tracked by DVC: workers do not get it"
                )

    def _git(self, *arguments: str) -> str:
        ended = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False, cwd=self._root)  # noqa: S603, S607
        if ended.returncode != 0:
            raise UserError(f"git {arguments[0]} failed: {ended.stderr.strip()}")
        return ended.stdout.rstrip("\n")


def _is_kept(out: Any) -> bool:
    """Whether the remote has an output; a small one that git tracks, or one of another repository, travels as it is."""
    return bool(out.use_cache and not out.stage.is_repo_import)


def _overlap(out: Any, dep: Any) -> bool:
    return bool(
        out.protocol == dep.protocol
        and (out.fs.isin_or_eq(dep.fs_path, out.fs_path) or out.fs.isin(out.fs_path, dep.fs_path))
    )
