"""Results are published with what proves where they come from, and what does not fit is found."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from dla.core.errors import UserError
from dla.publish.chain import find_breaks
from dla.publish.machine import this_machine
from dla.publish.page import DRAWN, PAGE, README, best_lines, draw, make_page, with_best_lines
from dla.publish.record import RESULTS, Times, publish, read_lock, read_ran, read_settings
from dla.publish.workshop import open_workshop
from dla.repository import head

from .conftest import ROOT

FILES = {
    "params.yaml": "budget: demo\nx: 1\ny: {z: 1}\n",
    "versions.yaml": "numpy: '2'\n",
    ".gitignore": "/data\n/.results\n",
    "stages/a.py": "from pathlib import Path\nPath('data').mkdir(exist_ok=True)\nPath('data/a.txt').write_text('a')\n",
    "stages/b.py": (
        "from pathlib import Path\n"
        "for file in ('metrics/b.json', 'plots/train/b.csv', 'plots/cam/x/b.png', 'plots/tsne/b.csv'):\n"
        "    Path(file).parent.mkdir(parents=True, exist_ok=True)\n"
        "    Path(file).write_text('{\"b\": 1}')\n"
    ),
    "dvc.yaml": """
stages:
  a:
    cmd: python stages/a.py
    params: [x, versions.yaml: [numpy]]
    deps: [stages/a.py]
    outs: [data/a.txt]
  b:
    cmd: python stages/b.py
    params: [y]
    deps: [data/a.txt, stages/b.py]
    metrics: [metrics/b.json: {cache: false}]
    plots: [plots/train/b.csv: {cache: false}, plots/cam/x/b.png: {cache: false}, plots/tsne/b.csv: {cache: false}]
  report:
    cmd: mkdir -p report && touch report/index.html
    deps: [metrics, params.yaml]
    outs: [report]
