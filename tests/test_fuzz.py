"""Whatever comes in, a success or one line comes out: params.yaml, pictures, texts and files of ours, all broken.

Seeded, so that every run tries the same.
"""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from hypothesis import strategies as st
from PIL import Image
from ruamel.yaml import YAML
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import DistilBertConfig, DistilBertModel, PreTrainedTokenizerFast

from dla.cli.main import main
from dla.core.artifacts import (
    read_metrics,
    read_table,
    read_tensors,
    read_texts,
    write_metrics,
    write_table,
    write_tensors,
    write_texts,
)
from dla.language.characters import build_tokenizer
from dla.language.lm import build_gpt
from dla.models import mlp
from dla.models.base.registry import build
from dla.params.effective import stages
from dla.params.file import load_params
from dla.report.results import Results
from dla.rl.algorithms.ppo import ActorCritic
from dla.rl.results import load_agent
from dla.text.perceptron import build_perceptron, weights_of
from dla.text.trained import load_text_classifier
from dla.training.checkpoint import Checkpoint
from dla.vision.maps.trained import Classifier, load_classifier
from dla.vision.predict import predict
from dla.vision.training.batches import read_split

from .conftest import ROOT
from .hostile import as_yaml, damage, many, mutate, sizes, succeeds_or_says

RANDOMS = st.randoms(use_true_random=False)
PARAMS = load_params(ROOT / "params.yaml")
Capture = pytest.CaptureFixture[str]


# --- params.yaml ------------------------------------------------------------------------------------------------------


@sizes(60, 2500)
def test_params(examples: int, tmp_path: Path) -> None:
    content = YAML(typ="safe").load((ROOT / "params.yaml").read_text())
    file = tmp_path / "params.yaml"

    def check(random: Random) -> None:
        try:
            text = as_yaml(mutate(content, random))
        except ValueError:  # a number that Python does not write
            return
        file.write_text(text, encoding="utf-8")
        succeeds_or_says(lambda: _every_stage(file))

    many(check, examples, RANDOMS)


def _every_stage(file: Path) -> None:
    for budget in load_params(file).budgets:
        stages(load_params(file, budget))


@sizes(200, 5000)
def test_any_text_as_params(examples: int, tmp_path: Path) -> None:
    file = tmp_path / "params.yaml"
    content = (ROOT / "params.yaml").read_bytes()

    def check(random: Random, text: str) -> None:
        file.write_bytes(random.choice([text.encode(), damage(content, random)]))
        succeeds_or_says(lambda: load_params(file))

    many(check, examples, RANDOMS, st.text(alphabet="abc:-[]{},&*!|>?#'\"%@` \n\t10.", max_size=60))


# --- pictures ---------------------------------------------------------------------------------------------------------

FORMATS = (
    "PNG",
    "JPEG",
    "GIF",
    "BMP",
    "WEBP",
    "TIFF",
    "PPM",
    "ICO",
    "TGA",
    "PCX",
    "SGI",
    "DDS",
    "JPEG2000",
    "IM",
    "MPO",
)
MODES = ("RGB", "L", "RGBA", "P", "1", "CMYK", "I;16", "F", "LA", "YCbCr", "LAB", "HSV", "I")


def image_run(name: str = "mnist-mlp-64") -> dict[str, Any]:
    run = replace(PARAMS.train[name], model=mlp.Settings(family="mlp", widths=(3,)))
    return asdict(run.trainings()[0])


def write_image_classifier(path: Path) -> None:
    shape = (3, 8, 8)
    net = build(mlp.Settings(family="mlp", widths=(3,)), shape, 2)
    facts = {"classes": ["cat", "dog"], "source": "embedded", "mean": [0.5] * 3, "std": [0.2] * 3}
    weights = {name: value.numpy() for name, value in net.state_dict().items()}
    write_tensors(path, weights, {"run": image_run(), "input_shape": shape, **facts})


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Classifier:
    folder = tmp_path_factory.mktemp("classifier")
    write_image_classifier(folder / "net.safetensors")
    return load_classifier("net", folder)


