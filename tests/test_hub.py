"""What a source's settings name stays in the source's folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from dla.core.errors import UserError
from dla.data.hub import download
from dla.data.settings import DatasetSource, ModelSource


@pytest.fixture(autouse=True)
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that stands in for a repository of the Hub."""
    folder = tmp_path / "repository"
    (folder / "1_Pooling").mkdir(parents=True)
    (folder / "config.json").write_text("whole")
    (folder / "1_Pooling/config.json").write_text("part")
    (folder / "rows.csv").write_text("a,b")
    (folder / "empty.parquet").touch()
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    return folder


def dataset(repository: Path, **files: tuple[str, ...]) -> DatasetSource:
    return DatasetSource("dataset", str(repository), "main", files, "digits")


def test_a_name_that_leads_elsewhere_writes_nothing_even_if_settings_let_it_pass(repository: Path) -> None:
    source = dataset(repository, train=("rows.csv",))
    object.__setattr__(source, "files", {"../../evil": ("rows.csv",)})
    with pytest.raises(UserError, match="would lie outside data/raw/mine"):
        download(source, Path("data/raw/mine"))
    assert not list(repository.parent.rglob("*evil*"))
    assert list(Path("data/raw").iterdir()) == []


def test_two_files_of_one_name_are_not_one_model(repository: Path) -> None:
    both = ModelSource("model", str(repository), "main", ("*.json",), "nothing")
    with pytest.raises(UserError, match=r"1_Pooling/config.json and config.json would be one file"):
        download(both, Path("data/raw/mine"))
    one = ModelSource("model", str(repository), "main", ("config.json",), "nothing")
    download(one, Path("data/raw/mine"))
    assert Path("data/raw/mine/config.json").read_text() == "whole"


def test_an_empty_parquet_is_truncated_not_unwritable(repository: Path) -> None:
    with pytest.raises(UserError, match=r"empty.parquet is truncated; delete it"):
        download(dataset(repository, train=("*.parquet",)), Path("data/raw/mine"))


def test_a_file_that_cannot_be_read_is_not_called_unwritable(repository: Path) -> None:
    (repository / "gone.csv").symlink_to(repository / "nowhere.csv")
    with pytest.raises(UserError, match=r"has no file 'gone.csv'"):
        download(dataset(repository, train=("gone.csv",)), Path("data/raw/mine"))
