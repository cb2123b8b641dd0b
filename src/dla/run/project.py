"""A DVC project as it is run: the one module that knows DVC, of one process and one thread.

What has changed, what a stage's result is and how it is kept is DVC's own judgement, through the stage objects that
`dvc repro` uses (dvc/repo/reproduce.py, dvc/stage/run.py). What differs: a stage's commands are handed out to be run by
somebody else, and `dvc.lock` is written for many stages at a time.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any
from urllib.parse import quote

from dvc.exceptions import DvcException, NotDvcRepoError
from dvc.lock import LockError
from dvc.repo import Repo
from dvc.repo.reproduce import collect_stages, get_active_graph, plan_repro
from dvc.rwlock import RWLockFileCorruptedError, rwlock
from dvc.stage.cache import RunCacheNotFoundError
from dvc.stage.run import prepare_kwargs

from dla.core.errors import UserError
from dla.run.lockfile import write_stages
from dla.run.task import Needs, Task

LOGS = Path("runs/logs")
STATE = "dla-run"  # the folder in DVC's own temporary one that holds what this package remembers
SHARE_OF_WRITING = 0.05  # of a run's time may be spent on writing dvc.lock before its end
LONGEST_NAME = 200  # characters of a log's name


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


class Busy(Exception):
    """Another DVC process reads or writes what a stage writes."""


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
        with _as_user_errors():
            self.repo = Repo()
        self._note = note
        self._stages: dict[str, Any] = {}  # those of the plan, by name, in serial order
        self._holds: dict[str, ExitStack] = {}  # DVC's read and write locks of what runs
        self._over: set[str] = set()  # stages of which no more is to come
        self._unwritten: dict[str, Any] = {}  # those with a result that is not in dvc.lock yet
        self._outputs_are_ignored = False
        self._last_write, self._cost_of_write = time.monotonic(), 0.0
        _listen_to_dvc(lambda text: self._note(text))  # the attribute, as a screen may come later

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

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold DVC's lock of the project, as every DVC command does while it reads or writes it."""
        waits = False
        while True:
            try:
                self.repo.lock.lock()
                break
            except LockError:  # after three seconds
                if not waits:
                    self._note("waiting for another DVC process to release its lock on this project")
                waits = True
        try:
            yield
        finally:
            self.repo.lock.unlock()

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
        with _as_user_errors(), self.locked():
            self._mend_rwlock()
            graph = self.repo.index.graph
            chosen = None if all_pipelines else collect_stages(self.repo, targets or ["dvc.yaml"])
            steps = plan_repro(get_active_graph(graph), chosen)
            self._stages = {stage.addressing: stage for stage in steps}
            # A frozen stage asks nothing of those before it, but is not to be looked at while one of them writes.
            after = {
                name: [other.addressing for other in graph.successors(stage) if other.addressing in self._stages]
                for name, stage in self._stages.items()
            }
        return Plan(_in_order(after), {name: _needs(name, stage.meta) for name, stage in self._stages.items()})

    def is_changed(self, name: str) -> bool:
        """Whether the stage would run now, as DVC sees it. Call it while `locked`."""
        with _as_user_errors():
            return bool(self._stages[name].changed())

    def begin(self, name: str, force: bool = False) -> Task | Outcome:
        """What is to be run for the stage, whose outputs are removed, or what came of it. Call it while `locked`.

        Parameters
        ----------
        force : run it though nothing has changed

        Raises
        ------
        Busy
            If another DVC process is at work on its files: ask again later.
        UserError
            If DVC cannot do it, because an input is missing for instance.
        """
        stage = self._stages[name]
        try:
            with self._hold(stage):  # before anything of it is removed
                pass
        except LockError as error:
            raise Busy(str(error)) from error
        with _as_user_errors():
            outcome = self._begin(stage, force)
        if isinstance(outcome, Outcome):
            self._over.add(name)
        return outcome

    def _begin(self, stage: Any, force: bool) -> Task | Outcome:
        if not stage.cmd or stage.frozen:
            if stage.reproduce(force=force) is None:
                return Outcome.UNCHANGED
            self._keep(stage)
            return Outcome.CHECKED
        if not force and not stage.changed():
            return Outcome.UNCHANGED
        self._ignore_outputs()
        stage.remove_outs(ignore_remove=False, force=False)
        if not force:
            try:
                self.repo.stage_cache.restore(stage)
            except RunCacheNotFoundError:
                pass
            else:
                self._record(stage)
                return Outcome.RESTORED
        stage.save_deps()
        self._holds[stage.addressing] = held = ExitStack()
        held.enter_context(self._hold(stage, f"{' '.join(sys.argv)} ({stage.addressing})"))
        return self._task(stage)

    def _ignore_outputs(self) -> None:
        """Put what git is to ignore into .gitignore in serial order, as stages are recorded in the order of their ends."""
        if not self._outputs_are_ignored:
            for stage in self._stages.values():
                if stage.cmd and not stage.frozen:
                    stage.ignore_outs()
        self._outputs_are_ignored = True

    def _task(self, stage: Any) -> Task:
        settings = prepare_kwargs(stage)
        changed = {name: value for name, value in settings["env"].items() if os.environ.get(name) != value}
        commands = stage.cmd if isinstance(stage.cmd, list) else stage.cmd.splitlines()
        name = stage.addressing
        return Task(name, tuple(commands), Path(settings["cwd"]), self.log(name), changed, _needs(name, stage.meta))

    def clear(self, name: str) -> None:
        """Remove what a stage that is to be started again has written."""
        with self.locked(), _as_user_errors():
            self._stages[name].remove_outs(ignore_remove=False, force=False)

    def log(self, name: str) -> Path:
        """Where the output of the stage goes: into a folder that git ignores."""
        folder = self.root / LOGS
        if not folder.exists():
            folder.mkdir(parents=True)
            (folder / ".gitignore").write_text("*\n")
        return folder / f"{quote(name, safe='@')[:LONGEST_NAME]}.log"

    def finish(self, name: str) -> None:
        """Record the result of a stage whose commands have ended well. Call it while `locked`.

        Raises
        ------
        UserError
            If an output is missing, or DVC cannot keep it.
        """
        stage = self._stages[name]
        self._release(name)
        with _as_user_errors():
            before = [dep.hash_info for dep in stage.deps]
            self._record(stage)
            for dep, hash_info in zip(stage.deps, before, strict=True):
                if dep.hash_info != hash_info:
                    self._note(f"{dep} has changed while {name} ran: which of both it read is not known; run it again")
        self._over.add(name)

    def give_up(self, names: Iterable[str]) -> None:
        """Nothing more is to come of these stages, which failed or will not be run."""
        for name in names:
            self._release(name)
            self._over.add(name)

    def _record(self, stage: Any) -> None:
        """Keep outputs and hashes, as `Stage.run` does after the command."""
        may_reuse = all(out.use_cache or out.is_metric or out.is_plot for out in stage.outs)
        stage.save(run_cache=may_reuse)
        stage.commit()
        self._keep(stage)
        if not may_reuse or stage.is_callback or stage.always_changed or not stage.deps:
            self.write()  # nothing else would know of the result if this process were killed

    def _keep(self, stage: Any) -> None:
        self._unwritten[stage.addressing] = stage

    def write_if_cheap(self) -> None:
        """Write dvc.lock if that takes a small part of the time since it was last written. Call it while `locked`.

        What is not in it yet is in DVC's run-cache: if this process is killed, the next run restores it.
        """
        if time.monotonic() - self._last_write > self._cost_of_write / SHARE_OF_WRITING:
            self.write(only_in_order=True)

    def write(self, only_in_order: bool = False) -> None:
        """Write what is recorded to dvc.lock, as `dvc repro` does after each stage. Call it while `locked`.

        Parameters
        ----------
        only_in_order : leave out stages before which, in serial order, others are still to come: a new stage's place
            in the file is that of its end, and so the file is at any time one that `dvc repro` could have left
        """
        started = time.monotonic()
        due = {}
        for name, stage in self._stages.items():
            if only_in_order and name not in self._over:
                break
            if name in self._unwritten:
                due[name] = stage
        with _as_user_errors():
            write_stages(due.values())
        for name in due:
            del self._unwritten[name]
        self._last_write = time.monotonic()
        if due:
            self._cost_of_write = self._last_write - started

    def close(self) -> None:
        """Write down what is recorded and release every lock."""
        with self.locked():
            for name in list(self._holds):
                self._release(name)
            self.write()
        with _as_user_errors():
            if self.repo.scm_context.autostage:
                self.repo.scm_context.track_changed_files()
            self.repo.close()

    def _hold(self, stage: Any, command: str | None = None) -> AbstractContextManager[None]:
        """Tell other DVC processes which files the stage reads and writes; of the same command they all may be held."""
        context: AbstractContextManager[None] = rwlock(
            self.repo.tmp_dir,
            self.repo.fs,
            command or " ".join(sys.argv),  # as DVC's own methods, so that these are not kept out
            [dep.fs_path for dep in stage.deps if dep.protocol == "local"],
            [out.fs_path for out in stage.outs],
            self.repo.config["core"].get("hardlink_lock", False),
        )
        return context

    def _release(self, name: str) -> None:
        if held := self._holds.pop(name, None):
            held.close()

    def _mend_rwlock(self) -> None:
        """DVC writes the file of its locks in place; of one whose writer was killed nothing can be read any more."""
        try:
            with rwlock(self.repo.tmp_dir, self.repo.fs, "", [], [], False):
                pass
        except RWLockFileCorruptedError:
            (Path(self.repo.tmp_dir) / "rwlock").unlink()
            self._note("DVC's list of locks was half written by a process that was killed; it has been begun anew")


