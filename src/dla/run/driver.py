"""The loop of a run: what may start is judged, what must be computed is handed out, what has ended is recorded."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from dla.core.errors import UserError
from dla.run import durations
from dla.run.complaints import BusyError
from dla.run.project import Outcome, Plan, Project
from dla.run.schedule import Schedule
from dla.run.screen import Screen
from dla.run.task import Ended, Executor, Needs

TICK = 0.25  # seconds between two looks at the table, and at signals
PATIENCE = 1.0  # seconds until a stage that another DVC process keeps out is tried again


class Run:
    """One run of a plan.

    Parameters
    ----------
    project, plan : what is run, and what DVC says of it
    executor : where commands run
    screen : what the user sees
    scarce : stages that compete for what there is little of, such as GPUs
    keep_going : start what does not depend on a failure also after it
    force : run what has not changed as well
    """

    def __init__(
        self,
        project: Project,
        plan: Plan,
        executor: Executor,
        screen: Screen,
        scarce: Collection[str] = (),
        keep_going: bool = False,
        force: bool = False,
    ) -> None:
        self.project = project
        self.plan = plan
        self.executor = executor
        self.screen = screen
        self.keep_going = keep_going
        self.force = force
        self.durations = project.state / "durations.json"
        self.schedule = Schedule(plan.after, durations.read(self.durations), scarce)
        # Of runs that were interrupted since the stage last ended: seconds, and of the CPU; of its last: of the CPU.
        self.files = {name: project.state / f"{name}.json" for name in ("interrupted", "interrupted-cpu", "cpu")}
        self.interrupted, self.interrupted_cpu, self.cpu = map(durations.read, self.files.values())
        self.seconds: dict[str, float] = {}  # of what has run
        self.has_failed = False
        self.signal = 0  # the one that asked for the end, once one has
        self._ended: list[Ended] = []  # and not recorded yet
        self._busy_until: dict[str, float] = {}

    def __call__(self) -> int:
        """Run; the exit code: 0, 1 if a stage failed, 128 + n after signal n."""
        self.screen.plan(list(self.plan.after), self.schedule.seconds)
        try:
            with self._signals():
                try:
                    self._loop()
                finally:
                    self._end()
        finally:
            self.screen.close()
        self.screen.summary()
        return 128 + self.signal if self.signal else int(self.has_failed)

    def _loop(self) -> None:
        with suppress(BusyError):  # the run is to end while another DVC process holds the project
            while not self.signal:
                with self.project.locked(lambda: not self.signal):
                    self._take_what_has_ended()
                    self._start_what_may()
                    self.project.write_if_cheap()
                if self.schedule.is_over or (self._is_closing() and not self.schedule.begun):
                    return
                self._ended += self.executor.wait(TICK)
                self.screen.tick()

    def _end(self) -> None:
        """End what runs, and record what has ended well by itself."""
        self.executor.stop()
        ended = [*self._ended, *self.executor.wait(0.0)]
        for one in ended:
            if one.code != 0:
                self.interrupted[one.name] = one.seconds + self.interrupted.get(one.name, 0.0)
                self.interrupted_cpu[one.name] = (one.cpu or 0.0) + self.interrupted_cpu.get(one.name, 0.0)
        self._ended = [one for one in ended if one.code == 0]
        if self._ended:
            with self.project.locked():
                self._take_what_has_ended()
        self.project.close()
        with suppress(UserError):  # an estimate for the next run is lost, no result
            durations.write(self.durations, self.seconds)
            for path, seconds in zip(
                self.files.values(), (self.interrupted, self.interrupted_cpu, self.cpu), strict=True
            ):
                durations.write(path, seconds)

    def _is_closing(self) -> bool:
        """Whether nothing more is started."""
        return bool(self.signal) or (self.has_failed and not self.keep_going)

    def _start_what_may(self) -> None:
        """Go through what is ready, longest chain first, until nothing more has room."""
        progress = True
        while progress:
            progress = False
            for name in self.schedule.ready():
                if self._is_closing() or not self.executor.room(Needs()):
                    return
                if self.executor.room(self.plan.needs[name]) and not self._is_busy(name):
                    progress |= self._start(name)

    def _start(self, name: str) -> bool:
        """Judge the stage and start it if it must run; whether others may have become ready by that."""
        since = time.monotonic()
        try:
            begun = self.project.begin(name, self.force)
        except BusyError as error:
            if name not in self._busy_until:
                self.screen.note(f"{name} waits: {error}")
            self._busy_until[name] = time.monotonic() + PATIENCE
            return False
        except UserError as error:
            self._fail(name, str(error))
            return False
        self.schedule.begin(name)
        if isinstance(begun, Outcome):
            if begun is Outcome.CHECKED:
                self.screen.done(name, time.monotonic() - since)
            else:
                (self.screen.restored if begun is Outcome.RESTORED else self.screen.unchanged)(name)
            self.schedule.end(name)
            return True
        self.executor.start(begun)
        self.screen.began(name, begun.log)
        return False

    def _is_busy(self, name: str) -> bool:
        return time.monotonic() < self._busy_until.get(name, 0.0)

    def _take_what_has_ended(self) -> None:
        while self._ended:
            self._take(self._ended.pop(0))

    def _take(self, ended: Ended) -> None:
        """Record what has ended."""
        if ended.code != 0:
            self._fail(ended.name, ended.reason or _why(ended.code))
            return
        try:
            self.project.finish(ended.name)
        except UserError as error:
            self._fail(ended.name, str(error))
            return
        self.seconds[ended.name] = ended.seconds + self.interrupted.get(ended.name, 0.0)
        self.cpu[ended.name] = 0.0 if ended.cpu is None else ended.cpu + self.interrupted_cpu.get(ended.name, 0.0)
        self.interrupted[ended.name] = self.interrupted_cpu[ended.name] = 0.0
        self.schedule.end(ended.name)
        self.screen.done(ended.name, ended.seconds)

    def _fail(self, name: str, why: str) -> None:
        self.has_failed = True
        log = self.project.log(name) if name in self.schedule.begun else None
        skipped = self.schedule.drop(name)
        self.project.give_up([name, *skipped], self.keep_going)
        self.screen.failed(name, why, log)
        self.screen.skipped(skipped, name)

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """A first interrupt or termination ends the run in order; a second interrupt does not wait for the stages."""
        numbers = [signal.SIGINT, signal.SIGTERM]
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as nohup has it
            numbers.append(signal.SIGHUP)
        before = {number: signal.signal(number, self._note_signal) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _note_signal(self, number: int, frame: FrameType | None) -> None:
        if self.signal and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.signal = number


def preview(project: Project, plan: Plan, say: Callable[[str], None] = print) -> int:
    """Say what a run would do, as far as it can be known before it; nothing is changed. Returns 0."""
    would_run: dict[str, str] = {}
    with project.locked():
        for name, earlier in plan.after.items():
            first = next((other for other in earlier if other in would_run), None)
            if first is not None:
                would_run[name] = f"if the outputs of {first} change"
            elif project.is_changed(name):
                would_run[name] = ""
    width = max(map(len, would_run), default=0)
    for name, condition in would_run.items():
        say(f"{name:<{width}}  {condition}".rstrip())
    say(f"{len(would_run)} of {len(plan.after)} stages would run, or be restored from the run-cache")
    return 0


def _why(code: int) -> str:
    if code > 128:
        try:
            return f"its command was ended by {signal.Signals(code - 128).name}"
        except ValueError:
            pass
    return f"its command ended with exit code {code}"
