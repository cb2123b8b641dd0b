"""Every budget ends in a report: all stages through their scripts, one after another, on data of every kind.

The settings are those of params.yaml but for their size: the runs are as small as they can be.
"""

from __future__ import annotations

import gc
import hashlib
import json
import re
import runpy
import shutil
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest
import torch
from ruamel.yaml import YAML

from dla.data.raw import ABSENT, TEXT
from dla.params.effective import stages
from dla.params.file import load_params

from .conftest import ROOT
from .real import POEM, write_encoder, write_generator, write_pictures, write_questions, write_texts

Content = dict[str, Any]

# --- data -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for every data set and model that params.yaml names, and a file for the text."""
    folder, content = tmp_path_factory.mktemp("real"), read_params()
    for settings in content["data"].values():
        place = folder / settings["source"]
        if settings["kind"] == "images":
            write_pictures(place, (settings["image_column"], settings["label_column"]), settings["channels"])
        elif settings["kind"] == "texts":
            write_texts(place, (settings["text_column"], settings["label_column"]))
        elif settings["kind"] == "questions":
            write_questions(place)
        else:
            (folder / f"{settings['source']}.txt").write_text(POEM, encoding="utf-8")
    for name, source in content["sources"].items():
        if source["type"] == "model":
            (write_generator if name == content["generate"]["pretrained"] else write_encoder)(folder / name)
    return folder


def read_params() -> Content:
    content: Content = YAML(typ="safe").load((ROOT / "params.yaml").read_text())
    return content


def point_to(real: Path, content: Content) -> None:
    """Let every source be what lies in `real`."""
    for name, source in content["sources"].items():
        if source["type"] == "dataset":
            source |= {"repository": str(real / name), "files": {s: [f"{s}.parquet"] for s in source["files"]}}
        elif source["type"] == "model":
            source |= {"repository": str(real / name), "files": ["*"]}
        else:
            text = real / f"{name}.txt"
            source |= {"url": str(text), "sha256": hashlib.sha256(text.read_bytes()).hexdigest()}


def embed(real: Path, content: Content, raw: Path) -> None:
    """Leave what `download` would, had the dependencies these rows: making all that they have takes half a minute."""
    for name, source in content["sources"].items():
        shutil.rmtree(raw / name, ignore_errors=True)
        (raw / name).mkdir(parents=True)
        if source["type"] == "text":
            shutil.copy(real / f"{name}.txt", raw / name / TEXT)
        elif source["embedded"] == "nothing":
            (raw / name / ABSENT).touch()
        else:
            for file in (real / ("mnist" if source["embedded"] == "digits" else name)).iterdir():
                shutil.copy(file, raw / name / re.sub(r"\.parquet$", "-00000.parquet", file.name))


# --- size -----------------------------------------------------------------------------------------------------

CUTS: dict[str, dict[str, Any]] = {  # of the runs in a section
    "train": {"epochs": 1, "examples": 16, "batch_size": 8, "width": 4},
    "pair": {"epochs": 1, "examples": 16, "batch_size": 8, "width": 4},
    "gradients": {"steps": 2, "window": 2, "batch_size": 4, "width": 4, "depths": [2, 3]},
    "cam": {"pictures": 2, "scored": 2},
    "embed": {"examples": 64, "max_tokens": 48},
    "classify": {"epochs": 1},
    "labels": {"draws": 2},
    "finetune": {"epochs": 2, "examples": 48, "batch_size": 4, "max_tokens": 48},
    "tsne": {"points": 50},
    "rank": {"epochs": 1},
    "lm": {"epochs": 2, "steps": 2, "batch_size": 2, "context": 40, "layers": 1, "heads": 2, "width": 8},
    "generate": {"length": 5},
    "agent": {"seeds": [1], "steps": 1024, "episodes": 2, "validation_episodes": 2, "points": 2, "checkpoints": 1},
}
KEPT = {  # of the sections with many entries that are alike: what a chapter needs to say what it has to say
    "explained": ("imagenette-cnn",),
    "train": ("cifar10-plain-20", "cifar10-plain-56", "imagenette-cnn"),
    "agent": ("cartpole-ppo",),
}


