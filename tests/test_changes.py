"""What a pull request changes, as its comment tells it; and the branch that its pictures are pushed to."""

from __future__ import annotations

import re
import subprocess
from html import escape
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from PIL import Image
from ruamel.yaml import YAML

from dla.core.errors import UserError
from dla.site.changes import ROWS, gallery, table, write_changes

from .conftest import ROOT

DVC_YAML = """
params: [params.yaml]
metrics: [metrics.json]
plots:
  - "Loss of both":
      x: step
      y: {plots/loss.csv: loss}
  - plots/same.csv: {x: step, y: loss}
  - plots/photo.png
"""


def git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with two commits, tagged old and new, and a remote."""
    folder = tmp_path / "project"
    (folder / ".dvc").mkdir(parents=True)
    (folder / "plots").mkdir()
    monkeypatch.chdir(folder)
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "test")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "test@example.org")
    git("init", "-q")
    Path(".dvc/config").write_text("[core]\n    analytics = false\n")
    Path("dvc.yaml").write_text(DVC_YAML)
    Path("plots/same.csv").write_text("step,loss\n1,3\n2,2\n")
    for name, rate, loss in (("old", 0.1, 2.0), ("new", 0.2, 1.5)):
        Path("params.yaml").write_text(f"rate: {rate}\n")
        Path("metrics.json").write_text(f'{{"data": "embedded", "loss": {loss}}}\n')
        Path("plots/loss.csv").write_text(f"step,loss\n1,3\n2,{loss}\n")
        Image.new("RGB", (8, 8), (int(100 * rate), 0, 0)).save("plots/photo.png")
        git("add", ".")
        git("commit", "-qm", name)
        git("tag", name)
    git("init", "-q", "--bare", str(tmp_path / "remote.git"))
    git("remote", "add", "origin", str(tmp_path / "remote.git"))
    return folder


def test_the_comment_has_what_changed_and_only_that(repository: Path, tmp_path: Path) -> None:
    write_changes("old", "new", tmp_path / "changes")
    comment = " ".join((tmp_path / "changes/comment.md").read_text().split())
    assert "| `params.yaml` | `rate` | 0.1 | 0.2 |" in comment
    assert "| `metrics.json` | `loss` | 2 | 1.5 | -0.5 |" in comment
    assert "`Loss of both` ![loss-of-both](pictures/loss-of-both.png)" in comment
    assert "`plots/photo.png` ![photo](pictures/photo-old.png) ![photo](pictures/photo-new.png)" in comment
    assert "same" not in comment
    pictures = {file.name for file in (tmp_path / "changes/pictures").iterdir()}
    assert pictures == {"loss-of-both.png", "photo-old.png", "photo-new.png"}
    assert Image.open(tmp_path / "changes/pictures/loss-of-both.png").width > 100


def test_pictures_that_are_there_stay(repository: Path, tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures/photo.jpg").touch()
    with pytest.raises(UserError, match="pictures: is a folder that no stage wrote"):
        write_changes("old", "new", tmp_path)
    assert (tmp_path / "pictures/photo.jpg").exists()


EVIL = (
    "<img src=https://evil.example/x>",
    "@everyone",
    "[here](https://evil.example)",
    "https://evil.example",
    "`<b>`",
    "a|b",
    "a\n\n# b",
    "``",
)


@pytest.mark.parametrize("text", EVIL)
def test_what_a_branch_says_is_shown_and_not_obeyed(text: str) -> None:
    change = {text: {text: {"old": text, "new": 1}}}
    html = MarkdownIt("commonmark").enable("table").render(table("Parameters", change))
    row = re.search(r"<tbody>\s*<tr>(.*?)</tr>\s*</tbody>", html, re.DOTALL)
    assert row
    cells = re.findall(r"<td>(.*?)</td>", row[1], re.DOTALL)
    shown = " ".join(escape(text, quote=True).split())
    assert [" ".join(found.split()) for found in cells] == [*[f"<code>{shown}</code>"] * 3, "1"]
    assert "<a " not in html
    assert "<img" not in html


def test_a_title_and_a_plot_of_a_branch_are_shown_and_not_obeyed(repository: Path, tmp_path: Path) -> None:
    git("checkout", "-q", "-b", "<img>@everyone")
    Path("dvc.yaml").write_text(DVC_YAML.replace("Loss of both", "<img> @everyone"))
    git("commit", "-qam", "evil")
    write_changes("old", "<img>@everyone", tmp_path / "changes")
    comment = (tmp_path / "changes/comment.md").read_text()
    assert "from `old` to `<img>@everyone`\n" in comment
    assert "`<img> @everyone`\n\n![img-everyone](pictures/img-everyone.png)\n" in comment


def test_without_a_change_the_comment_says_so(repository: Path, tmp_path: Path) -> None:
    write_changes("new", "new", tmp_path / "changes")
    assert (tmp_path / "changes/comment.md").read_text().count("none changed") == 3
    assert list((tmp_path / "changes/pictures").iterdir()) == []


def test_an_unknown_revision_is_an_error(repository: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="odl"):
        write_changes("odl", "new", tmp_path / "changes")


def test_what_is_too_long_for_a_comment_is_cut_or_folded() -> None:
    cut = table("Metrics", {"a.json": {f"{i:03}": {"old": 1, "new": "long " * 1000} for i in range(ROWS + 5)}})
    assert f"| `{ROWS - 1:03}` |" in cut
    assert f"`{ROWS:03}`" not in cut
    assert len(cut) < 65536
    assert "and 5 more: `dvc metrics diff` shows them." in cut
    assert "<details><summary>3 more</summary>" in "".join(gallery([f"plot {i}" for i in range(9)]))


def publish(number: str, **pictures: str) -> str:
    folder = Path(f"../pictures-{number}")
    folder.mkdir(exist_ok=True)
    for file in folder.iterdir():
        file.unlink()
    for name, content in pictures.items():
        (folder / f"{name}.png").write_text(content)
    done = subprocess.run([ROOT / ".github/publish", folder, number], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_pictures_are_pushed_to_a_branch_of_their_own_and_stay(repository: Path) -> None:
    first = publish("12", loss="a", accuracy="b")
    second = publish("13", loss="c")
    third = publish("12", loss="d")
    shown = {place: git("show", f"{place.replace('/', ':')}/loss.png") for place in (first, second, third)}
    assert list(shown.values()) == ["a", "c", "d"]
    assert git("ls-tree", "-r", "--name-only", third.partition("/")[0]).split() == ["12/loss.png", "13/loss.png"]
    assert git("ls-remote", "origin", "pull-request-plots").split()[0] == third.partition("/")[0]
    assert git("rev-list", "--count", third.partition("/")[0]) == "3"
    assert git("status", "--short") == ""


def test_without_pictures_nothing_is_pushed(repository: Path) -> None:
    assert publish("12") == ""
    assert git("ls-remote", "origin") == ""


def test_every_step_of_the_workflows_is_a_valid_script() -> None:
    files = list((ROOT / ".github/workflows").glob("*.yml"))
    jobs = [job for file in files for job in YAML(typ="safe").load(file.read_text())["jobs"].values()]
    scripts = [step["run"] for job in jobs for step in job["steps"] if "run" in step]
    assert len(scripts) > len(files)
    for script in scripts:
        done = subprocess.run(["bash", "-n", "-c", script], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{script}\n{done.stderr}"
