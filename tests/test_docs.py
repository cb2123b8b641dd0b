"""The documentation says what the code says, and what its guides say works."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from sklearn.datasets import load_digits

from dla.core.artifacts import read_table
from dla.core.errors import UserError
from dla.core.parameters import read_parameters
from dla.params.file import load_params
from dla.publish.findings import specification
from dla.site.drawn import file_name
from dla.site.tables import with_tables

from .conftest import ROOT
from .pages import PAGES, assert_shows, blocks, edit, follow

# --- tables of metrics ----------------------------------------------------------------------------------------


def test_a_table_of_metrics_is_filled_in(tmp_path: Path) -> None:
    content = {"data": "embedded", "with skips": {"mean": 0.123456, "p": None, "n": 10}}
    (tmp_path / "found.json").write_text(json.dumps(content))
    filled = with_tables("Before\n<!-- metrics mean p n\nfound: with skips\n-->\nafter", tmp_path)
    assert "| | `mean` | `p` | `n` |\n|---|---|---|---|\n| with skips | 0.1235 | none | 10 |\n" in filled
    assert filled.startswith("Before\n")
    assert filled.endswith("*The committed run, on embedded data.*\nafter")


@pytest.mark.parametrize("row", ["found", "lost"])
def test_a_table_of_metrics_that_are_not_there_is_an_error(tmp_path: Path, row: str) -> None:
    (tmp_path / "found.json").write_text("{}")
    with pytest.raises(UserError, match=row):
        with_tables(f"<!-- metrics test.accuracy\n{row}\n-->", tmp_path)


EXPLAINED = {
    "depth": ["train/cifar10-plain-20"],
    "skips": ["repeats", "gradients"],
    "cam": ["cam/cifar10-resnet34"],
    "features": [
        "classify/logreg",
        "classify/mlp",
        "finetune/finetune",
        "finetune/race-finetune",
        "rank/joint",
        "tsne/test",
    ],
    "dante": ["lm/dante"],
    "agents": ["agent/cartpole-ppo", "agent/navigation-ppo"],
}
GIVEN = {"ResNet34", "ConvNet34", "data", "validation", "test", "train"}  # names of contenders, explained by themselves


def keys(metrics: Mapping[str, Any]) -> Iterator[str]:
    """Names of what is measured; classes, seeds, depths and families are not."""
    for key, value in metrics.items():
        if not key.isdigit() and " " not in key:
            yield key
        if isinstance(value, dict):
            yield from keys(next(iter(value.values())) if key == "per_class" else value)


@pytest.mark.parametrize("name", EXPLAINED)
def test_every_key_of_the_metrics_is_explained(name: str) -> None:
    text = (ROOT / f"docs/{name}.md").read_text()
    words = set(re.findall(r"\w+", " ".join(re.findall(r"`([^`\n]+)`", text))))
    for file in EXPLAINED[name]:
        found = set(keys(json.loads((ROOT / f"metrics/{file}.json").read_text())))
        assert found - GIVEN <= words, file


# --- what pages show is well formed ---------------------------------------------------------------------------


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_blocks_are_well_formed(path: Path) -> None:
    for block in blocks(path):
        assert block.language in ("sh", "bash", "python", "text", "yaml")
        if block.language in ("sh", "bash"):
            done = subprocess.run(["bash", "-n", "-c", block.body], capture_output=True, text=True, check=False)
            assert done.returncode == 0, f"{block.body}\n{done.stderr}"
        elif block.language == "python":
            assert ast.parse(block.body).body


@pytest.mark.parametrize("path", [p for p in PAGES if p.stem != "own-model"], ids=lambda path: path.stem)
def test_settings_that_pages_show_are_valid(path: Path, project: Path) -> None:
    """Those of own-model.md need the model that the page adds: it is followed below."""
    shown = [b.body for b in blocks(path) if b.language == "yaml"]
    for block in [*shown, *re.findall(r"^    ```yaml\n(.*?)^    ```", path.read_text(), re.DOTALL | re.MULTILINE)]:
        shutil.copy(ROOT / "params.yaml", project)
        before = load_params()
        edit(project / "params.yaml", block)
        assert load_params() != before, block  # valid, and not what is there already


def test_links_of_the_readme_lead_to_files() -> None:
    links = re.findall(r"\]\(([^):#]+)\)", (ROOT / "README.md").read_text())
    assert len(links) > 10
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_what_is_shown_of_an_output_has_to_be_printed_in_order() -> None:
    printed = "Running stage 'a':\nloss 0.25  left 0:01\nfile:///tmp/dvc_plots/index.html\n"
    assert_shows(printed, "Running stage 'a':\n...\nloss 1.5 left 0:12\nfile:///.../index.html\n")
    for shown in ("loss 0.25 left 0:01\nRunning stage 'a':", "Running stage 'b':"):
        with pytest.raises(AssertionError):
            assert_shows(printed, shown)


def test_the_picture_of_the_readme_is_of_the_committed_results() -> None:
    drawn = specification(read_parameters(ROOT / "params.yaml"), ROOT)
    titles = [
        "Do deeper plain networks fail?",
        "Do skip connections help, and how sure are we?",
        "What do frozen features buy?",
    ]
    assert [chart["title"] for chart in drawn["hconcat"]] == titles
    rows = [drawn["datasets"][chart["data"]["name"]] for chart in drawn["hconcat"]]
    assert rows[2] == read_table(ROOT / "plots/labels/ag_news.csv")
    assert {row["run"] for row in rows[0]} == {
        "cifar10-plain-20",
        "cifar10-plain-56",
        "cifar10-residual-10",
        "cifar10-residual-20",
    }
    assert {row["seed"] for row in rows[1]} == set(range(1, 11))


def test_a_plot_has_a_name_as_a_file() -> None:
    assert file_name("plots/repeats/curves.csv") == "repeats-curves"
    assert file_name("Depth of CNNs on CIFAR-10") == "depth-of-cnns-on-cifar-10"


# --- after a run ----------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_site_is_built_strictly_and_loads_nothing_from_the_network(tmp_path: Path) -> None:
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    for path in [*PAGES, Path("reference.md")]:
        html = (tmp_path / f"{path.stem}.html").read_text()
        loaded = re.findall(r"<(?:script|img|link)[^>]* (?:src|href)=\"?([^\" >]+)", html)
        assert loaded
        assert not [address for address in loaded if "//" in address], path
        assert "<!-- metrics" not in html


@pytest.fixture
def clone(tmp_path: Path) -> tuple[Path, dict[str, str]]:
    """The commit, on main and alone, with the results of the run but not those of guides that were followed before."""
    project = tmp_path / "dla"
    project.mkdir()
    for arguments in (["init"], ["fetch", str(ROOT), "HEAD"], ["switch", "-C", "main", "FETCH_HEAD"]):
        subprocess.run(["git", *arguments, "--quiet"], cwd=project, check=True)
    who = {f"GIT_{role}_{what}": "guide@example.org" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | who | {"PATH": path, "PYTHONPATH": str(project / "src")}
    for folder in ("metrics", "plots"):
        shutil.copytree(ROOT / folder, project / folder, dirs_exist_ok=True)
    shutil.copy(ROOT / "dvc.lock", project)
    shutil.copy(ROOT / ".dvc/plots/offline.html", project / ".dvc/plots")
    (project / ".dvc/cache").mkdir()
    (project / ".dvc/cache/files").symlink_to(ROOT / ".dvc/cache/files")  # without the cache of runs beside it
    for command in ("git commit -qam run --allow-empty", "dvc checkout -q"):
        subprocess.run(command.split(), cwd=project, env=environment, check=True)
    return project, environment


@pytest.mark.slow
@pytest.mark.parametrize("name", ["change-one-thing", "own-model", "cluster"])
def test_a_guide_can_be_followed(name: str, clone: tuple[Path, dict[str, str]]) -> None:
    assert follow(ROOT / f"docs/{name}.md", *clone) > 0
    if name == "own-model":  # whose last words are that everything is up to date
        assert "cifar10-all-cnn" in (clone[0] / "report/index.html").read_text()


@pytest.mark.slow
def test_own_data_are_taken_in(clone: tuple[Path, dict[str, str]]) -> None:
    project, environment = clone
    digits = load_digits()
    for i, (pixels, digit) in enumerate(zip(digits.images[:300], digits.target[:300], strict=True)):
        folder = project / "photos" / ("train" if i % 5 else "test") / f"digit-{digit % 3}"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray((pixels * 15).astype("uint8")).save(folder / f"{i}.png")
    (project / "texts").mkdir()
    for split, chosen in (("train", [0, 1, 2, 3]), ("test", [4])):
        with (project / f"texts/{split}.csv").open("w") as stream:
            stream.write("text,label\n")
            for name in ("agents", "cam"):
                words = re.findall(r"\w+", (ROOT / f"docs/{name}.md").read_text())
                parts = [words[i : i + 10] for i in range(0, len(words), 10)]
                stream.writelines(f"{' '.join(p)},{name}\n" for i, p in enumerate(parts) if i % 5 in chosen)
    follow(ROOT / "docs/own-data.md", project, environment)
    names = ("classify/texts-words", "train/photos-cnn")
    words, photos = (json.loads((project / f"metrics/{name}.json").read_text()) for name in names)
    assert words["test"]["accuracy"] > 0.6  # of two classes, of nearly one size
    assert words["data"] == photos["data"] == "folder"
    assert "data/own/photos (a folder of this machine)" in (project / "report/index.html").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("name", EXPLAINED)
def test_commands_of_a_chapter_work_and_train_nothing(name: str, clone: tuple[Path, dict[str, str]]) -> None:
    follow(ROOT / f"docs/{name}.md", *clone)
    project, _ = clone
    changed = subprocess.run(["git", "status", "--short"], cwd=project, capture_output=True, text=True, check=True)
    assert changed.stdout == ""