def _in_order(after: dict[str, list[str]]) -> dict[str, list[str]]:
    """The same stages, each after all that must come before it; as they are, but for frozen stages."""
    ordered: dict[str, list[str]] = {}

    def take(name: str) -> None:
        if name not in ordered:
            for other in after[name]:
                take(other)
            ordered[name] = after[name]

    for name in after:
        take(name)
    return ordered


def _needs(name: str, meta: Any) -> Needs:
    """What the `meta` block of a stage in dvc.yaml says of its needs: threads and gpu."""
    settings = meta if isinstance(meta, dict) else {}
    threads, gpu = settings.get("threads", 1), settings.get("gpu", False)
    if isinstance(threads, bool) or not isinstance(threads, int) or threads < 1:
        raise UserError(f"dvc.yaml: {name}: meta.threads = {threads!r} is not a whole number above 0")
    if not isinstance(gpu, bool):
        raise UserError(f"dvc.yaml: {name}: meta.gpu = {gpu!r} is neither true nor false")
    return Needs(threads, gpu)


@contextmanager
def _as_user_errors() -> Iterator[None]:
    try:
        yield
    except LockError:
        raise
    except NotDvcRepoError as error:
        raise UserError(
            "there is no DVC project here: no folder .dvc in this one or above it; see `dvc init`"
        ) from error
    except DvcException as error:
        cause = f" ({error.__cause__})" if error.__cause__ else ""
        raise UserError(f"{error}{cause}") from error


class _Notes(logging.Handler):
    def __init__(self, note: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._say = note

    def emit(self, record: logging.LogRecord) -> None:
        self._say(record.getMessage())


def _listen_to_dvc(note: Callable[[str], None]) -> None:
    """DVC's warnings are sentences for the user, and its progress bars, over a table, are nothing."""
    logger = logging.getLogger("dvc")
    logger.handlers = [_Notes(note)]
    logger.propagate = False
    for name in ("dvc.progress", "dvc_objects", "dvc_data"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
