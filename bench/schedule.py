"""How near the schedule of `dla run` comes to what no schedule can beat, on 2 to 64 cores and with up to 8 GPUs.

    python bench/schedule.py                        # durations of the last `dla run`
    python bench/schedule.py --durations FILE       # of another: JSON, seconds by stage
    python bench/schedule.py --budget full --speedup 100    # scaled to what the laboratories trained, on GPUs

In virtual time: nothing runs. The graph is this project's own, as DVC has it, order and room are those of `dla run`,
and of a stage all that counts is how long it takes. No schedule beats the longest chain of stages that wait for each
other, nor all work shared out evenly over the cores, and that of GPUs over the GPUs: the largest is the plain bound.
Cores and GPUs also stand idle before the first stage for them can start and while the last stages of all run; the
tight bound counts that in.
"""

from __future__ import annotations

import argparse
import heapq
import itertools
import random
import sys
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dla.run import durations
from dla.run.schedule import Schedule, estimates
from dla.run.slots import Grant, Slots
from dla.run.task import Needs

ROOT = Path(__file__).parents[1]
REMEMBERED = Path(".dvc/tmp/dla-run/durations.json")
CORES = (2, 4, 8, 16, 32, 64)
GPUS = (0, 1, 2, 4, 8)
NEAR = 1.1  # times the bound: what the schedule should stay within
THRESHOLDS = 50  # lengths of heads that the tight bound tries


@dataclass(frozen=True)
class Work:
    """Stages: what each waits for, in the order of a serial run, how long it takes in seconds, and what it needs."""

    after: Mapping[str, Collection[str]]
    seconds: Mapping[str, float]
    on_gpu: Collection[str] = ()

    def needs(self, name: str) -> Needs:
        return Needs(gpu=name in self.on_gpu)


@dataclass(frozen=True)
class Machine:
    """What runs stages, each on one core, those for GPUs on a core and a device of their own."""

    cores: int
    gpus: int = 0

    def slots(self) -> Slots:
        return Slots(self.cores, [str(number) for number in range(self.gpus)])


@dataclass(frozen=True)
class Bounds:
    """Seconds that no schedule can beat."""

    chain: float  # the longest chain of stages that wait for each other
    cores: float  # all work shared out evenly
    gpus: float  # work of GPUs shared out evenly
    tight: float  # with the time before the first and behind the last stages

    @property
    def plain(self) -> float:
        return max(self.chain, self.cores, self.gpus)


def bounds(work: Work, machine: Machine) -> Bounds:
    chain = max(Schedule(work.after, work.seconds).chain.values(), default=0.0)
    places = [(work.after, machine.cores)] + ([(work.on_gpu, machine.gpus)] if machine.gpus else [])
    even = [sum(work.seconds[name] for name in names) / number for names, number in places]
    tight = [_with_heads_and_tails(work, names, number) for names, number in places]
    return Bounds(chain, even[0], sum(even[1:]), max(chain, *even, *tight))


