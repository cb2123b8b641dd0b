"""How long a run takes by its schedule, in virtual time, against bounds that none can beat and the best there is."""

from __future__ import annotations

import itertools
import json
import random
import statistics
import subprocess
import sys
from pathlib import Path

import pytest
from bench.estimate import START, amount_of_work, full_seconds
from bench.schedule import Machine, Work, bounds, makespan, simulate

from dla.params.file import load_params

ROOT = Path(__file__).parents[1]


def layered(generator: random.Random, stages: int, width: int, fan_in: int, gpu_share: float = 0.0) -> Work:
    """Layers of stages, each waiting for up to so many of the layer before; a few stages take most of the time."""
    names = [f"stage-{number}" for number in range(stages)]
    after = {}
    for number, name in enumerate(names):
        begin = number // width * width
        before = names[max(begin - width, 0) : begin]
        after[name] = generator.sample(before, min(generator.randint(0, fan_in), len(before)))
    seconds = {name: generator.lognormvariate(1, 1) for name in names}
    return Work(after, seconds, [name for name in names if generator.random() < gpu_share])


def small(generator: random.Random, gpu_share: float) -> Work:
    """A graph so small that every schedule of it can be tried."""
    names = [str(number) for number in range(generator.randint(4, 7))]
    density = generator.choice([0.15, 0.3, 0.5])
    after = {name: [other for other in names[: int(name)] if generator.random() < density] for name in names}
    seconds = {name: float(generator.choice([1, 2, 3, 5, 8])) for name in names}
    return Work(after, seconds, [name for name in names if generator.random() < gpu_share])


def machines(generator: random.Random) -> Machine:
    cores = generator.choice([2, 4, 8, 16, 32, 64])
    return Machine(cores, generator.choice([number for number in (0, 1, 2, 4, 8) if number <= cores]))


def best(work: Work, machine: Machine) -> float:
    """The shortest makespan of all: every order of the stages is tried, each as early as it finds room.

    Among these schedules there is a best one (Sprecher, Kolisch, Drexl, European Journal of Operational Research 80,
    1995), also such as let a core idle to wait for a longer chain.
    """
    tails: dict[str, float] = {}
    for name in reversed(list(work.after)):
        later = [other for other, earlier in work.after.items() if name in earlier]
        tails[name] = max((work.seconds[other] + tails[other] for other in later), default=0.0)
    shortest = makespan(simulate(work, machine))

    def extend(placed: dict[str, tuple[float, float]]) -> None:
        nonlocal shortest
        if len(placed) == len(work.after):
            shortest = min(shortest, max(end for _, end in placed.values()))
        for name in work.after.keys() - placed.keys():
            if all(other in placed for other in work.after[name]):
                start = earliest(name, placed, work, machine)
                end = start + work.seconds[name]
                if end + tails[name] < shortest:
                    extend({**placed, name: (start, end)})

    extend({})
    return shortest


def earliest(name: str, placed: dict[str, tuple[float, float]], work: Work, machine: Machine) -> float:
    """The first moment from which on there is room for the stage until it ends."""
    inputs = max((placed[other][1] for other in work.after[name]), default=0.0)
    for start in sorted({inputs, *(end for _, end in placed.values() if end > inputs)}):
        end = start + work.seconds[name]
        moments = [start, *(begin for begin, _ in placed.values() if start < begin < end)]
        if all(has_room(name, moment, placed, work, machine) for moment in moments):
            return start
    raise AssertionError("behind the last end there is room")


def has_room(name: str, moment: float, placed: dict[str, tuple[float, float]], work: Work, machine: Machine) -> bool:
    beside = [other for other, (begin, end) in placed.items() if begin <= moment < end]
    if len(beside) >= machine.cores:
        return False
    on_gpu = set(work.on_gpu) if machine.gpus else set()
    return name not in on_gpu or len(on_gpu.intersection(beside)) < machine.gpus


@pytest.mark.parametrize("seed", range(20))
def test_stages_start_when_their_inputs_are_there_and_never_exceed_the_machine(seed: int) -> None:
    generator = random.Random(seed)
    work, machine = layered(generator, 100, width=10, fan_in=3, gpu_share=0.4), machines(generator)
    runs = simulate(work, machine)
    ends = {run.name: run.end for run in runs}
    assert sorted(ends) == sorted(work.after)
    assert all(ends[other] <= run.start for run in runs for other in work.after[run.name])
    assert all((run.grant.gpu is not None) == (machine.gpus > 0 and run.name in work.on_gpu) for run in runs)
    for run in runs:
        beside = [other for other in runs if other.start <= run.start < other.end]
        devices = [other.grant.gpu for other in beside if other.grant.gpu is not None]
        assert len(beside) <= machine.cores
        assert len(devices) == len(set(devices))


