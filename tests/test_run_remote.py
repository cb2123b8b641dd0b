"""`dla run --cluster ADDRESS --remote NAME`: workers clone the commit, and share files by a DVC remote in a folder."""

from __future__ import annotations

import signal
import stat
from pathlib import Path

import psutil
import pytest

from tests.clusters import Farm, Project, wait_until

# An input that .dvc tracks, a folder of which a part is read, a metric that git has, a script: what may be read.
STAGES = """
stages:
  parts:
    cmd: pwd && cat data.txt && mkdir parts && echo 1 > parts/one && echo 2 > parts/two
    deps: [data.txt]
    outs: [parts]
  metric:
    cmd: cat parts/two > metric.json
    deps: [parts/two]
    metrics: [metric.json: {cache: false}]
  script:
    cmd: cat parts/one metric.json code.txt > script.sh && chmod +x script.sh && test ! -e unrelated
    deps: [parts, metric.json, code.txt]
    outs: [script.sh]
"""
ENDS_ON_REQUEST = """
stages:
  train:
    cmd: echo $$ >> PLACE/processes; echo x >> model; echo waiting; until test -e PLACE/request; do sleep 0.05; done
    outs: [model]
"""


def shared(folder: Path, stages: str, **files: str) -> Project:
    """A committed project with a remote in a folder beside it."""
    project = Project(folder / "project", stages.replace("PLACE", str(folder)))
    for name, content in files.items():
        (project.folder / f"{name}.txt").write_text(content)
    if "data" in files:
        project.do("dvc", "add", "--quiet", "data.txt")
    project.do("dvc", "remote", "add", "store", str(folder / "store"))
    project.do("git", "add", ".")
    project.do("git", "commit", "--quiet", "-m", "all")
    return project


def test_a_clone_leaves_what_a_serial_run_leaves(cluster: Farm, tmp_path: Path) -> None:
    project = shared(tmp_path, STAGES, data="data", code="code")
    (project.folder / "metric.json").write_text("of an earlier run")
    (project.folder / "unrelated").write_text("not known to git")
    code, output = project.run("--cluster", cluster.address, "--remote", "store")
    assert code == 0, output
    assert project.read("script.sh") == "1\n2\ncode"
    assert (project.folder / "script.sh").stat().st_mode & stat.S_IXUSR
    where, data = project.read("runs/logs/parts.log").splitlines()
    assert Path(where).is_relative_to(cluster.folder)
    assert data == "data"
    assert "up to date" in project.do("dvc", "status")
    by_workers = project.read("dvc.lock")
    for name in ("dvc.lock", "metric.json", "script.sh", "unrelated"):
        (project.folder / name).unlink()
    project.do("dvc", "repro", "--force", "--quiet")
    assert project.read("dvc.lock") == by_workers


@pytest.mark.slow
def test_what_was_made_here_is_pushed_for_a_stage_that_reads_it_there(cluster: Farm, tmp_path: Path) -> None:
    project = shared(tmp_path, STAGES, data="data", code="code")
    project.do("dvc", "repro", "--quiet", "parts")
    code, output = project.run("--cluster", cluster.address, "--remote", "store")
    assert code == 0, output
    assert "2 done, 2 unchanged" in output


@pytest.mark.slow
def test_a_command_that_fails_in_a_clone_shows_its_log_here(cluster: Farm, tmp_path: Path) -> None:
    project = shared(tmp_path, STAGES.replace("cat parts/two >", "echo no such thing; exit 7;"), data="data", code="c")
    code, output = project.run("--cluster", cluster.address, "--remote", "store")
    assert code == 1
    assert "no such thing" in output
    assert project.read("runs/logs/metric.log") == "no such thing\n"


@pytest.mark.slow
def test_a_stage_whose_worker_is_killed_is_begun_anew_in_another_clone(cluster: Farm, tmp_path: Path) -> None:
    project = shared(tmp_path, ENDS_ON_REQUEST)
    run = project.begin("--cluster", cluster.address, "--remote", "store")
    processes = tmp_path / "processes"
    wait_until(lambda: processes.exists() and processes.read_text().endswith("\n"), "the stage begins")
    wait_until(lambda: project.read("runs/logs/train.log") == "waiting\n", "the last line of its log is here")
    first = int(processes.read_text())
    cluster.worker_of(first).kill()
    wait_until(lambda: processes.read_text().count("\n") == 2, "it begins again")
    wait_until(lambda: not psutil.pid_exists(first), "the first one ends")
    (tmp_path / "request").touch()
    output, _ = run.communicate(timeout=60)
    assert run.returncode == 0, output
    assert project.read("model") == "x\n"


@pytest.mark.slow
def test_stages_in_clones_end_with_a_driver_that_is_killed(cluster: Farm, tmp_path: Path) -> None:
    project = shared(tmp_path, ENDS_ON_REQUEST)
    run = project.begin("--cluster", cluster.address, "--remote", "store")
    processes = tmp_path / "processes"
    wait_until(lambda: processes.exists() and processes.read_text().endswith("\n"), "the stage begins")
    run.send_signal(signal.SIGKILL)
    run.wait()
    wait_until(lambda: not psutil.pid_exists(int(processes.read_text())), "it ends")
    (tmp_path / "request").touch()
    code, output = project.run("--cluster", cluster.address, "--remote", "store")
    assert code == 0, output
    assert project.read("model") == "x\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("echo changed > code.txt", "code.txt is changed and not committed"),
        (
            "sed -i 's/, code.txt/, code.txt, new.txt/' dvc.yaml; git commit -qam a; touch new.txt",
            "script reads new.txt",
        ),
        ("git init -q --bare ../o; git remote add origin ../o", "is not in origin, where workers clone it: `git push`"),
        ("dvc remote remove store", "has no such DVC remote, only none"),
    ],
)
def test_what_workers_could_not_have_is_said_before_anything_runs(change: str, sentence: str, tmp_path: Path) -> None:
    project = shared(tmp_path, STAGES, data="data", code="code")
    project.do("sh", "-c", change)
    code, output = project.run("--cluster", "local:1", "--remote", "store")
    assert code == 2
    assert sentence in output
    assert project.read("runs/logs/parts.log") == ""


@pytest.mark.slow
def test_a_clone_that_cannot_be_made_is_the_failure_of_the_stage(cluster: Farm, tmp_path: Path) -> None:
    project = shared(tmp_path, STAGES, data="data", code="code")
    nowhere = tmp_path / "nowhere"
    code, output = project.run("--cluster", cluster.address, "--remote", "store", "--clone-from", str(nowhere))
    assert code == 1
    assert f"{nowhere} cannot be cloned" in output
