"""The order in which stages start, the room that they take, and how long they took when they last ran."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path

import pytest

from dla.core.errors import UserError
from dla.run import durations
from dla.run.schedule import Schedule, estimates
from dla.run.slots import Grant, Slots
from dla.run.task import Needs

# A diamond whose left side is long, and one stage beside it.
DIAMOND: dict[str, tuple[str, ...]] = {
    "get": (),
    "right": ("get",),
    "left": ("get",),
    "join": ("left", "right"),
    "alone": (),
}
SECONDS = {"get": 1.0, "right": 2.0, "left": 5.0, "join": 1.0, "alone": 3.0}


# --- what is ready ----------------------------------------------------------------------------------------------


def test_stages_become_ready_as_what_they_wait_for_ends() -> None:
    schedule = Schedule(DIAMOND, SECONDS)
    assert schedule.ready() == ["get", "alone"]
    schedule.begin("get")
    assert schedule.ready() == ["alone"]
    schedule.end("get")
    assert schedule.ready() == ["left", "right", "alone"]  # chains of 6, 3 and 3 seconds, equal ones in serial order
    for name in ("right", "left"):
        schedule.begin(name)
    schedule.end("right")
    assert schedule.ready() == ["alone"]
    schedule.end("left")
    assert schedule.ready() == ["alone", "join"]
    for name in ("join", "alone"):
        schedule.begin(name)
        assert not schedule.is_over
        schedule.end(name)
    assert schedule.is_over
    assert schedule.ready() == []


def test_nothing_planned_is_over_at_once() -> None:
    assert Schedule({}, {}).is_over
    assert Schedule({}, SECONDS).seconds_left(1) == 0.0


def test_equal_stages_start_in_the_order_of_a_serial_run() -> None:
    names = [f"stage-{number}" for number in random.Random(0).sample(range(1000), 50)]
    assert Schedule(dict.fromkeys(names, ()), {}).ready() == names


def test_stages_that_share_what_is_scarce_go_before_others_of_like_chains() -> None:
    seconds = {"short": 5.0, "long": 20.0, "scarce": 9.0, "middle": 10.0}
    schedule = Schedule(dict.fromkeys(seconds, ()), seconds, scarce=["scarce", "unplanned"])
    assert schedule.ready() == ["long", "scarce", "middle", "short"]
    assert schedule.seconds_left(64) == 20.0
    assert schedule.seconds_left(1) == 44.0


def test_a_failed_stage_stops_all_that_hangs_on_it_and_nothing_else() -> None:
    after = DIAMOND | {"more": ("join",), "other": ("alone",)}
    schedule = Schedule(after, SECONDS)
    schedule.begin("get")
    schedule.begin("alone")
    assert schedule.drop("get") == ["right", "left", "join", "more"]
    assert schedule.ready() == []
    assert not schedule.is_over
    schedule.end("alone")
    assert schedule.ready() == ["other"]
    schedule.begin("other")
    schedule.end("other")
    assert schedule.is_over


def test_a_stage_that_waits_for_two_failures_is_stopped_once() -> None:
    schedule = Schedule(DIAMOND, SECONDS)
    schedule.begin("get")
    schedule.end("get")
    for name in ("left", "right", "alone"):
        schedule.begin(name)
    assert schedule.drop("right") == ["join"]
    assert schedule.drop("left") == []
    assert schedule.drop("alone") == []
    assert schedule.is_over
    assert schedule.seconds_left(1) == pytest.approx(0.0)


def test_a_stopped_stage_stays_stopped_when_the_rest_of_its_inputs_is_there() -> None:
    schedule = Schedule(DIAMOND, SECONDS)
    schedule.begin("get")
    schedule.end("get")
    schedule.begin("left")
    schedule.begin("right")
    schedule.drop("left")
    schedule.end("right")
    assert schedule.ready() == ["alone"]


def test_a_stage_that_cannot_even_begin_can_fail() -> None:
    schedule = Schedule(DIAMOND, SECONDS)
    assert schedule.drop("get") == ["right", "left", "join"]
    assert schedule.ready() == ["alone"]


@pytest.mark.parametrize(
    "after", [{"a": ("b",), "b": ()}, {"a": ("b",), "b": ("a",)}, {"a": ("a",)}, {"a": ("unplanned",)}]
)
def test_an_order_that_no_serial_run_takes_is_refused(after: dict[str, tuple[str, ...]]) -> None:
    with pytest.raises(ValueError, match=r"a comes after (a|b|unplanned), which is not before it"):
        Schedule(after, {})


def test_what_has_not_begun_cannot_end_and_what_is_not_ready_cannot_begin() -> None:
    schedule = Schedule(DIAMOND, SECONDS)
    with pytest.raises(ValueError, match="get ends, and has not begun"):
        schedule.end("get")
    for name in ("join", "left"):
        with pytest.raises(ValueError, match=f"{name} is not ready"):
            schedule.begin(name)
    schedule.begin("get")
    with pytest.raises(ValueError, match="get is not ready"):
        schedule.begin("get")


def test_the_time_left_is_that_of_the_longest_chain_or_of_all_work() -> None:
    schedule = Schedule(DIAMOND, SECONDS)
    assert schedule.seconds_left(1) == 12.0
    assert schedule.seconds_left(2) == 7.0
    schedule.begin("get")
    assert schedule.seconds_left(2) == 7.0
    schedule.end("get")
    assert schedule.seconds_left(1) == 11.0
    assert schedule.seconds_left(64) == 6.0


# --- how long a stage will take ---------------------------------------------------------------------------------


def test_a_stage_that_is_not_remembered_takes_as_long_as_its_like() -> None:
    remembered = {"pair@1": 10.0, "pair@2": 20.0, "sub/dvc.yaml:train@x": 3.0, "get": 100.0}
    names = ["pair@2", "pair@3", "sub/dvc.yaml:train@y", "train@y", "get", "pair"]
    assert estimates(names, remembered) == {
        "pair@2": 20.0,
        "pair@3": 15.0,  # the mean of its group
        "sub/dvc.yaml:train@y": 3.0,
        "train@y": 15.0,  # of another dvc.yaml: the median of all
        "get": 100.0,
        "pair": 15.0,
    }
    assert estimates(["train@y"], {}) == {"train@y": 1.0}
    assert estimates(["a@b/dvc.yaml:new"], {"a@c/dvc.yaml:old": 5.0, "x": 1.0, "y": 1.0}) == {"a@b/dvc.yaml:new": 1.0}


def test_durations_are_remembered_from_run_to_run(tmp_path: Path) -> None:
    path = tmp_path / "dla-run" / "durations.json"
    assert durations.read(path) == {}
    durations.write(path, {"b": 2.0, "a": 1.23456})
    durations.write(path, {"b": 3.0, "c": 0})
    assert durations.read(path) == {"a": 1.235, "b": 3.0, "c": 0.0}
    assert [file.name for file in path.parent.iterdir()] == ["durations.json"]


@pytest.mark.parametrize("damage", [b"", b'{"a": 1', b"[1, 2]", b"\xff\xfe", b'{"a": NaN}', b"[" * 100_000])
def test_durations_that_are_damaged_are_forgotten(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "durations.json"
    path.write_bytes(damage)
    assert durations.read(path) == {}
    durations.write(path, {"a": 1.0})
    assert durations.read(path) == {"a": 1.0}


def test_what_is_no_duration_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "durations.json"
    path.write_text(json.dumps({"a": "1", "b": -1, "c": True, "d": None, "e": [1], "f": 10**400, "g": 4}))
    assert durations.read(path) == {"g": 4.0}


def test_durations_that_cannot_be_written_say_where(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"durations\.json: could not be written"):
        durations.write(tmp_path / "file" / "durations.json", {"a": 1.0})


# --- what is free of the machine --------------------------------------------------------------------------------


def test_threads_are_shared_out_and_given_back() -> None:
    slots = Slots(threads=4)
    wide = slots.take(Needs(threads=3))
    assert wide == Grant(threads=3)
    assert slots.room(Needs(threads=1))
    assert not slots.room(Needs(threads=2))
    slots.take(Needs())
    assert not slots.room(Needs())
    with pytest.raises(ValueError, match="no room"):
        slots.take(Needs())
    slots.give(wide)
    assert slots.room(Needs(threads=3))


def test_a_stage_that_wants_more_threads_than_there_are_takes_them_all() -> None:
    slots = Slots(threads=2)
    small = slots.take(Needs())
    assert not slots.room(Needs(threads=8))
    slots.give(small)
    assert slots.take(Needs(threads=8)) == Grant(threads=2)
    assert not slots.room(Needs())


def test_a_stage_on_a_gpu_has_the_device_with_the_fewest_stages() -> None:
    slots = Slots(threads=8, gpus=["0", "1"], per_gpu=2)
    on_gpu = Needs(gpu=True)
    grants = [slots.take(on_gpu) for _ in range(4)]
    assert [grant.gpu for grant in grants] == ["0", "1", "0", "1"]
    assert not slots.room(on_gpu)
    assert slots.take(Needs()).gpu is None
    slots.give(grants[1])
    assert slots.take(on_gpu).gpu == "1"


def test_where_there_are_no_gpus_threads_are_enough() -> None:
    slots = Slots(threads=1)
    assert slots.take(Needs(gpu=True)) == Grant(threads=1)
    assert not slots.room(Needs(gpu=True))


def test_a_gpu_is_shared_only_while_it_has_memory() -> None:
    full = {"0", "1"}
    slots = Slots(threads=8, gpus=["0", "1"], per_gpu=3, has_memory=lambda gpu: gpu not in full)
    on_gpu = Needs(gpu=True)
    assert [slots.take(on_gpu).gpu for _ in range(2)] == ["0", "1"]  # empty devices are taken as they are
    assert not slots.room(on_gpu)
    full.remove("1")
    assert slots.take(on_gpu).gpu == "1"
    full.add("1")
    assert not slots.room(on_gpu)


def test_what_is_taken_and_given_in_any_order_never_exceeds_the_machine() -> None:
    generator = random.Random(0)
    for _ in range(50):
        threads, per_gpu = generator.randint(1, 8), generator.randint(1, 3)
        gpus = [str(number) for number in range(generator.randint(0, 3))]
        slots, held = Slots(threads, gpus, per_gpu), list[Grant]()
        for _ in range(100):
            needs = Needs(threads=generator.randint(1, 10), gpu=generator.random() < 0.5)
            if slots.room(needs):
                held.append(slots.take(needs))
            elif held:
                slots.give(held.pop(generator.randrange(len(held))))
            assert sum(grant.threads for grant in held) <= threads
            assert all(sum(grant.gpu == gpu for grant in held) <= per_gpu for gpu in gpus)
        for grant in held:
            slots.give(grant)
        assert slots.take(Needs(threads=math.ceil(1e6))) == Grant(threads)
