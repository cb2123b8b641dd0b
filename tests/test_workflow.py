"""dvc.yaml: deps are what the code imports, and only what changed is out of date."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from dvc.dependency.param import ParamsDependency
from dvc.repo import Repo
from ruamel.yaml import YAML

from dla.params.effective import stages
from dla.params.file import load_params

from .conftest import ROOT

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
    """Every stage of dvc.yaml as DVC reads it, with its deps and outs interpolated."""
    return {
        stage.addressing: {
            "deps": sorted(dep.def_path for dep in stage.deps if not isinstance(dep, ParamsDependency)),
            "outs": sorted(out.def_path for out in stage.outs),
        }
        for stage in Repo(str(ROOT)).index.stages
    }


PARAMS = load_params(ROOT / "params.yaml")
STAGES = resolved()


def test_dla_params_knows_every_stage() -> None:
    assert set(stages(load_params(ROOT / "params.yaml"))) == set(STAGES)


def chosen_by_name(stage: str) -> list[Path]:
    """The modules that a stage's script imports by a name from params.yaml."""
    params, (script, _, name) = load_params(ROOT / "params.yaml"), stage.partition("@")
    if script == "train":
        return [ROOT / f"src/dla/models/{params.train[name].model.family}.py"]
    if script == "pair":
        return [ROOT / f"src/dla/models/{contender.model.family}.py" for contender in params.pair]
    if script == "gradients":
        return [ROOT / "src/dla/models/deep_cnn.py"]
    if script == "cam":
        return [ROOT / f"src/dla/models/{params.train[name].model.family}.py"]
    if script == "prepare":  # what any kind imports, whatever the kind: DVC's lists of deps do not depend on a key
        modules = (params.data[name].kind, "pixels", "raw", "sources")
        return [ROOT / f"src/dla/data/{module}.py" for module in modules]
    return []


def code(dep: str) -> list[str]:
    """The Python files that a dep stands for: itself, or those of a folder that hold more than a docstring."""
    folder = ROOT / dep if dep.startswith("src/") else ROOT / "none"
    files = [file for file in folder.rglob("*.py") if file.name != "__init__.py"]
    return [dep] if dep.endswith(".py") else [str(file.relative_to(ROOT)) for file in files]


@pytest.mark.parametrize("stage", STAGES)
def test_deps_are_the_script_and_all_that_it_imports(stage: str) -> None:
    script = ROOT / "stages" / f"{stage.partition('@')[0]}.py"
    assert {file for dep in STAGES[stage]["deps"] for file in code(dep)} == closure(script, *chosen_by_name(stage))


def test_a_stage_says_what_it_takes_of_the_machine() -> None:
    """Threads if it reads `runtime`, and a GPU if it asks torch for one, be it only to name it as the report does."""
    for stage in Repo(str(ROOT)).index.stages:
        read = {key for dep in stage.deps if isinstance(dep, ParamsDependency) for key in dep.params}
        script = stage.name.partition("@")[0]
        expected: dict[str, object] = {"threads": PARAMS.runtime.threads} if "runtime" in read else {}
        if (expected and script != "tsne") or script == "report":
            expected["gpu"] = True
        assert (stage.meta or {}) == expected, stage.name


def test_packages_hold_no_code_of_their_own_so_they_need_not_be_deps() -> None:
    for file in (ROOT / "src/dla").rglob("__init__.py"):
        assert all(isinstance(node, ast.Expr) for node in ast.parse(file.read_text()).body), file


@pytest.mark.parametrize("script", ["download", "prepare", "repeats", "tfidf", "tsne", "agents"])
def test_a_stage_that_trains_no_net_does_not_import_torch(script: str) -> None:
    kinds = "dla.data.kinds.images, dla.data.kinds.texts, dla.data.kinds.questions, dla.data.kinds.corpus" if script == "prepare" else "dla"
    code = f"import sys; sys.path.insert(0, 'stages'); import {script}, {kinds}; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout == "False\n", done.stderr


def test_imports_run_one_way() -> None:
    """stages -> cli, report, site, doctor -> params -> vision, text, language, rl -> training -> models, data -> core."""
    floors = ["core", "figures", "run", "statistics", "data models pretrained", "training", "vision text language rl"]
    floors += ["params", "report", "site doctor", "cli"]

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


