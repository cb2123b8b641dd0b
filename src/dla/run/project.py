"""A DVC project as it is run: what asks DVC and tells it, of one process and one thread.

What has changed, what a stage's result is and how it is kept is DVC's own judgement, through the stage objects that
`dvc repro` uses (dvc/repo/reproduce.py, dvc/stage/run.py). What differs: a stage's commands are handed out to be run by
somebody else, and `dvc.lock` is written for many stages at a time.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import psutil
from dvc.dvcfile import PROJECT_FILE
from dvc.exceptions import DvcException
from dvc.fs import localfs
from dvc.lock import LockError
from dvc.repo import Repo
from dvc.repo.reproduce import collect_stages, get_active_graph, plan_repro
from dvc.stage.cache import RunCacheNotFoundError
from dvc.stage.run import prepare_kwargs

from dla.core.errors import UserError
from dla.run import leftovers
from dla.run.complaints import BusyError, as_user_errors
from dla.run.holds import Holds
from dla.run.logs import file_name
from dla.run.notes import listen_to_dvc
from dla.run.parameters import remember_parameters
from dla.run.records import Records, is_restorable
from dla.run.task import Needs, Task, read_needs

LOGS = Path("runs/logs")
STATE = "dla-run"  # the folder in DVC's own temporary one that holds what this package remembers


class Outcome(Enum):
    """What came of a stage that needs no command."""

    UNCHANGED = "unchanged"
    RESTORED = "restored"  # its outputs are those of an earlier run with the same inputs
    CHECKED = "checked"  # a data source, an import or a frozen stage: DVC itself has looked at it


@dataclass(frozen=True)
class Plan:
    """The stages of a run in the order of `dvc repro`, each with those that must have ended before it."""

    after: Mapping[str, Collection[str]]
    needs: Mapping[str, Needs]


class Project:
    """The DVC project around the working directory.

    Parameters
    ----------
    note : takes a sentence for the user

    Raises
    ------
    UserError
        If there is no DVC project, or DVC cannot read it.
    """

    def __init__(self, note: Callable[[str], None] = print) -> None:
        remember_parameters()
        with as_user_errors():
            self.repo = Repo()
        self._note = note
        self._stages: dict[str, Any] = {}  # those of the plan, by name, in serial order
        self._holds = Holds(self.repo)
        self._records = Records(self.state / "ahead.json")
        self._logs = self.root / LOGS
        self._to_ignore: dict[Path, list[Any]] = {}  # outputs that .gitignore of a folder does not name yet
        listen_to_dvc(lambda text: self._note(text))  # the attribute, as a screen may come later

    @property
    def root(self) -> Path:
        """The project's folder."""
        return Path(self.repo.root_dir)

    @property
    def state(self) -> Path:
        """The folder for what is remembered between runs."""
        return Path(self.repo.tmp_dir) / STATE

    def say_with(self, note: Callable[[str], None]) -> None:
        """From now on, sentences for the user go there."""
        self._note = note

    def locked(self, is_wanted: Callable[[], bool] = lambda: True) -> AbstractContextManager[None]:
        """Hold DVC's lock of the project, as every DVC command does while it reads or writes it.

        Raises
        ------
        BusyError
            If another DVC process holds it, and nobody wants to wait for that any more.
        """
        return self._holds.project(self._note, is_wanted)

    def plan(self, targets: Collection[str] = (), all_pipelines: bool = False) -> Plan:
        """Which stages `dvc repro` would look at, and in which order.

        Parameters
        ----------
        targets : stages, files of stages or outputs; none: the dvc.yaml of the working directory
        all_pipelines : all stages of the project instead

        Raises
        ------
        UserError
            If a target is not there, or DVC cannot read its files.
        """
        with as_user_errors(), self.locked():
            self._holds.mend(self._note)
            if not (all_pipelines or targets or Path(PROJECT_FILE).exists()):
                raise UserError("there is no dvc.yaml in this folder; name a stage, or take all with --all-pipelines")
            graph = self.repo.index.graph
            chosen = None if all_pipelines else self._chosen(targets or [PROJECT_FILE])
            steps = plan_repro(get_active_graph(graph), chosen)
            self._stages = {stage.addressing: stage for stage in steps}
            for out in (out for stage in steps for out in stage.outs if not out.hash_info):
                self._to_ignore.setdefault(Path(out.fs_path).parent, []).append(out)
            self._records.plan(steps)
            self._logs = self._folder_of_logs()
            turns = {stage: turn for turn, stage in enumerate(steps)}
            # A frozen stage asks nothing of those that it depends on and may come before them, in serial order; but it
            # is not to be looked at while one of them writes.
            after = {
                stage.addressing: [
                    other.addressing
                    for other in (*graph.successors(stage), *graph.predecessors(stage))
                    if turns.get(other, turn) < turn
                ]
                for stage, turn in turns.items()
            }
        return Plan(after, {name: read_needs(name, stage.meta) for name, stage in self._stages.items()})

    def _chosen(self, targets: Collection[str]) -> list[Any]:
        """The stages that are meant: by name or file, as `dvc repro` takes them, or by an output."""
        chosen: list[Any] = []
        for target in targets:
            try:
                chosen += collect_stages(self.repo, [target])
            except DvcException:
                outputs = self._outputs(target)
                if not outputs:
                    raise
                chosen += [out.stage for out in outputs]
        return list(dict.fromkeys(chosen))

    def _outputs(self, target: str) -> list[Any]:
        try:
            return list(self.repo.find_outs_by_path(target))
        except DvcException:
            return []

    def is_changed(self, name: str) -> bool:
        """Whether the stage would run now, as DVC sees it. Call it while `locked`.

        Raises
        ------
        UserError
            If DVC cannot say, as another DVC process is at work on its files for instance.
        """
        try:
            with as_user_errors(whatever=True):
                return bool(self._stages[name].changed())
        except LockError as error:
            raise UserError(f"{name}: {error}") from error

    def begin(self, name: str, force: bool = False) -> Task | Outcome:
        """What is to be run for the stage, whose outputs are removed, or what came of it. Call it while `locked`.

        Parameters
        ----------
        force : run it though nothing has changed

        Raises
        ------
        BusyError
            If another DVC process is at work on its files: ask again later.
        UserError
            If DVC cannot do it, because an input is missing for instance.
        """
        stage = self._stages[name]
        try:
            with as_user_errors(whatever=True):
                outcome = self._begin(stage, force)
        except LockError as error:
            reason = " ".join(str(error).split())
            if any(f"(PID {process.pid})" in reason for process in psutil.Process().parents()):
                why = "a stage has started this run and holds what it needs, so that both would wait for ever"
                raise UserError(f"{why}: {reason}") from error
            raise BusyError(reason) from error
        if isinstance(outcome, Outcome):
            self._records.end(name)
        return outcome

    def _begin(self, stage: Any, force: bool) -> Task | Outcome:
        if stage.frozen and not stage.is_import:
            self._note(f"{stage.addressing} is frozen: whether its dependencies have changed is not looked at")
        if not stage.cmd or stage.frozen:
            if stage.reproduce(force=force) is None:
                return Outcome.UNCHANGED
            self._records.keep(stage)
            return Outcome.CHECKED
        if not force and not stage.changed():
            return Outcome.UNCHANGED
        if not force and (missing := [f"'{dep}'" for dep in stage.deps if dep.protocol == "local" and not dep.exists]):
            raise UserError(f"what it needs is not there: {', '.join(missing)}")
        with self._holds.stage(stage):  # refused now, before anything of the stage is removed
            pass
        if leftovers.is_written(self.log(stage.addressing)):
            raise BusyError("processes that an earlier run has left have not ended yet")
        stage.remove_outs(ignore_remove=False, force=False)
        if not force and self._restore(stage):
            self._record(stage)
            return Outcome.RESTORED
        stage.save_deps(allow_missing=force)  # as DVC, which does not ask for them at all then
        self._holds.while_it_runs(stage)
        return self._task(stage)

    def _restore(self, stage: Any) -> bool:
        """Whether the run-cache had the result of the stage, which is in its place then."""
        try:
            self.repo.stage_cache.restore(stage)
        except RunCacheNotFoundError:
            return False
        except TypeError:  # DVC's, of a folder that a process made for an entry before it was killed
            if not leftovers.remove_empty_entries(Path(self.repo.stage_cache.cache_dir)):
                raise
            return self._restore(stage)
        return True

    def _ignore_outputs(self, stage: Any) -> None:
        """Put what git is to ignore into .gitignore in serial order, as stages are recorded in the order of their ends.

        That of a folder is written with its first result: before, the folder need not be there.
        """
        for folder in {Path(out.fs_path).parent for out in stage.outs} & self._to_ignore.keys():
            for out in self._to_ignore.pop(folder):
                with suppress(DvcException):  # what is wrong with it is said when it is recorded itself
                    out.ignore()
            self.repo.scm._reset()  # so that what git ignores is read anew, as by DVC after each command

    def _task(self, stage: Any) -> Task:
        if not self._logs.exists():
            self._logs.mkdir(parents=True)
            (self._logs / ".gitignore").write_text("*\n")
        settings = prepare_kwargs(stage)
        changed = {name: value for name, value in settings["env"].items() if os.environ.get(name) != value}
        commands = stage.cmd if isinstance(stage.cmd, list) else stage.cmd.splitlines()
        name = stage.addressing
        return Task(name, tuple(commands), Path(settings["cwd"]), self.log(name), changed, read_needs(name, stage.meta))

    def stage(self, name: str) -> Any:
        """DVC's object of a stage of the plan."""
        return self._stages[name]

    def clear(self, name: str) -> None:
        """Remove what a stage that is to be started again has written.

        Raises
        ------
        UserError
            If another DVC process has come to work on its files.
        """
        stage = self._stages[name]
        self._holds.release(name)
        try:
            with self.locked(), as_user_errors():
                stage.remove_outs(ignore_remove=False, force=False)
                self._holds.while_it_runs(stage)
        except LockError as error:
            raise UserError(f"{name} cannot be started again: {error}") from error

    def log(self, name: str) -> Path:
        """Where the output of the stage goes, whatever the working directory is."""
        stage = self._stages[name]
        file = stage.path_in_repo
        full = name if file == name else stage.name if file == PROJECT_FILE else f"{file}:{stage.name}"
        return self._logs / file_name(full)

    def _folder_of_logs(self) -> Path:
        """LOGS, or in a project of which a stage reads or writes there, DVC's folder of temporary files."""
        folder = self.root / LOGS
        paths = {item.fs_path for stage in self.repo.index.stages for item in (*stage.deps, *stage.outs)}
        is_theirs = any(path and localfs.overlaps(str(folder), path) for path in paths)
        return self.state / "logs" if is_theirs else folder

    def finish(self, name: str) -> None:
        """Record the result of a stage whose commands have ended well. Call it while `locked`.

        Raises
        ------
        UserError
            If an output is missing, or DVC cannot keep it.
        """
        stage = self._stages[name]
        self._holds.release(name)
        try:
            with as_user_errors(whatever=True):
                before = [dep.hash_info for dep in stage.deps]
                self._record(stage)
        except LockError as error:
            raise UserError(f"{error}") from error
        for dep, hash_info in zip(stage.deps, before, strict=True):
            if dep.hash_info != hash_info:
                self._note(f"{dep} has changed while {name} ran: which of both it read is not known; run it again")
        self._records.end(name)

    def give_up(self, names: Iterable[str], and_go_on: bool) -> None:
        """These stages failed or will not be run; whether others are recorded after them, as with --keep-going."""
        for name in names:
            self._holds.release(name)
            if and_go_on:
                self._records.end(name)

    def _record(self, stage: Any) -> None:
        """Keep outputs and hashes, as `Stage.run` does after the command.

        But the run-cache names them after the cache has them: killed in between, the next run would find the entry,
        and no outputs to it.
        """
        self._ignore_outputs(stage)
        may_reuse = all(out.use_cache or out.is_metric or out.is_plot for out in stage.outs)
        stage.save(run_cache=False)
        stage.commit()
        if may_reuse:
            self.repo.stage_cache.save(stage)
        self._records.keep(stage)
        if not (may_reuse and is_restorable(stage)):
            self._records.write()  # nothing else would know of the result if this process were killed

    def write_if_cheap(self) -> None:
        """Write dvc.lock if that takes a small part of the time since it was last written. Call it while `locked`."""
        self._records.write_if_cheap()

    def close(self) -> None:
        """Write down what is recorded and release every lock."""
        self._holds.release_all()
        if self._records.has_unwritten:
            with self.locked():
                self._records.write()
        with as_user_errors():
            if self.repo.scm_context.autostage:
                self.repo.scm_context.track_changed_files()
            self.repo.close()
