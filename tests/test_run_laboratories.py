"""The laboratories' own stages have the same bits by `dvc repro`, by `dla run`, and in the last run of all."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from .conftest import ROOT

pytestmark = pytest.mark.slow

# A net that is trained, features, a linear classifier, a scorer, counted words, a plane: what takes seconds each.
TARGETS = ("train@mnist-mlp-64", "classify@logreg", "rank@margin", "tfidf@tfidf", "tsne@test")
WAYS = {
    "serial": ["dvc", "repro"],
    "one job": ["dla", "run", "--jobs", "1"],
    "four jobs": ["dla", "run", "--jobs", "4"],
}


def recorded(lock: Path) -> dict[str, Any]:
    stages: dict[str, Any] = YAML(typ="safe").load(lock.read_text())["stages"]
    return stages


def test_however_many_stages_run_at_once_their_bits_are_those_of_a_serial_run(tmp_path: Path) -> None:
    bin_folder = Path(sys.executable).parent
    for way, command in WAYS.items():
        folder = tmp_path / way
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
        (folder / "dvc.lock").unlink()
        variables = {"PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(folder / "src")}
        run = [str(bin_folder / command[0]), *command[1:], *TARGETS]
        subprocess.run(run, cwd=folder, env=os.environ | variables, stdout=subprocess.DEVNULL, check=True)
    locks = {way: (tmp_path / way / "dvc.lock").read_bytes() for way in WAYS}
    assert locks["one job"] == locks["serial"]
    assert locks["four jobs"] == locks["serial"]
    there = recorded(ROOT / "dvc.lock")
    assert {name: there[name] for name in recorded(tmp_path / "serial/dvc.lock")} == recorded(
        tmp_path / "serial/dvc.lock"
    )
