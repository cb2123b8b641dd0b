"""What stages write takes the place of what stages wrote, and of nothing else."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from dla.core.artifacts import write_tensors
from dla.core.atomic import atomic, destination
from dla.core.errors import UserError


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def write_file(path: Path) -> None:
    with atomic(path) as temporary:
        temporary.write_text("new")


def write_folder(path: Path) -> None:
    with atomic(path) as temporary:
        temporary.mkdir()
        (temporary / "new.txt").write_text("new")


def keep(folder: Path) -> Path:
    """A folder with something in it that must not go."""
    folder.mkdir(parents=True)
    (folder / "diary.txt").write_text("mine")
    return folder / "diary.txt"


@pytest.mark.parametrize("write", [write_file, write_folder])
@pytest.mark.parametrize("path", ["mine", "data/raw", "data", "../elsewhere", "report/page"])
def test_a_folder_that_no_stage_wrote_stays(write: object, path: str) -> None:
    kept = keep(Path(path))
    with pytest.raises(UserError, match="is a folder that no stage wrote"):
        write(Path(path))  # type: ignore[operator]
    assert kept.read_text() == "mine"
    assert [file.name for file in Path(path).parent.iterdir() if file.name.endswith((".partial", ".old"))] == []


@pytest.mark.parametrize("path", [".", "/", ""])
def test_the_folder_one_is_in_is_no_place(path: str) -> None:
    with pytest.raises(UserError, match="is a folder"):
        write_file(Path(path))


def test_a_folder_of_a_stage_is_replaced_whole_by_a_folder() -> None:
    keep(Path("data/raw/mnist"))
    write_folder(Path("data/raw/mnist"))
    assert [file.name for file in Path("data/raw/mnist").iterdir()] == ["new.txt"]
    assert [file.name for file in Path("data/raw").iterdir()] == ["mnist"]


def test_a_folder_of_a_stage_is_not_replaced_by_a_file() -> None:
    kept = keep(Path("models/lm/dante"))
    with pytest.raises(UserError, match="is a folder, where a file is to be written"):
        write_file(Path("models/lm/dante"))
    assert kept.exists()


def test_a_file_is_not_replaced_by_a_folder() -> None:
    Path("data/cam").mkdir(parents=True)
    Path("data/cam/run").write_text("mine")
    with pytest.raises(UserError, match="is a file, where a folder is to be written"):
        write_folder(Path("data/cam/run"))
    assert Path("data/cam/run").read_text() == "mine"


@pytest.mark.parametrize("link", ["data/cam/run", "data/cam", "data"])
def test_a_users_folder_behind_a_link_stays(place: Path, link: str) -> None:
    pictures = place.parent / "pictures"
    below = Path("data/cam/run").relative_to(link)
    kept = keep(pictures / below)
    Path(link).parent.mkdir(parents=True, exist_ok=True)
    Path(link).symlink_to(pictures)
    with pytest.raises(UserError, match="is a folder that no stage wrote"):
        write_folder(Path("data/cam/run"))
    assert kept.read_text() == "mine"


def test_a_folder_that_is_new_is_written_through_a_linked_parent(place: Path) -> None:
    (place.parent / "scratch").mkdir()
    Path("data").symlink_to(place.parent / "scratch")
    write_folder(Path("data/raw/mnist"))
    assert (place.parent / "scratch/raw/mnist/new.txt").exists()


def test_a_link_to_a_file_is_replaced_and_what_it_leads_to_stays(place: Path) -> None:
    (place.parent / "cached").write_text("old")  # as DVC links to its cache
    Path("plots").mkdir()
    Path("plots/curve.csv").symlink_to(place.parent / "cached")
    write_file(Path("plots/curve.csv"))
    assert Path("plots/curve.csv").read_text() == "new"
    assert (place.parent / "cached").read_text() == "old"


def test_an_error_of_reading_is_not_called_one_of_writing() -> None:
    def read_end(file: str) -> None:
        with atomic(Path("plots/copy")) as temporary:
            temporary.write_text("begun")
            with Path(file).open("rb") as stream:
                stream.seek(-4, os.SEEK_END)

    Path("empty").touch()
    with pytest.raises(FileNotFoundError):
        read_end("missing")
    with pytest.raises(OSError, match="Invalid argument"):
        read_end("empty")
    assert list(Path("plots").iterdir()) == []


def save_model(folder: Path) -> None:
    with atomic(folder) as temporary:
        temporary.mkdir()
        save_file({"a": torch.zeros(1000)}, temporary / "model.safetensors")


@pytest.fixture
def full() -> Iterator[None]:
    """A disk that takes no file of more than a kilobyte."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_is_one_line_whoever_writes(full: None) -> None:
    with pytest.raises(UserError, match="could not be written"):
        write_tensors(Path("models/net.safetensors"), {"a": np.zeros(1000)})
    with pytest.raises(UserError, match="could not be written"):
        save_model(Path("models/net"))
    assert list(Path("models").iterdir()) == []


def test_a_users_file_is_replaced_and_nothing_is_made_for_it() -> None:
    Path("episode.gif").write_text("old")
    assert destination(Path("episode.gif")) == Path("episode.gif").resolve()
    with pytest.raises(UserError, match="there is no folder deep/er"):
        destination(Path("deep/er/episode.gif"))
    assert not Path("deep").exists()
