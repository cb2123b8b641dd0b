"""params.yaml is checked whole, and whatever is wrong with it is said in one line."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest

from dla.cli.main import main
from dla.core.errors import UserError
from dla.core.parameters import READ_BY_DVC
from dla.params.effective import effective
from dla.params.file import load_params
from dla.text.scorers import mlp

from .conftest import ROOT, run_stage

Change = Callable[[Path, dict[str, object]], None]

RUN = "train.cifar10-mlp"
SHORT = {"group": "mine", "seeds": [1], "epochs": 1, "batch_size": 8, "optimizer": "adam", "learning_rate": 1e-3}


def test_the_committed_file_is_valid_and_its_budget_is_demo() -> None:
    assert load_params(ROOT / "params.yaml").budget == "demo"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({f"{RUN}.optimiser": "adam"}, f"{RUN}.optimiser is not a setting; did you mean optimizer?"),
        ({f"{RUN}.model.widht": 3}, f"{RUN}.model.widht is not a setting; did you mean widths?"),
        ({"trian": {}}, "trian is not a setting; did you mean train?"),
        ({f"{RUN}.cuts.demo.epoch": 3}, f"{RUN}.epoch is not a setting; did you mean epochs?"),
        ({f"{RUN}.cuts.dmo": {}}, f"{RUN}.cuts = 'dmo' is not one of demo, quick, full; did you mean demo?"),
        ({f"{RUN}.cuts": 3}, f"{RUN}.cuts should be a mapping of budgets, each with the settings that it cuts"),
        (
            {f"{RUN}.cuts.demo.data": "mnist"},
            f"{RUN}.cuts.demo.data = 'mnist': dvc.yaml reads it, which sees no cuts",
        ),
        ({"runtime.threads": None}, "runtime.threads = null should be a valid integer"),
        (
            {"runtime.kernels": "portable", "runtime.compile": "always"},
            "runtime: compile = 'always' is for kernels: fast alone; the compiler writes for the machine",
        ),
        ({"runtime.threads": 0}, "runtime.threads = 0 should be greater than or equal to 1"),
        ({"runtime.threads": 10**9}, "runtime.threads = 1000000000 should be less than or equal to 1024"),
        ({"runtime.threads": 2**70}, f"runtime.threads = {2**70} should be less than or equal to 1024"),
        ({f"{RUN}.epochs": "3"}, f"{RUN}.epochs = '3' should be a valid integer"),
        ({f"{RUN}.epochs": 2.5}, f"{RUN}.epochs = 2.5 should be a valid integer"),
        ({f"{RUN}.epochs": 0}, f"{RUN}.epochs = 0 should be greater than or equal to 1"),
        ({f"{RUN}.learning_rate": -1.0}, f"{RUN}.learning_rate = -1.0 should be greater than 0"),
        ({f"{RUN}.learning_rate": float("nan")}, f"{RUN}.learning_rate = nan should be a finite number"),
        ({f"{RUN}.flip": "yes"}, f"{RUN}.flip = 'yes' should be a valid boolean"),
        ({f"{RUN}.model.widths": [1, "a"]}, f"{RUN}.model.widths.1 = 'a' should be a valid integer"),
        ({f"{RUN}.model": "mlp"}, f"{RUN}.model = 'mlp' is not a mapping of settings"),
        (
            {f"{RUN}.optimizer": "adan"},
            f"{RUN}.optimizer = 'adan' is not one of sgd, adam, adamw, muon; did you mean adam?",
        ),
        (
            {f"{RUN}.data": "cifar"},
            f"{RUN}.data = 'cifar' is not one of "
            "mnist, cifar10, cifar10-depth, cifar10-pair, imagenette, ag_news, race, dante; did you mean cifar10?",
        ),
        ({f"{RUN}.momentum": 0.9}, f"{RUN}: momentum = 0.9 is for optimizer: sgd and muon"),
        ({"pair.second.momentum": 0.9}, "pair.second: momentum = 0.9 is for optimizer: sgd and muon"),
        ({"classify.mlp.momentum": 0.9}, "classify.mlp: momentum = 0.9 is for optimizer: sgd and muon"),
        ({"finetune.finetune.momentum": 0.9}, "finetune.finetune: momentum = 0.9 is for optimizer: sgd and muon"),
        ({"rank.ratio.momentum": 0.9}, "rank.ratio: momentum = 0.9 is for optimizer: sgd and muon"),
        (
            {"train.cifar10-mlp.beta2": 0.9, "train.cifar10-mlp.optimizer": "sgd"},
            "train.cifar10-mlp: beta2 = 0.9 is for optimizer: adam, adamw and muon",
        ),
        ({f"{RUN}.last_rate": 0.1}, f"{RUN}: last_rate = 0.1 is for schedule: cosine alone"),
        ({"rank.margin.label_smoothing": 0.1}, "rank.margin: label_smoothing = 0.1 is for loss: softmax alone"),
        (
            {f"{RUN}.patience": 2, f"{RUN}.keep": "last"},
            f"{RUN}: patience = 2 waits for a better epoch, which keep: last forgoes",
        ),
        (
            {"data.mnist.source": "mnits"},
            "data.mnist.source = 'mnits' is not one of "
            "mnist, cifar10, cifar10-pair, imagenette, ag_news, race, distilbert, gpt2-encoder, dante, gpt2; "
            "did you mean mnist?",
        ),
        (
            {"rank.joint.combine": "mean"},
            "rank.joint.features = 'race-joint' is not one of race, race-cls",
        ),
        (
            {"embed.race.formulation": "text"},
            "embed.race.formulation = 'text' does not fit data race, which has kind questions",
        ),
        (
            {"classify.mlp.name": "mpl"},
            "classify.mlp.name = 'mpl' is not one of logreg, mlp; did you mean mlp?",
        ),
        (
            {"data.race.kind": "quests"},
            "data.race.kind = 'quests' is not one of corpus, images, questions, texts; did you mean questions?",
        ),
        (
            {"data.ag_news.text_colum": "text"},
            "data.ag_news.text_colum is not a setting; did you mean text_column?",
        ),
        (
            {"embed.ag_news.encoder": "ag_news"},
            "embed.ag_news.encoder = 'ag_news' is not one of distilbert, gpt2-encoder, gpt2",
        ),
        (
            {"lm.dante.cuts.demo.heads": 5},
            "lm.dante: width = 128 should be a multiple of heads = 5",
        ),
        ({"lm.dante.data": "race"}, "lm.dante.data = 'race' has kind questions; of kind corpus are dante"),
        (
            {"data.dante.kept": ["INFRNO"]},
            "data.dante: kept: 'INFRNO' is not one of INFERNO, PURGATORIO, PARADISO; did you mean INFERNO?",
        ),
        (
            {"data.dante.dropped": ["["]},
            "data.dante: dropped: '[' is not a pattern (unterminated character set at position 0)",
        ),
        ({"generate.trained": "gpt2"}, "generate.trained = 'gpt2' is not one of dante"),
        (
            {"generate.methods.greedy.top_k": 0},
            "generate.methods.greedy.top_k = 0 should be greater than or equal to 1",
        ),
        ({"sources.dante.sha256": "abc"}, "sources.dante.sha256: String should match pattern '^[0-9a-f]{64}$'"),
        (
            {"train.mnist-tuned.warmup": 0.1},
            "train.mnist-tuned: warmup = 0.1 is not for one-cycle, which has its own",
        ),
        ({"classify.logreg.c": []}, "classify.logreg.c: Tuple should have at least 1 item after validation, not 0"),
        ({"rank.longest.loss": "margin"}, "rank.longest.loss is not a setting"),
        ({"rank.cosine.features": "race-joint"}, "rank.cosine.features = 'race-joint' is not one of race, race-cls"),
        ({"agent.cartpole-ppo.seeds": [1, 1]}, "agent.cartpole-ppo.seeds: [1, 1] names one twice"),
        ({"agent.cartpole-ppo.clp": 0.1}, "agent.cartpole-ppo.clp is not a setting; did you mean clip?"),
        (
            {"agent.cartpole-dqn.train_every": 12},
            "agent.cartpole-dqn: train_every = 12 should be a multiple of copies = 32",
        ),
        ({"budget": "dmo"}, "budget = 'dmo' is not one of demo, quick, full; did you mean demo?"),
        ({"train": [1]}, "train = [1] is not a mapping of settings"),
        (
            {f"{RUN}.data": "race"},
            f"{RUN}.data = 'race' has kind questions; of kind images are "
            "mnist, cifar10, cifar10-depth, cifar10-pair, imagenette",
        ),
        (
            {"pair.first.data": "dante"},
            "pair.first.data = 'dante' has kind corpus; of kind images are "
            "mnist, cifar10, cifar10-depth, cifar10-pair, imagenette",
        ),
        (
            {"gradients.data": "ag_news"},
            "gradients.data = 'ag_news' has kind texts; of kind images are "
            "mnist, cifar10, cifar10-depth, cifar10-pair, imagenette",
        ),
        (
            {"data.mnist.source": "dante"},
            "data.mnist.source = 'dante' is a source of type text, and kind images is made of one of type dataset",
        ),
        ({f"{RUN}.batch_size": 1}, f"{RUN}.batch_size = 1 should be greater than or equal to 2"),
        ({"rank.margin.batch_size": 1}, "rank.margin.batch_size = 1 should be greater than or equal to 2"),
        (
            {"train.cifar10-cnn.cuts.demo.batch_size": 1},
            "train.cifar10-cnn.batch_size = 1 should be greater than or equal to 2",
        ),
        (
            {"embed.race.cuts.demo.max_tokens": 1},
            "embed.race.max_tokens = 1 should be greater than or equal to 8",
        ),
        ({"tsne.test.points": 2}, "tsne.test.points = 2 should be greater than or equal to 50"),
        ({"tsne.test.perplexity": 5e-324}, "tsne.test.perplexity = 5e-324 should be greater than or equal to 1"),
        ({"tfidf.tfidf.c": [5e-324]}, "tfidf.tfidf.c.0: 5e-324 is as good as nothing in single precision"),
        ({f"{RUN}.learning_rate": 1e300}, f"{RUN}.learning_rate: 1e+300 is larger than any run takes (1e+30)"),
        (
            {"tfidf.tfidf.rarest": 10**10},
            "tfidf.tfidf.rarest: 10000000000 is larger than any run takes (1,000,000,000)",
        ),
        ({"gradients.depths": [2, 2]}, "gradients.depths: [2, 2] names one twice"),
        ({"gradients.batch_norm": [True, True]}, "gradients.batch_norm: [True, True] names one twice"),
        ({f"{RUN}.optimizer": "x" * 5000}, f"{RUN}.optimizer = '{'x' * 98}… is not one of sgd, adam, adamw, muon"),
    ],
)
def test_an_error_names_key_value_and_near_match(
    project: Path, change: Change, settings: dict[str, object], message: str
) -> None:
    change(project / "params.yaml", settings)
    with pytest.raises(UserError) as error:
        load_params()
    cuts = re.search(r"cuts\.(\w+)\.", "".join(settings))  # what is wrong in a cut is said of its budget
    where = f" under budget {cuts[1]}" if cuts and "cuts" not in message else ""
    assert str(error.value) == f"params.yaml{where}: {message}"


def test_an_unknown_family_is_an_error_that_lists_the_known_ones(project: Path, change: Change) -> None:
    change(project / "params.yaml", {f"{RUN}.model.family": "resnt"})
    with pytest.raises(
        UserError, match=r"model\.family = 'resnt' is not one of airbench, cnn, .*; did you mean resnet\?"
    ):
        load_params()


def test_the_cuts_of_a_budget_that_is_not_in_force_are_checked_too(project: Path, change: Change) -> None:
    change(project / "params.yaml", {f"{RUN}.cuts.quick": {"epohcs": 3}})
    with pytest.raises(
        UserError, match=r"^params\.yaml under budget quick: .*epohcs is not a setting; did you mean ep"
    ):
        load_params()


def test_a_cut_may_replace_what_counts_nothing_by_anything(project: Path, change: Change) -> None:
    cuts = {"learning_rate": 1.0, "optimizer": "sgd", "momentum": 0.9, "split_seed": 7, "model": {"dropout": 0.5}}
    change(project / "params.yaml", {f"{RUN}.cuts.demo": cuts})
    run = load_params().train["cifar10-mlp"]
    assert (run.learning_rate, run.momentum, run.split_seed, run.epochs) == (1.0, 0.9, 7, 30)
    assert asdict(run.model) | {"dropout": 0.5, "widths": (512, 256)} == asdict(run.model)
    assert load_params(budget="full").train["cifar10-mlp"].split_seed is None


@pytest.mark.parametrize(
    ("setting", "cut", "expected"),
    [
        ("epochs", 31, 30),
        ("epochs", 29, 29),
        ("examples", 100, 100),  # of all
        ("model", {"widths": [256, 512]}, (256, 256)),
        ("model", {"widths": [9, 9, 9]}, (512, 256)),
        ("model", {"widths": [600]}, (512,)),
    ],
)
def test_a_cut_makes_nothing_larger(project: Path, change: Change, setting: str, cut: object, expected: object) -> None:
    change(project / "params.yaml", {f"{RUN}.cuts": {"quick": {setting: cut}}})
    run = asdict(load_params(budget="quick").train["cifar10-mlp"])
    assert (run["model"]["widths"] if setting == "model" else run[setting]) == expected


def test_no_cut_replaces_what_dvc_reads() -> None:
    """Whatever dvc.yaml interpolates of a run is refused in cuts."""
    read = set(
        re.findall(r"\$\{(?:item|pair|gradients|generate|runtime)\.([a-z._]+)\}", (ROOT / "dvc.yaml").read_text())
    )
    assert {name.rpartition(".")[2] for name in read} <= {*READ_BY_DVC, "label"}


def test_a_misspelt_setting_is_named_although_the_right_one_is_then_missing(project: Path) -> None:
    path = project / "params.yaml"
    path.write_text(path.read_text().replace("optimizer: sgd", "optimiser: sgd"))
    with pytest.raises(UserError, match=r"mlp-lab\.optimiser is not a setting; did you mean optimizer"):
        load_params()


def test_broken_yaml_is_one_line(project: Path) -> None:
    (project / "params.yaml").write_text("budget: [demo")
    with pytest.raises(UserError, match=r"params\.yaml: is not valid YAML") as error:
        load_params()
    assert "\n" not in str(error.value)


NO_KEY = "names are letters, digits, '-', '_' and '.'"
OUTSIDE = "leads out of the repository; name what lies in it"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sources.mnist.files": {"../../evil": ["*.parquet"]}}, f"sources.mnist.files.../../evil: {NO_KEY}"),
        ({"sources.mnist.files": {"/evil": ["*.parquet"]}}, f"sources.mnist.files./evil: {NO_KEY}"),
        ({"sources.mnist.files": {"train": ["../*"]}}, f"sources.mnist.files.train.0: {OUTSIDE}"),
        ({"sources.distilbert.files": ["a/../../*"]}, f"sources.distilbert.files.0: {OUTSIDE}"),
        ({"sources.distilbert.revision": "../../x"}, f"sources.distilbert.revision: {OUTSIDE}"),
        ({"pair.first.label": "../../../home"}, "pair.first.label: names have no '/' and do not begin with '.'"),
        ({"train": {"../x": {}}}, f"train.../x: {NO_KEY}"),
    ],
)
def test_what_becomes_part_of_a_path_leads_nowhere_else(
    project: Path, change: Change, settings: dict[str, object], message: str
) -> None:
    change(project / "params.yaml", settings)
    with pytest.raises(UserError) as error:
        load_params()
    assert str(error.value) == f"params.yaml: {message}"


@pytest.mark.parametrize(("script", "name"), [("download", "mnist"), ("prepare", "mnist"), ("train", "mnist-mlp-64")])
def test_a_stage_stops_at_a_bad_block_of_its_own_before_any_work(
    project: Path, change: Change, script: str, name: str
) -> None:
    section = {"download": "sources", "prepare": "data"}.get(script, script)
    change(project / "params.yaml", {f"{section}.{name}.seeed": 0})
    stopped = run_stage(script, name)
    assert stopped.returncode == 2
    assert stopped.stderr.startswith(f"error: params.yaml: {section}.{name}.seeed is not a setting")
    assert not (project / "data").exists()


@pytest.mark.parametrize(("script", "name"), [("download", "mnist"), ("train", "mnist-mlp-64"), ("agents", None)])
def test_no_stage_runs_under_a_budget_that_is_not_there(
    project: Path, change: Change, script: str, name: str | None
) -> None:
    change(project / "params.yaml", {"budget": "dmo"})
    command = [sys.executable, f"stages/{script}.py", *([name] if name else [])]
    stopped = subprocess.run(command, capture_output=True, text=True, check=False)
    assert stopped.returncode == 2
    assert stopped.stderr == (
        "error: params.yaml: budget = 'dmo' is not one of demo, quick, full; did you mean demo?\n"
    )


def test_a_run_of_the_workflow_stops_at_any_bad_block_before_any_work(
    project: Path, change: Change, capsys: pytest.CaptureFixture[str]
) -> None:
    change(project / "params.yaml", {"train.mnist-tuned.epochs": 0})
    assert main(["run"]) == 2
    wrong = "params.yaml: train.mnist-tuned.epochs = 0 should be greater than or equal to 1"
    assert wrong in capsys.readouterr().err


def test_an_unknown_name_on_the_command_line_is_an_error(project: Path) -> None:
    stopped = run_stage("download", "mnits")
    assert (stopped.returncode, stopped.stdout) == (2, "")
    known = "mnist, cifar10, cifar10-pair, imagenette, ag_news, race, distilbert, gpt2-encoder, dante, gpt2"
    assert stopped.stderr.endswith(f"'mnits' is not one of {known}; did you mean mnist?\n")


def test_the_command_checks_the_file_and_prints_a_run_as_capped(
    project: Path, change: Change, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["params"]) == 0
    assert "budget demo" in capsys.readouterr().out
    assert main(["params", "cifar10-cnn"]) == 0
    assert '"epochs": 75' not in capsys.readouterr().out
    assert main(["params", "rank@margn"]) == 2
    assert capsys.readouterr().err.endswith("is not a stage of dvc.yaml; did you mean rank@margin?\n")
    change(project / "params.yaml", {"budget": "dmo"})
    assert main(["params"]) == 2


def test_a_stage_is_found_by_its_name_in_dvc_or_by_what_follows_the_at() -> None:
    params = load_params(ROOT / "params.yaml")
    assert list(effective(params, "cifar10-resnet34")) == ["train@cifar10-resnet34", "cam@cifar10-resnet34"]
    (run,) = effective(params, "rank@margin").values()
    margin = params.rank["margin"]
    assert isinstance(margin, mlp.Settings)
    whole = load_params(ROOT / "params.yaml", "full").rank["margin"]
    assert isinstance(whole, mlp.Settings)
    assert run["epochs"] == margin.epochs != whole.epochs
    assert set(effective(params, "3")["pair@3"]) == {"ResNet34", "ConvNet34"}


def test_every_setting_has_its_meaning_beside_it() -> None:
    """A setting whose name does not say everything has a comment, from which the reference is made."""
    for file in [ROOT / "src/dla/params/whole.py", *(ROOT / "src/dla").rglob("settings.py")]:
        tree = ast.parse(file.read_text())
        assert all(ast.get_docstring(node) for node in tree.body if isinstance(node, ast.ClassDef)), file


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"repeats.seeds": [1, 2, 1]}, "repeats.seeds: [1, 2, 1] names one twice"),
        ({"pair.second.label": "ResNet34"}, "pair: second.label = 'ResNet34' should differ"),
        ({"pair.second.data": "mnist"}, "pair: second.data = 'mnist' should be that of first"),
        (
            {"train.cifar10-cnn.model.kernel": 9, "train.cifar10-cnn.model.padding": 0},
            "train.cifar10-cnn.model: kernel 9, stride 1 and padding 0 leave nothing of 32 pixels after 5 blocks",
        ),
        ({"train.cifar10-cnn.cutout": 32}, "train.cifar10-cnn.cutout = 32 leaves nothing of 32 pixels"),
        (
            {
                "train.imagenette-cnn": {
                    "group": "x",
                    "data": "mnist",
                    "model": {"family": "mlp", "widths": [8]},
                    **SHORT,
                }
            },
            "explained.imagenette-cnn should be train.imagenette-cnn as well",
        ),
    ],
)
def test_comparisons_and_explanations_are_checked_against_what_they_name(
    project: Path, change: Callable[..., None], settings: dict[str, object], words: str
) -> None:
    change(project / "params.yaml", settings)
    with pytest.raises(UserError, match=re.escape(words)):
        load_params()
