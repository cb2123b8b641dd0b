"""Data: embedded sources, preparation and the Hub, with everything that can go wrong on the way."""

from __future__ import annotations

import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dla.core.artifacts import read_tensors
from dla.core.errors import UserError
from dla.data import embedded, scenes
from dla.data.kinds.images import Settings, prepare
from dla.params.file import load_params

from .conftest import ROOT, run_stage

Change = Callable[[Path, dict[str, object]], None]
PARAMS = load_params(ROOT / "params.yaml")
IMAGES = {name: settings for name, settings in PARAMS.data.items() if isinstance(settings, Settings)}
MNIST, CIFAR10 = IMAGES["mnist"], IMAGES["cifar10"]


@pytest.fixture(scope="session")
def digits_raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("raw") / "mnist"
    embedded.write("digits", folder)
    return folder


@pytest.fixture(scope="session")
def scenes_raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("raw") / "cifar10"
    embedded.write("scenes-32", folder)
    return folder


def prepared(raw: Path, settings: Settings, path: Path) -> tuple[dict[str, np.ndarray[Any, Any]], dict[str, Any]]:
    prepare(raw, settings, path, "embedded")
    return read_tensors(path)


# --- embedded sources and preparation -------------------------------------------------------------------------


def test_every_embedded_source_that_params_name_exists() -> None:
    known = {*embedded.DATASETS, *embedded.MODELS, *embedded.TEXTS}
    assert {source.embedded for source in PARAMS.sources.values()} <= known


def test_splits_are_stratified_and_share_no_picture(digits_raw: Path, tmp_path: Path) -> None:
    tensors, metadata = prepared(digits_raw, MNIST, tmp_path / "p.safetensors")
    assert metadata["classes"] == [str(digit) for digit in range(10)]
    sizes = {split: len(tensors[f"{split}.labels"]) for split in ("train", "validation", "test")}
    assert sizes == {"train": 3600, "validation": 400, "test": 1000}
    assert not set(tensors["train.ids"]) & set(tensors["validation.ids"])
    for split, size in sizes.items():
        counts = np.bincount(tensors[f"{split}.labels"], minlength=10)
        assert abs(counts - size / 10).max() <= size * 0.02 + 1
    assert tensors["train.images"].shape[1:] == (1, 28, 28)
    assert tensors["train.images"].dtype == np.uint8


def test_training_pictures_are_shuffled_so_that_the_first_are_a_fair_subset(scenes_raw: Path, tmp_path: Path) -> None:
    tensors, _ = prepared(scenes_raw, CIFAR10, tmp_path / "p.safetensors")
    assert np.bincount(tensors["train.labels"][:500], minlength=10).min() > 25
    assert (np.diff(tensors["train.ids"]) < 0).mean() > 0.4


def test_the_same_settings_give_the_same_bytes_and_another_split_seed_another_split(
    digits_raw: Path, tmp_path: Path
) -> None:
    paths = [tmp_path / f"{i}.safetensors" for i in range(3)]
    for path, seed in zip(paths, (1, 1, 2), strict=True):
        prepare(digits_raw, replace(MNIST, split_seed=seed), path, "embedded")
    assert paths[0].read_bytes() == paths[1].read_bytes()
    first, other = (set(read_tensors(path)[0]["validation.ids"]) for path in (paths[0], paths[2]))
    assert first != other


def test_an_embedded_source_is_the_same_bytes_every_time(digits_raw: Path, tmp_path: Path) -> None:
    embedded.write("digits", tmp_path / "again")
    for file in digits_raw.iterdir():
        assert file.read_bytes() == (tmp_path / "again" / file.name).read_bytes()


