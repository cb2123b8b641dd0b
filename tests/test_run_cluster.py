"""`dla run --cluster` on a real scheduler with two worker processes that share the project's folder."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import dask
import psutil
import pytest
from distributed import LocalCluster
from distributed.security import Security

from dla.core.errors import UserError
from dla.run.cluster.connection import connect
from dla.run.cluster.executor import ClusterExecutor
from dla.run.cluster.seats import Seat, Seats
from dla.run.task import Ended, Executor, Needs, Task
from tests.clusters import Farm, Project, wait_until

# b and c wait for each other, and so need two workers.
BOTH = "test -s worker-of-b -a -s worker-of-c"
DIAMOND = f"""
stages:
  a:
    cmd: echo a > a.txt
    outs: [a.txt]
  b:
    cmd: cut -d' ' -f4 /proc/$PPID/stat > worker-of-b; cat a.txt > b.txt; until {BOTH}; do sleep 0.05; done
    deps: [a.txt]
    outs: [b.txt]
  c:
    cmd: cut -d' ' -f4 /proc/$PPID/stat > worker-of-c; cat a.txt > c.json; until {BOTH}; do sleep 0.05; done; echo c
    deps: [a.txt]
    metrics: [c.json: {{cache: false}}]
  d:
    cmd: cat b.txt c.json > d.txt
    deps: [b.txt, c.json]
    outs: [d.txt]
"""
# Goes on only from what it has kept, so that it ends by itself when it is started a second time.
RESUMES = """
stages:
  train:
    cmd: echo $$ > process; echo x >> model; test -e checkpoint || { touch checkpoint; sleep 600; }
    outs: [model]
  test:
    cmd: cp model tested
    deps: [model]
    outs: [tested]
"""
NEVER_ENDS = """
stages:
  train:
    cmd: echo $$ > process; touch model; exec sleep 600
    outs: [model]
