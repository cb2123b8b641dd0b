"""What is kept for a killed run is forgotten once the stage has succeeded, and never otherwise."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from dla.core.errors import UserError
from dla.core.success import on_success, until_success
from dla.training.checkpoint import Checkpoint

STAGE = """
import os, signal
from pathlib import Path
from dla.core import stage
from dla.core.artifacts import write_text
from dla.training.checkpoint import Checkpoint

def main():
    Checkpoint({}, []).save({"epoch": 1})
    WRITE

stage.run(main, None)
"""
WHOLE = 'write_text(Path("results/result"), "whole")'


def run(folder: Path, write: str) -> subprocess.CompletedProcess[str]:
    script = folder / "script.py"
    script.write_text(STAGE.replace("WRITE", write))
    return subprocess.run([sys.executable, script], cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("write", "code"),
    [
        ("raise RuntimeError('lost')", 1),
        ("os.kill(os.getpid(), signal.SIGINT)", 130),
        ("os.kill(os.getpid(), signal.SIGKILL)", -9),
    ],
    ids=["a bug", "interrupted", "killed"],
)
def test_a_checkpoint_outlasts_a_stage_that_ends_before_all_is_written(tmp_path: Path, write: str, code: int) -> None:
    assert run(tmp_path, write).returncode == code
    assert len(list(tmp_path.glob(".checkpoints/*/state.safetensors"))) == 1
    assert run(tmp_path, WHOLE).returncode == 0
    assert not any((tmp_path / ".checkpoints").iterdir())


def test_a_checkpoint_outlasts_a_write_that_fails(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("a file where a folder is to be")
    failed = run(tmp_path, WHOLE)
    assert (failed.returncode, failed.stderr.count("\n")) == (2, 1)
    assert len(list(tmp_path.glob(".checkpoints/*/state.safetensors"))) == 1
    (tmp_path / "results").unlink()
    assert run(tmp_path, WHOLE).returncode == 0
    assert not any((tmp_path / ".checkpoints").iterdir())


def test_what_is_registered_is_called_in_order_at_the_end_of_its_own_block() -> None:
    called: list[str] = []
    with until_success():
        on_success(lambda: called.append("first"))
        with until_success():
            on_success(lambda: called.append("inner"))
        on_success(lambda: called.append("second"))
        assert called == ["inner"]
    assert called == ["inner", "first", "second"]


def test_nothing_is_called_after_an_error_nor_by_the_block_that_comes_next() -> None:
    called: list[str] = []

    def fail() -> None:
        with until_success():
            on_success(lambda: called.append("failed"))
            raise UserError("no")

    with pytest.raises(UserError):
        fail()
    with until_success():
        pass
    assert called == []


def test_outside_of_all_blocks_a_checkpoint_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    checkpoint = Checkpoint({}, [])
    checkpoint.save({"epoch": 1})
    assert checkpoint.load() == {"epoch": 1}