def pictures() -> list[bytes]:
    """A small picture in every format and mode that go together."""
    made = []
    pixels = np.random.default_rng(0).integers(0, 256, (9, 12, 3), np.uint8)
    for mode in MODES:
        picture = Image.fromarray(pixels).convert("L").convert(mode) if mode == "I;16" else None
        try:
            picture = picture or Image.fromarray(pixels).convert(mode)
        except ValueError:  # no way leads there
            picture = Image.new(mode, (12, 9))
        for kind in FORMATS:
            stream = io.BytesIO()
            try:
                picture.save(stream, format=kind)
            except (OSError, ValueError, KeyError):
                continue
            made.append(stream.getvalue())
    return made


@sizes(400, 20000)
def test_pictures(examples: int, tmp_path: Path, classifier: Classifier, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10**5)  # so that a flipped bit of the size costs no gigabyte
    good, file = pictures(), tmp_path / "picture"

    def check(random: Random) -> None:
        picture = random.choice(good)
        file.write_bytes(random.choice([picture, damage(picture, random, random.choice(good))]))
        with warnings.catch_warnings(action="ignore"):
            succeeds_or_says(lambda: predict(classifier, file))

    many(check, examples, RANDOMS)


# --- texts ------------------------------------------------------------------------------------------------------------

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "line", "tree"]


def write_counter(path: Path) -> None:
    tensors: dict[str, Any] = {
        "ngrams": np.frombuffer(b"a line\nline\ntree", np.uint8),
        "idf": np.ones(3, np.float32),
        "weights": np.array([[1, 2, 3], [3, 2, 1]], np.float32),
        "biases": np.zeros(2, np.float32),
    }
    facts = {"classes": ["plots", "graphs"], "source": "embedded"}
    write_tensors(path, tensors, {**facts, "tfidf": asdict(PARAMS.tfidf["tfidf"])})


def write_encoder(folder: Path) -> None:
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    special = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=16, **special).save_pretrained(folder)
    config = DistilBertConfig(
        vocab_size=len(WORDS), dim=8, n_layers=1, n_heads=1, hidden_dim=8, max_position_embeddings=16
    )
    DistilBertModel(config).save_pretrained(folder)


def write_head(path: Path) -> None:
    chosen: Any = PARAMS.classify["mlp"]
    head = replace(chosen, widths=(4,))
    net = build_perceptron(head, torch.zeros(8), torch.ones(8), 2)
    facts = {"classes": ["plots", "graphs"], "source": "embedded", "embed": asdict(PARAMS.embed["ag_news"])}
    write_tensors(path, weights_of(net), {**facts, "head": asdict(head)})