"""


def running(project: Project) -> int:
    """The process of the stage that has just begun."""
    wait_until(lambda: project.read("process").endswith("\n"), "the stage begins")
    process = int(project.read("process"))
    (project.folder / "process").unlink()
    return process


def drive(executor: Executor, *tasks: Task) -> dict[str, Ended]:
    """Run the tasks, each as soon as there is room."""
    waiting, ended = list(tasks), dict[str, Ended]()
    while len(ended) < len(tasks):
        while waiting and executor.room(waiting[0].needs):
            executor.start(waiting.pop(0))
        ended |= {end.name: end for end in executor.wait(1.0)}
    return ended


def test_two_workers_leave_what_a_serial_run_leaves(cluster: Farm, tmp_path: Path) -> None:
    project = Project(tmp_path / "project", DIAMOND)
    code, output = project.run("--cluster", cluster.address)
    assert code == 0, output
    assert {int(project.read(f"worker-of-{stage}")) for stage in "bc"} == {worker.pid for worker in cluster.workers}
    assert project.read("dvc.lock") == project.serial_lock("worker-of-b", "worker-of-c")
    assert project.read("runs/logs/c.log") == "c\n"
    assert "up to date" in project.do("dvc", "status")


@pytest.mark.slow
def test_workers_that_are_started_for_the_run_leave_the_same(tmp_path: Path) -> None:
    project = Project(tmp_path / "project", DIAMOND)
    code, output = project.run("--cluster", "local:2")
    assert code == 0, output
    assert project.read("dvc.lock") == project.serial_lock("worker-of-b", "worker-of-c")
    assert project.processes() == []


def test_a_command_that_fails_is_run_once_and_what_depends_on_it_not_at_all(cluster: Farm, tmp_path: Path) -> None:
    stages = DIAMOND.replace("cat a.txt > b.txt;", "echo once >> tries; exit 7;")
    project = Project(tmp_path / "project", stages)
    code, output = project.run("--cluster", cluster.address, "--keep-going")
    assert code == 1
    assert "exit code 7" in output
    assert project.read("tries") == "once\n"
    assert project.read("c.json") == "a\n"
    assert project.read("d.txt") == ""


def test_a_stage_whose_worker_is_killed_goes_on_from_its_checkpoint_on_another(cluster: Farm, tmp_path: Path) -> None:
    project = Project(tmp_path / "project", RESUMES)
    run = project.begin("--cluster", cluster.address)
    first = running(project)
    cluster.worker_of(first).kill()
    wait_until(lambda: not psutil.pid_exists(first), "the stage ends with its worker")
    output, _ = run.communicate(timeout=60)
    assert run.returncode == 0, output
    assert "train: its worker" in output
    assert project.read("tested") == "x\n", "what the first attempt had written is removed"
    assert project.read("dvc.lock") == project.serial_lock("checkpoint")


@pytest.mark.slow
def test_a_stage_that_loses_two_workers_has_failed(cluster: Farm, tmp_path: Path) -> None:
    project = Project(tmp_path / "project", NEVER_ENDS)
    run = project.begin("--cluster", cluster.address)
    for _ in range(2):
        cluster.worker_of(running(project)).kill()
    output, _ = run.communicate(timeout=60)
    assert run.returncode == 1
    assert "its worker was lost 2 times" in output
    assert project.processes() == []


@pytest.mark.slow
def test_a_worker_that_leaves_in_order_gives_its_stage_to_another(cluster: Farm, tmp_path: Path) -> None:
    project = Project(tmp_path / "project", RESUMES)
    run = project.begin("--cluster", cluster.address)
    worker = cluster.worker_of(running(project))
    worker.send_signal(signal.SIGTERM)
    output, _ = run.communicate(timeout=60)
    assert run.returncode == 0, output
    assert worker.wait(timeout=30) is not None
    assert project.read("tested") == "x\n"


def test_stages_end_with_a_driver_that_is_killed_and_the_next_run_goes_on(cluster: Farm, tmp_path: Path) -> None:
    project = Project(tmp_path / "project", RESUMES)
    run = project.begin("--cluster", cluster.address)
    first = running(project)
    run.kill()
    run.wait()
    wait_until(lambda: not psutil.pid_exists(first), "the stage ends")
    code, output = project.run("--cluster", cluster.address)
    assert code == 0, output
    assert project.read("dvc.lock") == project.serial_lock("checkpoint")
    assert [worker.poll() for worker in cluster.workers] == [None, None]


@pytest.mark.slow
def test_stages_end_with_the_scheduler_and_the_driver_says_that_it_is_gone(tmp_path: Path) -> None:
    farm = Farm(tmp_path)
    farm.keep_workers(1)
    project = Project(tmp_path / "project", NEVER_ENDS)
    run = project.begin("--cluster", farm.address)
    stage = running(project)
    farm.scheduler.kill()
    wait_until(lambda: not psutil.pid_exists(stage), "the stage ends")
    output, _ = run.communicate(timeout=60)
    farm.close()
    assert run.returncode == 2
    assert output.splitlines()[-1].startswith(f"error: the Dask scheduler at {farm.address} is gone: start it")


@pytest.mark.slow
def test_an_interrupt_ends_the_stages_and_leaves_the_workers(cluster: Farm, tmp_path: Path) -> None:
    stages = NEVER_ENDS.replace("exec sleep 600", "trap 'echo interrupted; exit 1' INT; while :; do sleep 0.05; done")
    project = Project(tmp_path / "project", stages)
    run = project.begin("--cluster", cluster.address)
    stage = running(project)
    run.send_signal(signal.SIGINT)
    output, _ = run.communicate(timeout=60)
    assert run.returncode == 130, output
    assert not psutil.pid_exists(stage)
    assert project.read("runs/logs/train.log") == "interrupted\n"
    assert [worker.poll() for worker in cluster.workers] == [None, None]


@pytest.mark.slow
def test_a_worker_without_the_folder_is_told_of_in_a_sentence(cluster: Farm, tmp_path: Path) -> None:
    executor = ClusterExecutor(cluster.address, tmp_path, note=lambda text: None)
    for proof in tmp_path.iterdir():
        proof.unlink()
    with pytest.raises(UserError, match=f"does not see {tmp_path}: mount the project's folder there"):
        drive(executor, task("blind", tmp_path, "true"))
    executor.stop()


@pytest.mark.slow
def test_a_run_without_workers_says_so_and_goes_on_when_one_comes(tmp_path: Path) -> None:
    notes: list[str] = []
    with LocalCluster(n_workers=0, threads_per_worker=1, dashboard_address="127.0.0.1:0") as local:
        executor = ClusterExecutor(local.scheduler_address, tmp_path, note=notes.append)
        while not notes:
            assert not executor.room(Needs())
            executor.wait(1.0)
        local.scale(1)
        ended = drive(executor, task("late", tmp_path, "true"))
        executor.stop()
    assert ended["late"].code == 0
    assert [note for note in notes if "no worker at tcp://" in note] == notes[:1]


@pytest.mark.slow
def test_stages_with_threads_share_a_worker_only_as_far_as_it_has_threads(tmp_path: Path) -> None:
    with LocalCluster(n_workers=1, threads_per_worker=3, dashboard_address="127.0.0.1:0") as local:
        executor = ClusterExecutor(local.scheduler_address, tmp_path, note=lambda text: None)
        says_threads = "echo $OMP_NUM_THREADS $MALLOC_TRIM_THRESHOLD_ >> threads"
        begin_and_end = f"echo begin >> order; {says_threads}; sleep 0.3; echo end >> order"
        drive(executor, *(task(name, tmp_path, begin_and_end, threads=2) for name in "ab"))
        executor.stop()
    assert (tmp_path / "order").read_text().split() == ["begin", "end", "begin", "end"]
    assert (tmp_path / "threads").read_text().split() == ["1", "1"], "as OMP_NUM_THREADS of this test says"


@pytest.mark.slow
def test_each_stage_for_a_gpu_has_a_device_of_its_own_and_the_others_see_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,7,6")
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:/bin:/usr/bin")
    devices = 'echo "${CUDA_VISIBLE_DEVICES-unset}" >> '
    with LocalCluster(
        n_workers=1, threads_per_worker=4, resources={"GPU": 2}, dashboard_address="127.0.0.1:0"
    ) as local:
        executor = ClusterExecutor(local.scheduler_address, tmp_path, note=lambda text: None)
        tasks = [task(name, tmp_path, f"{devices} gpus; sleep 0.3", gpu=True) for name in "abc"]
        drive(executor, *tasks, task("cpu", tmp_path, f"{devices} none"))
        executor.stop()
    first, second, third = (tmp_path / "gpus").read_text().split()
    assert {first, second} == {"5", "7"}
    assert third in {"5", "7"}, "it has waited: there are two"
    assert (tmp_path / "none").read_text() == "\n"


@pytest.mark.slow
@pytest.mark.parametrize("address", ["local:0", "local:two", "localhost:8786", "tls://localhost:8786"])
def test_an_address_that_is_none_is_told_of(address: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"--cluster {address}: "):
        ClusterExecutor(address, tmp_path)


@pytest.mark.slow
def test_certificates_of_a_scheduler_with_tls_are_those_of_dask_s_own_configuration(tmp_path: Path) -> None:
    security = Security.temporary()
    files = {"ca-file": security.tls_ca_file, "cert": security.tls_client_cert, "key": security.tls_client_key}
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    known = {
        "distributed.comm.tls.ca-file": str(tmp_path / "ca-file"),
        "distributed.comm.tls.client.cert": str(tmp_path / "cert"),
        "distributed.comm.tls.client.key": str(tmp_path / "key"),
    }
    with LocalCluster(n_workers=0, security=security, dashboard_address="127.0.0.1:0") as local, dask.config.set(known):
        assert local.scheduler_address.startswith("tls://")
        connect(local.scheduler_address).close()


def seats(*sizes: tuple[int, int]) -> Seats:
    """Workers by threads and GPUs, called by their position."""
    seats = Seats()
    for number, (threads, gpus) in enumerate(sizes):
        seats.add(Seat.of(str(number), "host", threads, gpus, 1))
    return seats


def chosen(seats: Seats, needs: Needs) -> str | None:
    """The worker that a stage is given to, which then has it."""
    seat = seats.choose(needs)
    if seat is None:
        return None
    seat.take(needs)
    return seat.address


@pytest.mark.slow
def test_the_worker_with_the_least_to_do_is_chosen() -> None:
    workers = seats((2, 0), (4, 0))
    assert [chosen(workers, Needs()) for _ in range(7)] == ["0", "1", "1", "0", "1", "1", None]


@pytest.mark.slow
def test_a_stage_with_many_threads_takes_a_worker_that_has_the_most() -> None:
    workers = seats((1, 0), (4, 0))
    assert chosen(workers, Needs(threads=8)) == "1"
    assert chosen(workers, Needs(threads=2)) is None, "though worker 0 is free: it has one thread"
    assert chosen(workers, Needs()) == "0"


@pytest.mark.slow
def test_a_stage_for_a_gpu_waits_for_one_where_there_has_been_one_and_leaves_the_others_alone() -> None:
    workers = seats((2, 0), (2, 1))
    assert chosen(workers, Needs()) == "0"
    assert chosen(workers, Needs(gpu=True)) == "1"
    assert chosen(workers, Needs(gpu=True)) is None
    workers.keep({"0"})
    assert chosen(workers, Needs(gpu=True)) is None
    assert chosen(seats((1, 0)), Needs(gpu=True)) == "0", "where there never was one it computes on the CPU"


def task(name: str, folder: Path, command: str, threads: int = 1, gpu: bool = False) -> Task:
    return Task(name, (command,), folder, folder / f"{name}.log", needs=Needs(threads, gpu))
