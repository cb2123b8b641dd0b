"""`dla verify`: what is equal to the committed results, what nearly, and what is not."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from dla.cli.main import main
from dla.verify.comparison import Compared, Verdict, compare, lines, summary

from . import foreign

METRIC = {
    "data": "embedded",
    "n": 300,
    "test": {"loss": 0.25, "accuracy": 0.5, "by": [1.0, 2.0]},
    "p": 0.0,
    "none": None,
    "is_best": True,
}


def verdicts(committed: object, now: object) -> dict[str, Verdict]:
    compared = compare("m.json", json.dumps(committed).encode(), json.dumps(now).encode(), is_metric=True)
    return {result.place.removeprefix("m.json: "): result.verdict for result in compared}


def test_every_value_of_the_same_metrics_is_equal() -> None:
    found = verdicts(METRIC, METRIC)
    assert set(found.values()) == {Verdict.EQUAL}
    assert list(found) == ["data", "n", "test.loss", "test.accuracy", "test.by.0", "test.by.1", "p", "none", "is_best"]


@pytest.mark.parametrize(
    ("before", "after", "verdict"),
    [
        (0.25, 0.25 * (1 + 5e-7), Verdict.WITHIN),
        (0.25, 0.25 * (1 + 5e-6), Verdict.DIFFERENT),
        (1e-12, 3e-10, Verdict.WITHIN),
        (0.0, 1e-8, Verdict.DIFFERENT),
        (1, 1.0, Verdict.WITHIN),  # the same number, written otherwise
        (10_000_000, 10_000_001, Verdict.DIFFERENT),
        (True, 1, Verdict.DIFFERENT),
        ("a", "b", Verdict.DIFFERENT),
        (None, 0.0, Verdict.DIFFERENT),
    ],
)
def test_only_numbers_that_are_no_counts_may_differ_within_the_tolerance(
    before: object, after: object, verdict: Verdict
) -> None:
    assert verdicts({"x": before}, {"x": after}) == {"x": verdict}


def test_a_metric_that_comes_or_goes_is_different() -> None:
    assert verdicts({"a": 1, "b": 2}, {"b": 2, "c": 3}) == {
        "a": Verdict.DIFFERENT,
        "b": Verdict.EQUAL,
        "c": Verdict.DIFFERENT,
    }


@pytest.mark.parametrize(
    ("committed", "now", "result"),
    [
        ("x,y\n1,0.5\n", "x,y\n1,0.5\n", Compared("t.csv", Verdict.EQUAL)),
        ("x,y\n1,0.5\n", "x,y\n1,0.50000001\n", Compared("t.csv", Verdict.WITHIN, "row 1, y: 0.5 → 0.50000001")),
        ("x,y\n1,0.5\n1,0.5\n", "x,y\n1,0.50000001\n2,0.5\n", Compared("t.csv", Verdict.DIFFERENT, "row 2, x: 1 → 2")),
        ("x,y\n1,a\n", "x,y\n1,b\n", Compared("t.csv", Verdict.DIFFERENT, "row 1, y: a → b")),
        ("x,y\n1,0.5\n", "x,y\n", Compared("t.csv", Verdict.DIFFERENT, "1 rows → 0 rows")),
        ("x,y\n1,0.5\n", "x,z\n1,0.5\n", Compared("t.csv", Verdict.DIFFERENT, "has other columns")),
        ("x,y\n1,0.5\n", "x,y\r\n1,0.5\r\n", Compared("t.csv", Verdict.WITHIN, "is written otherwise")),
        ("x,y\n1,0.5\n", "x,y\n1\n", Compared("t.csv", Verdict.DIFFERENT, "10 bytes → 6 bytes")),
    ],
)
def test_a_table_is_as_its_worst_cell(committed: str, now: str, result: Compared) -> None:
    assert compare("t.csv", committed.encode(), now.encode()) == [result]


def test_what_is_no_table_or_json_is_equal_in_all_its_bytes_or_different() -> None:
    assert compare("a.png", b"abc", b"abc") == [Compared("a.png", Verdict.EQUAL)]
    assert compare("a.png", b"abc", b"ab") == [Compared("a.png", Verdict.DIFFERENT, "3 bytes → 2 bytes")]
    (broken,) = compare("m.json", b"{}", b"{", is_metric=True)
    assert (broken.place, broken.verdict) == ("m.json", Verdict.DIFFERENT)


def test_the_summary_counts_metrics_and_files_apart() -> None:
    results = compare("m.json", b'{"a": 1.0, "b": 2}', b'{"a": 1.0000001, "b": 3}', is_metric=True)
    results += compare("p.csv", b"x\n1\n", None)
    assert summary(results) == (
        "metrics: 0 equal to the committed ones, 1 within 1e-06 of them, 1 different; "
        "files: 0 equal to the committed ones, 0 within 1e-06 of them, 1 different"
    )
    assert list(lines(results)) == [
        "within 1e-06  m.json: a  1.0 → 1.0000001",
        "different     m.json: b  2 → 3",
        "different     p.csv  is missing",
    ]
    assert summary([]) == ""


# --- the command, in a small project ------------------------------------------------------------------------------

STAGES = """\
stages:
  rows:
    cmd: seq $(cat count) > rows.txt; RECORDS
    deps: [count]
    outs: [rows.txt]
  score:
    cmd: python score.py && cp rows.txt kept.txt && RECORDS
    deps: [rows.txt]
    outs: [kept.txt]
    metrics:
      - score.json: {cache: false}
    plots:
      - roots.csv: {cache: false}
"""
SCORE = """\
import json
from math import sqrt
from pathlib import Path