def write_language_model(folder: Path) -> None:
    tokenizer = build_tokenizer("Nel mezzo del cammin di nostra vita\n", 16)
    settings = replace(PARAMS.lm["dante"], layers=1, heads=1, width=8, context=16)
    build_gpt(settings, len(tokenizer), 1).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a model of every kind, all tiny."""
    root = tmp_path_factory.mktemp("trained")
    (root / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    torch.manual_seed(0)
    write_counter(root / "models/text/words.safetensors")
    write_encoder(root / "data/raw/distilbert")
    write_head(root / "models/text/head.safetensors")
    write_language_model(root / "models/lm/tiny")
    return root


def ends_well(capsys: Capture, *arguments: str) -> None:
    """The command prints something, or ends with exit code 2 and one line."""
    try:
        code = main(arguments)
    except SystemExit as stop:  # argparse's own
        code = int(str(stop.code))
    shown = capsys.readouterr()
    assert code in (0, 2), arguments
    assert shown.err == "" if code == 0 else shown.err.startswith("error: "), (arguments, shown.err)
    assert shown.err.count("\n") <= 1, (arguments, shown.err)


@pytest.mark.parametrize("model", ["words", "head"])
@sizes(40, 1500)
def test_texts_to_classify(
    examples: int, model: str, trained: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(trained)

    def check(text: str) -> None:
        ends_well(capsys, "classify", "--model", model, "--json", "--", text)

    many(check, examples, st.text(max_size=200) | st.text(alphabet="a line tree\n\0", max_size=50))


@sizes(40, 1500)
def test_texts_to_continue(examples: int, trained: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(trained)
    how = st.lists(
        st.tuples(
            st.sampled_from(["greedy", "temperature", "top-k", "top-p", "beams", "x"]),
            st.sampled_from(["", "0", "1", "-1", "0.5", "50", "1e-320", "1e-30", "1e30", "1e400", "null", "[", "true"]),
        ),
        max_size=3,
    )

    def check(prompt: str, sampling: list[tuple[str, str]]) -> None:
        words = ",".join(f"{name}={value}" for name, value in sampling)
        ends_well(capsys, "generate", "--model", "tiny", "--length", "20", f"--sample={words}", "--", prompt)

    many(check, examples, st.text(max_size=40) | st.text(alphabet="Nel mezo\n", max_size=40), how)


# --- files of ours ----------------------------------------------------------------------------------------------------


def write_prepared(path: Path) -> None:
    facts = {"classes": ["cat", "dog"], "source": "embedded", "mean": [0.5], "std": [0.2]}
    write_tensors(
        path, {"train.images": np.zeros((4, 1, 8, 8), np.uint8), "train.labels": np.array([0, 1, 0, 1])}, facts
    )


def write_agent(path: Path) -> None:
    run: Any = replace(PARAMS.agent["cartpole-ppo"], widths=(3,))
    place = gymnasium.make("CartPole-v1")
    weights = ActorCritic(run, place.observation_space, place.action_space).state_dict()
    write_tensors(path, {f"1.{name}": value.numpy() for name, value in weights.items()}, {"agent": asdict(run)})


def write_prepared_texts(path: Path) -> None:
    columns = {"split": ["train", "test"] * 8, "text": ["una selva", "oscura"] * 8, "label": [0, 1] * 8}
    write_texts(path, columns, {"classes": ["a", "b"], "source": "embedded"})


def read_whole(path: Path) -> None:
    table, facts = read_texts(path)
    assert len(table.to_pylist()) == 16
    assert facts["classes"]


def read_column(path: Path) -> None:
    assert all(row["x"] is not None for row in read_table(path))


ROWS = [{"x": i, "text": f"row, {i}"} for i in range(8)]
METRICS = {"data": "embedded", "test": {"accuracy": 0.5, "n": 10}, "list": [1, 2]}
Writer = Callable[[Path], None]
KINDS: dict[str, tuple[str, Writer, Callable[[Path], object]]] = {  # name -> file, what writes and what reads it
    "tensors": ("x.safetensors", write_prepared, lambda path: read_tensors(path)[1]["classes"]),
    "pictures": ("x.safetensors", write_prepared, lambda path: read_split(path, "train", torch.device("cpu"))),
    "classifier": ("x.safetensors", write_image_classifier, lambda path: load_classifier("x", path.parent)),
    "counter": ("x.safetensors", write_counter, lambda path: load_text_classifier("x", path.parent)),
    "head": ("x.safetensors", write_head, lambda path: load_text_classifier("x", path.parent)),
    "agent": ("x.safetensors", write_agent, lambda path: load_agent("x", folder=path.parent)),
    "texts": ("x.parquet", write_prepared_texts, read_whole),
    "metrics": ("x.json", lambda path: write_metrics(path, METRICS), lambda path: read_metrics(path)["test"]),
    "table": ("x.csv", lambda path: write_table(path, ("x", "text"), ROWS), read_column),
    "report's metrics": (
        "x.json",
        lambda path: write_metrics(path, METRICS),
        lambda path: Results(path.parent).metrics("x.json", "x"),
    ),
    "report's rows": (
        "x.csv",
        lambda path: write_table(path, ("x", "text"), ROWS),
        lambda path: Results(path.parent).rows("x.csv", "x"),
    ),
}


@pytest.mark.parametrize("kind", KINDS)
@sizes(60, 1500)
def test_damaged_files(
    examples: int, kind: str, tmp_path: Path, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(trained)
    file, read = _written(kind, tmp_path)
    good, others = file.read_bytes(), _others(tmp_path / "others")
    read(file)

    def check(random: Random) -> None:
        file.write_bytes(damage(good, random, random.choice(others)))
        succeeds_or_says(partial(read, file))

    many(check, examples, RANDOMS)


def _written(kind: str, folder: Path) -> tuple[Path, Callable[[Path], object]]:
    """A whole file of one kind, and what reads it."""
    name, write, read = KINDS[kind]
    write(folder / name)
    return folder / name, read


def _others(folder: Path) -> list[bytes]:
    """Whole files of every kind."""
    made = []
    for name, write, _ in KINDS.values():
        write(folder / name)
        made.append((folder / name).read_bytes())
    return made


@pytest.mark.parametrize("kind", ["pictures", "classifier", "counter", "head", "agent"])
@sizes(40, 1000)
def test_whole_files_of_another_content(
    examples: int, kind: str, tmp_path: Path, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tensors missing or of another shape or kind, facts missing or of another kind, in files that are whole."""
    monkeypatch.chdir(trained)
    file, read = _written(kind, tmp_path)
    tensors, facts = read_tensors(file)

    def check(random: Random) -> None:
        changed = dict(tensors)
        for tensor in random.sample(sorted(changed), random.randint(0, 1)):
            _replace(changed, tensor, random)
        write_tensors(file, changed, _finite(mutate(dict(facts), random), facts))
        succeeds_or_says(partial(read, file))

    many(check, examples, RANDOMS)