def shrink(content: Content) -> None:
    """Cut every run under every budget."""
    for section, small in CUTS.items():
        alone = section in ("gradients", "cam", "generate")
        for run in [content[section]] if alone else content[section].values():
            run["cuts"] = dict.fromkeys(content["budgets"], cut_down(run, small))
    content["runtime"] |= {"device": "cpu", "precision": "float32", "compile": "never", "threads": 1}
    content["tracking"]["tensorboard"] = False
    content["repeats"]["seeds"] = content["repeats"]["seeds"][:2]


def cut_down(run: Content, small: Content) -> Content:
    """What of `small` the run has, and its width where it stands in `model`."""
    cuts = {key: value for key, value in small.items() if key in run or key == "examples"}
    if "model" in run:
        widths = run["model"].get("widths")
        cuts["model"] = {"widths": [small["width"]] * len(widths)} if widths else {"width": small["width"]}
    return cuts


def leave_out(content: Content) -> None:
    """Only the runs that are kept."""
    for section, names in KEPT.items():
        content[section] = {name: content[section][name] for name in names}


# --- every budget ---------------------------------------------------------------------------------------------


def run(project: Path, real: Path, budget: str, *, whole: bool = False, only: Collection[str] = ()) -> None:
    """The stages of a scratch project, in an order in which DVC could run them."""
    content = read_params() | {"budget": budget}
    point_to(real, content)
    shrink(content)
    if not whole:
        leave_out(content)
    YAML(typ="safe").dump(content, project / "params.yaml")
    source = content["budgets"][budget]["source"]
    if source == "embedded":
        embed(real, content, project / "data/raw")
    for stage in stages(load_params()):
        if (only and stage not in only) or (source == "embedded" and stage.startswith("download@")):
            continue
        script, _, name = stage.partition("@")
        try:
            runpy.run_path(f"stages/{script}.py")["main"](*filter(None, [name]))
        finally:
            gc.enable()  # a script that is run leaves it off while it imports


@pytest.fixture(autouse=True)
def threads() -> Any:
    """What stages set for a whole process is set back."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("budget", "whole"),
    [
        ("quick", False),
        *(pytest.param(budget, True, marks=pytest.mark.slow) for budget in ("demo", "quick", "full")),
    ],
)
def test_every_budget_ends_in_a_report(project: Path, real: Path, budget: str, whole: bool) -> None:
    run(project, real, budget, whole=whole)
    page = (project / "report/index.html").read_text()
    assert "Nothing of this has run yet." not in page
    assert "Not there yet" not in page
    assert ("Embedded data" in page) == (budget == "demo")
    assert re.search(r"does not know the characters \w*w", page)  # Dante has none
    found = {json.loads(file.read_text()).get("data") for file in (project / "metrics").rglob("*.json")} - {None}
    assert found == ({"embedded"} if budget == "demo" else {"folder", "file"})
    lm = json.loads((project / "metrics/lm/dante.json").read_text())
    assert set(lm["quality"]["held_out"]) >= {"known_words"} | ({"rhymes"} if budget != "demo" else set())


def test_results_of_two_budgets_on_one_page_each_say_their_own_data(project: Path, real: Path) -> None:
    run(project, real, "quick", only=("download@dante", "prepare@dante", "lm@dante"))
    run(project, real, "demo", only=("prepare@ag_news", "tfidf@tfidf", "report"))
    page = (project / "report/index.html").read_text()
    assert "<dd>embedded, file</dd>" in page
    assert f"Data: {real}/dante.txt (a file of this machine)." in page
    assert page.count("Embedded data, not the laboratories") == 1  # of the texts; not of the poem
