"""Fixtures shared by the tests: the repository, a scratch project, and small real data."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from ruamel.yaml import YAML
from sklearn.datasets import load_digits

from dla.core.artifacts import write_tensors

if TYPE_CHECKING:
    from dla.report.chapter import Chapter

    from .clusters import Farm

ROOT = Path(__file__).parents[1]
os.environ.setdefault("SDL_VIDEODRIVER", "dummy")  # windows that nobody sees; those of Mesa crash torch's compiler


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A scratch copy of the project's parameters and scripts, and the working directory of the test."""
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "stages", tmp_path / "stages")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def change() -> Callable[..., None]:
    """Set keys of a params.yaml: change(path, {"train.cifar10-cnn.epochs": 3})."""

    def change(path: Path, settings: dict[str, object]) -> None:
        yaml = YAML()
        content = yaml.load(path.read_text())
        for dotted, value in settings.items():
            *parents, key = dotted.split(".")
            block = content
            for parent in parents:
                block = block[parent]
            block[key] = value
        with path.open("w") as stream:
            yaml.dump(content, stream)

    return change


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small prepared data set: 8x8 greyscale handwritten digits."""
    bunch = load_digits()
    images = np.round(bunch.images * (255 / 16)).astype(np.uint8)[:, None]
    labels = bunch.target.astype(np.int64)
    bounds = {"train": slice(0, 600), "validation": slice(600, 800), "test": slice(800, 1001)}
    tensors = {f"{split}.images": images[part] for split, part in bounds.items()}
    tensors |= {f"{split}.labels": labels[part] for split, part in bounds.items()}
    path = tmp_path_factory.mktemp("prepared") / "digits.safetensors"
    facts = {"classes": [str(i) for i in range(10)], "source": "embedded", "mean": [0.3], "std": [0.35]}
    write_tensors(path, tensors, facts)
    return path


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Farm]:
    """A Dask scheduler on loopback."""
    from .clusters import Farm  # which takes a second that few tests need

    farm = Farm(tmp_path_factory.mktemp("farm"))
    yield farm
    farm.close()


@pytest.fixture
def cluster(farm: Farm) -> Farm:
    """With two workers of one thread."""
    farm.keep_workers(2)
    return farm


def run_stage(script: str, *names: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a stage script of the scratch project as a user would."""
    return subprocess.run(
        [sys.executable, f"stages/{script}.py", *names],
        capture_output=True,
        text=True,
        env=os.environ | environment,
        check=False,
    )


def said(chapter: Chapter) -> str:
    """All that a chapter of the report finds."""
    return " ".join(chapter.findings)