def _replace(tensors: dict[str, Any], name: str, random: Random) -> None:
    value = tensors.pop(name)
    kinds = [
        value[:1],
        value.astype(np.int8),
        value.astype(np.float64),
        value.reshape(-1),
        np.zeros(0),
        value[..., None],
    ]
    if random.random() < 0.8:
        tensors[name] = random.choice(kinds)
    else:
        tensors[f"{name}x"] = value


def _finite(facts: Any, otherwise: dict[str, Any]) -> Any:
    """Facts, if JSON can hold them and no size among them is beyond memory."""
    try:
        text = json.dumps(facts, allow_nan=False)
    except ValueError:
        return otherwise
    return otherwise if "000000" in text or "18446744073709551615" in text else facts


@sizes(60, 1500)
def test_a_damaged_checkpoint_costs_its_epochs(examples: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    checkpoint = Checkpoint({"run": "x"}, [])
    state = {
        "model": {"weight": torch.arange(6.0), "step": torch.tensor(3), "none": torch.zeros(0)},
        "history": [{"number": 1, "loss": 0.5}],
        "best": {1: (2, None)},
    }
    checkpoint.save(state)
    assert checkpoint.load() is not None
    good, others = checkpoint.path.read_bytes(), _others(tmp_path / "others")
    Checkpoint({"run": "y"}, []).save(state)
    others.append(Checkpoint({"run": "y"}, []).path.read_bytes())

    def check(random: Random) -> None:
        broken = damage(good, random, random.choice(others))
        checkpoint.path.parent.mkdir(exist_ok=True)
        checkpoint.path.write_bytes(broken)
        found = checkpoint.load()
        if found is None:
            assert not checkpoint.path.exists()
        else:
            assert torch.equal(found["model"]["weight"], state["model"]["weight"])  # type: ignore[index]
            assert found["history"] == state["history"]

    many(check, examples, RANDOMS)