n = len(Path("rows.txt").read_text().splitlines())
Path("score.json").write_text(json.dumps({"n": n, "root": sqrt(n) + float(Path("noise").read_text())}))
Path("roots.csv").write_text("\\n".join(["i,root", *(f"{i},{sqrt(i)}" for i in range(n)), ""]))
"""


def git(root: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True)


def verify(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return foreign.dla_command(root, "verify", *arguments)


@pytest.fixture
def committed(tmp_path: Path) -> Path:
    """A project of two stages that has been run, with its results committed."""
    root = foreign.begin(tmp_path / "project", STAGES)
    (root / "score.py").write_text(SCORE)
    (root / "count").write_text("3\n")
    (root / "noise").write_text("0\n")
    (root / ".gitignore").write_text("/runs\n")
    done = foreign.dla(root)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "metrics:" not in done.stdout  # nothing is committed
    git(root, "add", "--all")
    git(root, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "--message", "results")
    foreign.ran(root)
    return root


def write_root(root: Path, number: float) -> None:
    (root / "score.json").write_text(json.dumps({"n": 3, "root": number}))


def test_results_of_the_folder_are_compared(committed: Path) -> None:
    done = verify(committed)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        "metrics: 2 equal to the committed ones, 0 within 1e-06 of them, 0 different; "
        "files: 1 equal to the committed ones, 0 within 1e-06 of them, 0 different\n"
    )
    write_root(committed, 3**0.5 + 1e-8)
    done = verify(committed)
    assert done.returncode == 1
    assert done.stdout.startswith("within 1e-06  score.json: root  1.7320508075688772 → 1.7320508")
    assert "\nmetrics: 1 equal to the committed ones, 1 within 1e-06 of them, 0 different; " in done.stdout
    write_root(committed, 1.8)
    (committed / "roots.csv").unlink()
    done = verify(committed)
    assert done.returncode == 1
    assert done.stdout.splitlines()[:2] == [
        "different     roots.csv  is missing",
        "different     score.json: root  1.7320508075688772 → 1.8",
    ]
    assert foreign.ran(committed) == []


def test_a_run_ends_with_the_comparison(committed: Path) -> None:
    assert foreign.dla(committed).stdout.endswith(
        "metrics: 2 equal to the committed ones, 0 within 1e-06 of them, 0 different; "
        "files: 1 equal to the committed ones, 0 within 1e-06 of them, 0 different\n"
    )
    (committed / "count").write_text("4\n")
    assert "metrics: 0 equal to the committed ones, 0 within 1e-06 of them, 2 different; " in (
        foreign.dla(committed).stdout
    )


def test_a_stage_is_run_anew_in_a_clone_and_nothing_here_changes(
    committed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (temporary := tmp_path / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    (committed / "noise").write_text("7\n")  # here, and not in the commit
    before = foreign.contents(committed)
    done = verify(committed, "score")
    assert (done.returncode, foreign.ran(committed)) == (0, ["score"]), done.stderr
    assert done.stdout == (
        "metrics: 2 equal to the committed ones, 0 within 1e-06 of them, 0 different; "
        "files: 2 equal to the committed ones, 0 within 1e-06 of them, 0 different\n"
    )
    assert foreign.contents(committed) == before
    assert not list(temporary.glob("dla-verify-*"))


def commit_noise(root: Path) -> None:
    (root / "noise").write_text("1\n")  # which no dep of the stage names
    git(root, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "--all", "--message", "noise")


@pytest.mark.parametrize(("arguments", "ran"), [(["score"], ["score"]), (["--all"], ["rows", "score"])])
def test_a_stage_that_comes_out_otherwise_is_said(committed: Path, arguments: list[str], ran: list[str]) -> None:
    commit_noise(committed)
    done = verify(committed, *arguments)
    assert (done.returncode, foreign.ran(committed)) == (1, ran), done.stderr
    assert done.stdout.splitlines()[0] == "different     score.json: root  1.7320508075688772 → 2.732050807568877"


def test_all_needs_no_cache_and_a_stage_says_what_it_needs(committed: Path, tmp_path: Path) -> None:
    fresh = tmp_path / "fresh"
    git(tmp_path, "clone", "--quiet", str(committed), str(fresh))
    done = verify(fresh, "score")
    assert (done.returncode, done.stdout) == (2, "")
    assert "error: rows.txt: what is committed is not in the cache" in done.stderr
    done = verify(fresh, "--all")
    assert (done.returncode, foreign.ran(fresh)) == (0, ["rows", "score"]), done.stderr
    assert "metrics: 2 equal" in done.stdout
    assert not (fresh / "rows.txt").exists()


def test_a_stage_that_fails_or_is_not_there_is_an_error(committed: Path) -> None:
    done = verify(committed, "scroe")
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    (committed / "noise").write_text("no number\n")
    git(committed, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "--all", "--message", "broken")
    done = verify(committed, "score")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-1] == "error: a stage could not be run anew; what it says stands above"


def test_a_termination_ends_the_command_in_the_clone_too(tmp_path: Path) -> None:
    command = (
        "import signal, sys\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))\n"
        "print('ready', flush=True)\n"
        "signal.pause()\n"
    )
    (tmp_path / "dvc.yaml").touch()
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from dla.verify.scratch import run_in\n"
        f"sys.exit(run_in(Path(), Path(), ['-c', {command!r}]))\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE, text=True, cwd=tmp_path) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "ready\n"
        process.terminate()
        assert process.wait() == 7


def test_without_a_commit_there_is_nothing_to_compare_with(tmp_path: Path) -> None:
    root = foreign.begin(tmp_path / "project", STAGES)
    done = verify(root)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: git ")
    assert done.stderr.count("\n") == 1


def test_the_names_of_stages_do_not_go_with_all(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "--all", "score"]) == 2
    assert "--all runs every stage anew" in capsys.readouterr().err