def _with_heads_and_tails(work: Work, names: Collection[str], number: int) -> float:
    """The bound of Carlier (European Journal of Operational Research 29, 1987) for stages on that many places.

    Of any stages, at least as many as places: on each place the first begins no sooner than its inputs can be there,
    and behind the last what hangs on it takes its time. Taken are those with heads and tails of some length at least.
    """
    tail = {name: chain - work.seconds[name] for name, chain in Schedule(work.after, work.seconds).chain.items()}
    head: dict[str, float] = {}
    for name, earlier in work.after.items():
        head[name] = max((head[other] + work.seconds[other] for other in earlier), default=0.0)
    lengths = sorted({head[name] for name in names})
    best = 0.0
    for shortest in lengths[:: len(lengths) // THRESHOLDS + 1]:
        taken = sorted((name for name in names if head[name] >= shortest), key=lambda name: -tail[name])
        heads: list[float] = []  # the shortest of those taken so far, negated: the longest of them comes first
        sum_of_work = sum_of_heads = sum_of_tails = 0.0
        for count, name in enumerate(taken, start=1):
            sum_of_work += work.seconds[name]
            sum_of_heads += head[name]
            sum_of_tails += tail[name]
            heapq.heappush(heads, -head[name])
            if count > number:
                sum_of_heads += heapq.heappop(heads)
                sum_of_tails -= tail[taken[count - number - 1]]
            if count >= number:
                best = max(best, (sum_of_heads + sum_of_work + sum_of_tails) / number)
    return best


@dataclass(frozen=True)
class Run:
    """A stage that has run, in seconds since the first start."""

    name: str
    start: float
    end: float
    grant: Grant


def simulate(work: Work, machine: Machine, remembered: Mapping[str, float] | None = None) -> list[Run]:
    """The runs of all stages, as they end, by the rule of `dla run`: whatever is ready and has room starts.

    Parameters
    ----------
    remembered
        The durations that the schedule plans with, where they are not those that stages take.
    """
    scarce = work.on_gpu if machine.gpus else ()
    schedule = Schedule(work.after, work.seconds if remembered is None else remembered, scarce)
    slots = machine.slots()
    running: list[tuple[float, int, Run]] = []
    begun, now = itertools.count(), 0.0
    ended: list[Run] = []
    while not schedule.is_over:
        for name in _that_have_room(schedule, slots, work):
            schedule.begin(name)
            run = Run(name, now, now + work.seconds[name], slots.take(work.needs(name)))
            heapq.heappush(running, (run.end, next(begun), run))
        now, _, run = heapq.heappop(running)
        slots.give(run.grant)
        schedule.end(run.name)
        ended.append(run)
    return ended


def makespan(runs: Sequence[Run]) -> float:
    """Seconds from the first start to the last end."""
    return max((run.end for run in runs), default=0.0)


def _that_have_room(schedule: Schedule, slots: Slots, work: Work) -> Iterator[str]:
    for name in schedule.ready():
        if not slots.room(Needs()):
            return
        if slots.room(work.needs(name)):
            yield name


def project(root: Path) -> tuple[dict[str, list[str]], set[str]]:
    """What each stage of a DVC project waits for, in the order of `dvc repro`, and which say they use a GPU."""
    from dvc.repo import Repo
    from dvc.repo.reproduce import plan_repro

    with Repo(str(root)) as repo:
        graph = repo.index.graph
        stages = [stage for stage in plan_repro(graph) if stage.cmd]
        after = {stage.addressing: [other.addressing for other in graph.successors(stage)] for stage in stages}
        on_gpu = {stage.addressing for stage in stages if (stage.meta or {}).get("gpu")}
    return after, on_gpu


def show(work: Work, speedup: float, unit: float) -> None:
    """Print a line per machine: times in units of so many seconds, and the makespan's ratio to both bounds."""
    faster = replace(
        work, seconds={name: took / speedup if name in work.on_gpu else took for name, took in work.seconds.items()}
    )
    print("cores GPUs  makespan (none remembered)  chain    cores     GPUs    tight   / plain  / tight")
    for machine in (Machine(cores, gpus) for gpus in GPUS for cores in CORES if cores >= gpus):
        here = faster if machine.gpus else work
        found, took = bounds(here, machine), makespan(simulate(here, machine))
        blind = makespan(simulate(here, machine, {}))
        times = (found.chain, found.cores, found.gpus, found.tight)
        ratios = (took / found.plain, took / found.tight)
        remark = "" if ratios[0] <= NEAR else "  near the tight bound" if ratios[1] <= NEAR else "  NEAR NEITHER BOUND"
        print(
            f"{machine.cores:5}{machine.gpus:5}{took / unit:10,.1f}{blind / unit:16,.1f}"
            + "".join(f"{seconds / unit:9,.1f}" for seconds in times)
            + f"{ratios[0]:10.3f}{ratios[1]:9.3f}{remark}"
        )


def seconds_per_event(stages: int) -> float:
    """What the queue itself takes for a start or an end, among so many stages that wait for three others each."""
    generator = random.Random(0)
    after: dict[str, list[str]] = {}
    for number in range(stages):
        earlier = range(max(number - 200, 0), number)
        after[str(number)] = [str(other) for other in generator.sample(earlier, min(number, 3))]
    seconds = {name: generator.random() for name in after}
    begin = time.perf_counter()
    schedule = Schedule(after, seconds)
    while not schedule.is_over:
        name = schedule.ready()[0]
        schedule.begin(name)
        schedule.end(name)
    return (time.perf_counter() - begin) / (2 * stages)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--durations", type=Path, default=ROOT / REMEMBERED, help=f"({REMEMBERED})")
    parser.add_argument("--budget", choices=("demo", "full"), default="demo", help="(demo)")
    parser.add_argument(
        "--speedup", type=float, default=1.0, help="how many times as fast as a core a GPU is taken to be (1)"
    )
    options = parser.parse_args()
    remembered = durations.read(options.durations)
    if not remembered:
        sys.exit(f"{options.durations}: holds no durations; `dla run` writes them")
    after, on_gpu = project(ROOT)
    seconds = estimates(after, remembered)
    known = sum(name in remembered for name in after)
    print(f"{len(after)} stages, {len(on_gpu)} of them for GPUs; durations of {known} of them from {options.durations}")
    print(f"a GPU is taken to be {options.speedup:g} times as fast as a core; none was measured")
    is_full = options.budget == "full"
    if is_full:
        print("hours under the budget full: ESTIMATES, scaled from these by the stages' work (bench/estimate.py)")
        seconds = _full_seconds(seconds)
    else:
        print("seconds under the budget demo")
    show(Work(after, seconds, on_gpu), options.speedup, 3600.0 if is_full else 1.0)
    for stages in (100, 10_000):
        print(f"queue of {stages} stages: {1e6 * seconds_per_event(stages):.1f} us per start or end, planning included")


def _full_seconds(demo: Mapping[str, float]) -> dict[str, float]:
    sys.path.insert(0, str(ROOT))  # a script's own folder is there, not the one above it
    from bench.estimate import full_seconds

    from dla.params.file import load_params

    return full_seconds(demo, load_params(ROOT / "params.yaml"))


if __name__ == "__main__":
    main()