@pytest.mark.parametrize("size", [32, 128])
def test_a_box_holds_its_digit_at_every_image_size(scenes_raw: Path, tmp_path: Path, size: int) -> None:
    tensors, _ = prepared(scenes_raw, replace(CIFAR10, image_size=size), tmp_path / "p.safetensors")
    images, boxes = tensors["test.images"], tensors["test.boxes"]
    assert images.shape[1:] == (3, size, size)
    assert boxes.min() >= 0
    assert boxes.max() <= size
    inside, outside = [], []
    for image, (left, top, right, bottom) in zip(images, boxes.astype(int), strict=True):
        mask = np.zeros((size, size), bool)
        mask[top:bottom, left:right] = True
        brightest = image.max(0)
        inside.append(brightest[mask].mean())
        outside.append(brightest[~mask].mean())
    assert np.mean(np.array(inside) > np.array(outside)) > 0.9


def test_splits_of_scenes_share_no_digit_and_no_part_of_a_photograph() -> None:
    pictures = [{picture.tobytes() for picture in part} for part, _ in scenes._digits().values()]
    assert len(set.union(*pictures)) == sum(map(len, pictures)) == 5000
    photograph = np.tile(np.arange(0, 200, 2, dtype=np.uint8)[None, :, None], (10, 1, 3))
    columns = [scenes._part(photograph, split)[0, :, 0].tolist() for split in ("train", "validation", "test")]
    assert [column for part in columns for column in part] == list(range(100))


def test_a_validation_split_of_the_sources_own_is_taken(scenes_raw: Path, tmp_path: Path) -> None:
    tensors, _ = prepared(scenes_raw, CIFAR10, tmp_path / "p.safetensors")
    assert sorted(tensors["train.ids"]) == list(range(3600))
    assert tensors["validation.ids"].tolist() == list(range(400))


def test_statistics_are_those_of_the_training_pictures(scenes_raw: Path, tmp_path: Path) -> None:
    tensors, metadata = prepared(scenes_raw, CIFAR10, tmp_path / "p.safetensors")
    scaled = tensors["train.images"] / 255
    np.testing.assert_allclose(metadata["mean"], scaled.mean((0, 2, 3)), rtol=1e-9)
    np.testing.assert_allclose(metadata["std"], scaled.std((0, 2, 3)), rtol=1e-9)


# --- what can go wrong ----------------------------------------------------------------------------------------


def test_a_truncated_file_is_an_error_that_says_how_to_fetch_it_anew(digits_raw: Path, tmp_path: Path) -> None:
    raw = tmp_path / "mnist"
    shutil.copytree(digits_raw, raw)
    file = raw / "train-00000.parquet"
    file.write_bytes(file.read_bytes()[:-1000])
    with pytest.raises(UserError, match=r"truncated or broken .* dvc repro -f -s download@mnist"):
        prepare(raw, MNIST, tmp_path / "p.safetensors", "embedded")
    assert not list(tmp_path.glob("*p.safetensors*"))


def test_a_missing_column_is_an_error_that_lists_the_columns(digits_raw: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has no column 'img' but image, label"):
        prepare(digits_raw, replace(MNIST, image_column="img"), tmp_path / "p.safetensors", "embedded")


def test_a_missing_split_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has no split 'train'"):
        prepare(tmp_path, MNIST, tmp_path / "p.safetensors", "embedded")


def test_a_truncated_prepared_file_is_an_error(digits: Path, tmp_path: Path) -> None:
    broken = tmp_path / "p.safetensors"
    broken.write_bytes(digits.read_bytes()[:-10])
    with pytest.raises(UserError, match="not a whole safetensors file"):
        read_tensors(broken)
    with pytest.raises(UserError, match="is missing; `dvc repro` makes it"):
        read_tensors(tmp_path / "none.safetensors")


@pytest.mark.parametrize(("script", "output"), [("download", "data/raw"), ("prepare", "data/prepared")])
def test_a_full_disk_is_an_error_and_leaves_nothing_half_written(project: Path, script: str, output: str) -> None:
    if script == "prepare":
        assert run_stage("download", "mnist").returncode == 0
    stopped = subprocess.run(
        [sys.executable, f"stages/{script}.py", "mnist"],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000)),
    )
    assert stopped.returncode == 2, stopped.stderr
    assert stopped.stderr.startswith("error: data/")
    assert "could not be written" in stopped.stderr
    assert not any((project / output).iterdir())