@pytest.fixture
def resnet(clone: Path) -> Iterator[Path]:
    yield from restored(clone, "src/dla/models/resnet.py")


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
        ({"sources.cifar10.revision": "v2"}, {"download@cifar10", "prepare@cifar10"}),
        ({"budgets.full.train.cnn": {"epochs": 3}}, set()),
        ({"budgets.demo.train.resnet50.epochs": 1}, {"train@cifar10-resnet50"}),
        ({"tracking.wandb": True}, set()),
        ({"runtime.threads": 2}, {*TRAINED, *PAIRS, *TEXTS, "gradients", "generate"}),
        ({"budgets.demo.pair.epochs": 1}, PAIRS),
        ({"repeats.loss": 1.0}, {"repeats"}),
        ({"gradients.steps": 10}, {"gradients"}),
        ({"cam.imagenette-cnn.pictures": 4}, {"cam@imagenette-cnn"}),
        ({"embed.race.max_tokens": 64, "rank.joint.epochs": 3}, {"embed@race", "rank@joint"}),
        ({"agent.cartpole-dqn.double": True}, {"agent@cartpole-dqn", "agents"}),
        ({"agents.resamples": 100}, {"agents"}),
        ({"budgets.demo.agent.navigation-ppo.steps": 1000}, {"agent@navigation-ppo"}),
        ({"lm.dante.learning_rate": 1e-3, "generate.seed": 2}, {"lm@dante", "generate"}),
        ({"budgets.demo.generate.length": 20, "data.dante.kept": ["PARADISO"]}, {"generate", "prepare@dante"}),
        ({"tfidf.tfidf.longest": 1, "tsne.test.seed": 2}, {"tfidf@tfidf", "tsne@test"}),
    ],
)
def test_a_changed_parameter_concerns_just_the_stages_that_read_it(
    clone: Path, params: Path, change: Change, settings: dict[str, object], stages: set[str]
) -> None:
    change(params, settings)
    assert set(out_of_date(clone)) == {*stages, "report"}  # the page is about every parameter


def test_a_comment_in_resnet_concerns_just_the_stages_that_import_it(clone: Path, resnet: Path) -> None:
    resnet.write_text(resnet.read_text() + "# a comment\n")
    names = {"cifar10-resnet34", "cifar10-convnet34", "cifar10-resnet50", "cifar10-tuned"}
    trained = {f"train@{name}" for name in names}
    assert set(out_of_date(clone)) == {*trained, *PAIRS, "cam@cifar10-resnet34", "cam@cifar10-convnet34"}


def test_a_new_run_is_the_only_new_work(clone: Path, params: Path, change: Change) -> None:
    base = YAML(typ="safe").load(params.read_text())["train"]["mnist-mlp-64"]
    change(params, {"train.mnist-mlp-mine": {**base, "seed": 2}})
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


def test_every_curve_is_in_a_plot_and_every_plotted_run_exists() -> None:
    plots = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text())["plots"]
    runs = {f"plots/train/{name}.csv" for name in load_params(ROOT / "params.yaml").train}
    for metric in ("accuracy", "loss"):
        shown = [c for plot in plots for body in plot.values() for c, y in body["y"].items() if y == metric]
        assert {path for path in shown if path.startswith("plots/train/")} == runs


def test_the_plots_page_holds_every_curve_and_asks_nothing_of_the_network(clone: Path) -> None:
    subprocess.run([sys.executable, "-m", "dla.report.offline", ".dvc/plots/offline.html"], cwd=clone, check=True)
    subprocess.run([*DVC, "plots", "show", "-o", "page"], cwd=clone, check=True, capture_output=True)
    page = (clone / "page" / "index.html").read_text()
    for name in load_params(ROOT / "params.yaml").train:
        assert f'"run": "{name}"' in page
    assert "<script src" not in page
    assert "<link" not in page
    groups, repeats, gradients, agents = 17, 3, 2, 2
    confusions = len(PARAMS.tfidf) + len(PARAMS.classify) + len(PARAMS.finetune)
    letters = len(PARAMS.rank)  # confusion of options, without a picture
    one_by_one = ("train", "classify", "finetune", "tsne", "rank", "lm", "agent")  # DVC shows them alone too
    runs = sum(len(getattr(PARAMS, section)) for section in one_by_one)
    assert page.count("vegaEmbed('#") == groups + repeats + gradients + agents + confusions + letters + runs
    assert page.count('<img src="static/') == len(PARAMS.cam) + confusions + len(PARAMS.tsne) + len(PARAMS.agent)
