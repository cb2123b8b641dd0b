"""Logs change no result: where they cannot be had the run goes on, but for those that were asked for by name."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dla.core.errors import UserError
from dla.training.epoch import Scores
from dla.training.fit import Epoch
from dla.training.settings import Tracking
from dla.training.tracking import observers

TENSORBOARD = Tracking(tensorboard=True, wandb=False)


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(name: str, first: int = 1) -> None:
    with observers(name, 3, {}, TENSORBOARD) as logs:
        for number in range(first, 4):
            for log in logs:
                log(Epoch(number, 0.1, Scores(1.0, 0.5), Scores(1.0, 0.5)))


def test_a_run_whose_logs_cannot_be_written_goes_on_after_one_line(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "runs").touch()  # as where runs/ is read-only
    run("net")
    told = capsys.readouterr()
    assert told.err == "warning: no logs are written: runs (Not a directory)\n"
    assert told.out.count("\n") == 3


def test_a_new_run_forgets_the_curves_of_the_last_and_nothing_else(place: Path) -> None:
    folder = place / "runs/net"
    folder.mkdir(parents=True)
    (folder / "notes.txt").write_text("mine")
    (folder / "events.out.tfevents.1.host").write_text("old")
    run("net")
    assert (folder / "notes.txt").read_text() == "mine"
    assert not (folder / "events.out.tfevents.1.host").exists()
    (curves,) = folder.glob("events.out.tfevents.*")
    run("net", first=2)  # resumed
    assert curves.exists()


def test_logs_stay_in_their_folder(place: Path) -> None:
    run("../../elsewhere")
    assert [folder.name for folder in (place / "runs").iterdir()] == ["..-..-elsewhere"]


def test_weights_and_biases_without_a_key_is_one_line_before_any_work(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb")
    for name in list(os.environ):
        if name.startswith("WANDB"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(place))  # where there is no ~/.netrc
    with (
        pytest.raises(UserError, match=r"tracking.wandb = true, but Weights & Biases cannot be used") as error,
        observers("net", 3, {}, Tracking(tensorboard=False, wandb=True)),
    ):
        pass
    assert "\n" not in str(error.value)