def test_a_core_never_idles_while_a_stage_could_start() -> None:
    work, machine = layered(random.Random(0), 60, width=20, fan_in=2), Machine(cores=4)
    runs = simulate(work, machine)
    ends = {run.name: run.end for run in runs}
    for run in runs:
        could_start = max((ends[other] for other in work.after[run.name]), default=0.0)
        moments = [could_start, *(other.end for other in runs if could_start < other.end < run.start)]
        for moment in moments if could_start < run.start else []:
            assert sum(other.start <= moment < other.end for other in runs) == machine.cores


@pytest.mark.parametrize(
    ("machine", "gpu_share"), [(Machine(2), 0.0), (Machine(3), 0.0), (Machine(2, 1), 0.5), (Machine(4, 2), 0.5)]
)
def test_longest_chain_first_is_near_the_best_of_all_schedules(machine: Machine, gpu_share: float) -> None:
    ratios = []
    for seed in range(60):
        work = small(random.Random(seed), gpu_share)
        optimum = best(work, machine)
        assert bounds(work, machine).plain <= bounds(work, machine).tight <= optimum + 1e-9
        ratios.append(makespan(simulate(work, machine)) / optimum)
    assert statistics.fmean(ratios) < 1.02
    assert sum(ratio > 1.1 for ratio in ratios) <= 3


@pytest.mark.parametrize("stages", [100, 300, 1000])
def test_the_schedule_of_large_graphs_is_within_a_tenth_of_the_bound_but_for_a_few(stages: int) -> None:
    ratios = []
    for seed, gpu_share in itertools.product(range(6), (0.0, 0.3, 0.8)):
        generator = random.Random(seed)
        work, machine = layered(generator, stages, generator.choice([5, 20, 60]), 3, gpu_share), machines(generator)
        ratios.append(makespan(simulate(work, machine)) / bounds(work, machine).tight)
    assert statistics.fmean(ratios) < 1.02
    assert sum(ratio > 1.1 for ratio in ratios) <= 1  # where devices have as much work as the longest chain
    assert max(ratios) < 1.2


def test_the_schedule_is_near_the_bound_when_stages_take_half_as_long_or_twice() -> None:
    ratios = []
    for seed in range(20):
        generator = random.Random(seed)
        work, machine = layered(generator, 200, width=20, fan_in=3, gpu_share=0.3), machines(generator)
        remembered = {name: took * generator.choice([0.5, 1, 2]) for name, took in work.seconds.items()}
        ratios.append(makespan(simulate(work, machine, remembered)) / bounds(work, machine).tight)
    assert statistics.fmean(ratios) < 1.05
    assert max(ratios) < 1.2


def test_gpus_do_not_idle_while_equal_chains_without_gpus_take_the_cores() -> None:
    """Ten stages for two devices, and as many as there are cores that need none, and have chains that are longer."""
    names = [f"on-gpu-{number}" for number in range(10)] + [f"on-cpu-{number}" for number in range(4)]
    seconds = {name: 10.0 if name.startswith("on-gpu") else 12.0 for name in names}
    work = Work(dict.fromkeys(names, ()), seconds, [name for name in names if name.startswith("on-gpu")])
    runs = simulate(work, Machine(cores=4, gpus=2))
    assert makespan(runs) == bounds(work, Machine(cores=4, gpus=2)).gpus == 50.0


def test_the_full_budget_is_estimated_by_what_a_stage_has_to_do() -> None:
    params = load_params(ROOT / "params.yaml")
    demo = {
        "train@mnist-mlp-64": 4.0,
        "pair@1": 4.0,
        "pair@2": 6.0,
        "report": 5.0,
        "download@mnist": 3.0,
        "other": 1.0,
    }
    full = full_seconds(demo, params)
    assert {name for name, seconds in full.items() if seconds == demo[name]} == {"report", "download@mnist", "other"}
    assert full["pair@2"] - START == pytest.approx(2 * (full["pair@1"] - START))  # the beginning does not grow
    # Of the perceptron five seeds for one, 50 epochs for 15, each of 54,000 images for 3,600, and what is not learned.
    whole = load_params(ROOT / "params.yaml", "full")
    assert amount_of_work("train@mnist-mlp-64", whole) == 5 * (50 * (3 * 54_000 + 6_000) + 10_000) * 8192
    assert amount_of_work("train@mnist-mlp-64", params) == (15 * (3 * 3600 + 400) + 1000) * 8192


@pytest.mark.parametrize("budget", ["demo", "full"])
def test_the_table_says_what_was_measured_and_what_estimated(tmp_path: Path, budget: str) -> None:
    durations = tmp_path / "durations.json"
    durations.write_text(json.dumps({"train@mnist-mlp-64": 5.0, "pair@1": 10.0, "report": 4.0}))
    command = [sys.executable, "bench/schedule.py", "--durations", str(durations), "--budget", budget]
    table = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert f"durations of 3 of them from {durations}" in table
    assert ("ESTIMATES" in table) == (budget == "full")
    assert sum(line.split()[:2] == ["64", "8"] for line in table.splitlines()) == 1