# --- the Hub, from its offline cache --------------------------------------------------------------------------


@pytest.fixture
def hub_cache(project: Path, change: Change, digits_raw: Path) -> Path:
    """A cache as the Hub's client lays it out, holding the digits under the name of MNIST; the budget wants the Hub."""
    change(project / "params.yaml", {"budget": "quick"})
    repository = project / "hub" / "datasets--ylecun--mnist"
    snapshot = repository / "snapshots" / ("0" * 40)
    (snapshot / "mnist").mkdir(parents=True)
    for split in ("train", "test"):
        shutil.copy(digits_raw / f"{split}-00000.parquet", snapshot / "mnist" / f"{split}-00000-of-00001.parquet")
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0" * 40)
    return project / "hub"


def test_a_data_set_in_the_cache_needs_no_network(hub_cache: Path, project: Path) -> None:
    done = run_stage("download", "mnist", HF_HUB_CACHE=str(hub_cache), HF_HUB_OFFLINE="1")
    assert done.returncode == 0, done.stderr
    assert sorted(f.name for f in (project / "data/raw/mnist").iterdir()) == [
        "test-00000.parquet",
        "train-00000.parquet",
    ]
    done = run_stage("prepare", "mnist")
    assert done.returncode == 0, done.stderr
    _, metadata = read_tensors(project / "data/prepared/mnist/images.safetensors")
    assert metadata["source"] == "hub"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sources.mnist.repository": "ylecun/mnits"}, "is not in the Hub's cache and cannot be fetched"),
        ({"sources.mnist.repository": "not a name"}, "'not a name' is not the name of a repository"),
        ({"sources.mnist.revision": "v2"}, "at v2 is not in the Hub's cache and cannot be fetched"),
        ({"sources.mnist.files.train": ["none/*.parquet"]}, "has no file 'none/*.parquet'"),
    ],
)
def test_what_the_cache_lacks_is_a_sentence_that_says_what_to_do(
    hub_cache: Path, project: Path, change: Change, settings: dict[str, object], message: str
) -> None:
    change(project / "params.yaml", settings)
    stopped = run_stage("download", "mnist", HF_HUB_CACHE=str(hub_cache), HF_HUB_OFFLINE="1")
    assert stopped.returncode == 2
    assert message in stopped.stderr
    assert stopped.stderr.count("\n") == 1
    assert not (project / "data/raw/mnist").exists()


def test_a_network_that_is_down_is_a_sentence(hub_cache: Path, project: Path) -> None:
    nowhere = "http://127.0.0.1:9"  # the discard port: nobody listens
    stopped = run_stage(
        "download", "mnist", HF_HUB_CACHE=str(project / "empty"), HF_ENDPOINT=nowhere, HF_HUB_OFFLINE="0"
    )
    assert stopped.returncode == 2
    assert "dataset ylecun/mnist" in stopped.stderr
    assert stopped.stderr.strip().splitlines()[-1].startswith("error: ")
    assert not (project / "data/raw").exists() or not any((project / "data/raw").iterdir())


def test_a_download_that_was_cut_short_is_an_error(hub_cache: Path, project: Path) -> None:
    file = next(hub_cache.rglob("train-*.parquet"))
    file.write_bytes(file.read_bytes()[:-1000])
    stopped = run_stage("download", "mnist", HF_HUB_CACHE=str(hub_cache), HF_HUB_OFFLINE="1")
    assert stopped.returncode == 2
    assert "is truncated; delete it from the Hub's cache and run again" in stopped.stderr
    assert not any((project / "data/raw").iterdir())