""",
}


def run(place: Path, *command: str) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(command, cwd=place, check=True, env=os.environ | {"PATH": path})


def commit(place: Path) -> str:
    run(place, "git", "add", "--all")
    run(place, "git", "-c", "user.name=x", "-c", "user.email=x@x", "commit", "--quiet", "--message", "x")
    return head(place)


def publish_quick(root: Path) -> list[str]:
    """What `make results` does, but with `dvc repro`: `dla run` asks for this project's parameters."""
    here = head(root)
    workshop = open_workshop(root, "quick", here)
    run(workshop, "dvc", "repro", "--quiet")
    return publish(workshop, root / "results/quick", here, Times({"b": 2.0}, {"b": 1.0}))


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of two stages whose results are published and committed."""
    root = tmp_path_factory.mktemp("published")
    for name, content in FILES.items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(content)
    run(root, "git", "init", "--quiet")
    run(root, "dvc", "init", "--quiet")
    commit(root)
    assert publish_quick(root) == ["a", "b"]
    commit(root)
    return root


@pytest.fixture
def project(published: Path, tmp_path: Path) -> Path:
    """A copy of it that a test may change."""
    shutil.copytree(published, tmp_path / "project")
    return tmp_path / "project"


def test_what_is_published_is_small_and_ours_and_hangs_together(published: Path) -> None:
    folder = published / "results/quick"
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert files == {"dvc.lock", "params.yaml", "stages.json", "metrics/b.json", "plots/train/b.csv"}
    assert "budget: quick" in (folder / "params.yaml").read_text()
    assert {one.machine for one in read_ran(folder).values()} == {this_machine()}
    assert find_breaks(folder, published) == []


def replaced(file: str, old: str, new: str) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        text = (folder / file).read_text()
        assert old in text
        (folder / file).write_text(text.replace(old, new, 1))

    return edit


A = "0cc175b9c0f1b6a831c399e269772661"  # the MD5 of the letter a


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (replaced("metrics/b.json", "1", "2"), "metrics/b.json: no stage wrote it as it is"),
        (lambda folder: (folder / "plots/train/b.csv").unlink(), "plots/train/b.csv: is missing"),
        (replaced("dvc.lock", A, "1" * 32), "b: data/a.txt has the hash"),
        (replaced("dvc.lock", "x: 1", "x: 2"), "a: params.yaml: x is not what commit "),
        (replaced("dvc.lock", "numpy: '2'", "numpy: '3'"), "a: versions.yaml: numpy is not what commit "),
        (replaced("stages.json", '"commit": "', '"commit": "0'), "is not in this repository"),
        (replaced("stages.json", '"a"', '"c"'), "a: nothing says how it was run"),
    ],
)
def test_a_break_is_found(project: Path, edit: Callable[[Path], None], expected: str) -> None:
    edit(project / "results/quick")
    assert any(expected in told for told in find_breaks(project / "results/quick", project))


def test_code_that_is_not_the_commits_is_found(project: Path) -> None:
    (project / "stages/b.py").write_text(FILES["stages/b.py"] + "# another\n")
    other = commit(project)
    ran = json.loads((project / "results/quick/stages.json").read_text())
    ran["b"]["commit"] = other
    (project / "results/quick/stages.json").write_text(json.dumps(ran))
    (told,) = find_breaks(project / "results/quick", project)
    assert told.startswith("b: stages/b.py has the hash")


def test_what_has_not_changed_stays_of_the_commit_that_it_was_run_at(project: Path) -> None:
    before = read_ran(project / "results/quick")
    (project / "stages/b.py").write_text(FILES["stages/b.py"].replace('"b": 1', '"b": 2'))
    other = commit(project)
    assert publish_quick(project) == ["b"]
    after = read_ran(project / "results/quick")
    assert after["a"] == before["a"]
    assert after["b"].commit == other
    assert json.loads((project / "results/quick/metrics/b.json").read_text()) == {"b": 2}
    assert find_breaks(project / "results/quick", project) == []


def test_a_setting_that_changed_later_is_that_which_the_stage_ran_with(project: Path) -> None:
    """Of params.yaml and of instead.yaml: a stage that has not run again stays published."""
    folder = project / "results/quick"
    (folder / "instead.yaml").write_text("x: 2\n")
    commit(project)
    assert publish_quick(project) == ["a"]
    commit(project)
    (folder / "instead.yaml").write_text("x: 3\n")
    (project / "params.yaml").write_text("budget: demo\nx: 4\ny: {z: 5}\n")
    here = commit(project)
    workshop = open_workshop(project, "quick", here)
    assert publish(workshop, folder, here, Times({}, {})) == []
    assert YAML(typ="safe").load((folder / "params.yaml").read_text()) == {"budget": "quick", "x": 3, "y": {"z": 5}}
    assert read_settings(folder) == {"budget": "quick", "x": 2, "y": {"z": 1}}
    assert find_breaks(folder, project) == []


def test_a_stage_that_is_no_more_is_no_longer_published(project: Path) -> None:
    text = (project / "dvc.yaml").read_text()
    (project / "dvc.yaml").write_text(text[: text.index("  b:")])
    commit(project)
    assert publish_quick(project) == []
    assert read_lock(project / "results/quick") == {}  # nothing of what is left is a result
    assert not (project / "results/quick/metrics/b.json").exists()


def test_a_stage_that_was_cut_short_stays_published_as_it_was(project: Path) -> None:
    (project / "stages/b.py").write_text(FILES["stages/b.py"] + "# another\n")
    here = commit(project)
    workshop = open_workshop(project, "quick", here)
    (workshop / "metrics/b.json").unlink()  # as `dla run` does before it starts a stage
    before = read_lock(project / "results/quick")
    assert publish(workshop, project / "results/quick", here, Times({}, {})) == []
    assert read_lock(project / "results/quick") == before
    assert find_breaks(project / "results/quick", project) == []


def test_times_are_of_stages_that_have_run_since() -> None:
    earlier = Times({"a": 1.0, "b": 2.0}, {"a": 1.0})
    assert Times({"a": 1.0, "b": 3.0, "c": 4.0}, {"a": 1.0, "c": 0.0}).since(earlier) == Times({"b": 3.0, "c": 4.0}, {})


def test_a_name_that_is_no_budget_has_to_say_which(project: Path) -> None:
    with pytest.raises(UserError, match=r"^quik is no budget, and there is no results/quik/instead\.yaml"):
        open_workshop(project, "quik", head(project))


def test_settings_may_stand_in_the_place_of_those_of_the_project(project: Path) -> None:
    (project / "results/quick/instead.yaml").write_text("y: {z: 2, more: 3}\n")
    commit(project)
    workshop = open_workshop(project, "quick", head(project))
    found = YAML(typ="safe").load((workshop / "params.yaml").read_text())
    assert found == {"budget": "quick", "x": 1, "y": {"z": 2, "more": 3}}


def test_nothing_is_published_of_what_is_not_committed(project: Path) -> None:
    (project / "params.yaml").write_text("budget: demo\nx: 2\ny: {z: 1}\n")
    with pytest.raises(UserError, match=r"params\.yaml is not committed"):
        open_workshop(project, "quick", head(project))


# --- the published results of this project ---------------------------------------------------------------------

PUBLISHED = sorted(path for path in (ROOT / RESULTS).iterdir() if read_ran(path))


@pytest.mark.parametrize("folder", PUBLISHED, ids=lambda folder: folder.name)
def test_what_this_project_publishes_hangs_together(folder: Path) -> None:
    """The commits of the results must be here: in a shallow clone, `git fetch --unshallow` brings them."""
    assert read_lock(folder)
    assert find_breaks(folder, ROOT) == []


def test_every_number_of_the_page_and_of_readme_is_read_from_what_is_published() -> None:
    page = make_page(ROOT)
    assert (ROOT / PAGE).read_text() == page.text, "python -m dla.publish.page makes it anew"
    assert {path.name for path in (ROOT / DRAWN).iterdir()} == set(page.figures)
    readme = (ROOT / README).read_text()
    assert with_best_lines(readme, best_lines(ROOT)) == readme
    pairs = [ran.cpu for name, ran in read_ran(ROOT / "results/quick").items() if name.startswith("pair@")]
    row = next(line for line in page.text.splitlines() if "dvc repro repeats" in line)
    assert f"{sum(pairs) / 60:.1f} min of CPU" in row  # type: ignore[arg-type]
    first = next(iter(page.figures.values()))
    assert draw(first).startswith(b"\x89PNG")


def test_no_file_that_is_published_is_large_or_holds_anybodys_texts() -> None:
    for path in (ROOT / RESULTS).rglob("*"):
        if path.is_file():
            assert path.stat().st_size <= 2_000_000, path
            assert path.suffix in {".json", ".csv", ".png", ".txt", ".yaml", ".lock"}, path
            if path.suffix == ".csv":
                assert "text" not in path.read_text().splitlines()[0].split(","), path
