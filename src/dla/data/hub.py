"""Data sets and models from the Hugging Face Hub, or from its offline cache (HF_HUB_CACHE, HF_HUB_OFFLINE)."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from fnmatch import fnmatch
from itertools import chain
from pathlib import Path

from huggingface_hub import snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    HTTPError,  # of whichever HTTP client this version of the Hub's has
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from dla.core.artifacts import atomic
from dla.core.errors import UserError
from dla.data.settings import DatasetSource, ModelSource

HubSource = DatasetSource | ModelSource


def download(source: HubSource, folder: Path) -> None:
    """Put the files of `source` into `folder`: of a data set as SPLIT-NUMBER.SUFFIX, of a model under their own names.

    The Hub client's cache keeps the download, so a second run of this is a copy.

    Raises
    ------
    UserError
        If there is no network and nothing in the cache, no such repository, revision or file, or no room on the disk.
    """
    snapshot = _snapshot(source)
    with atomic(folder) as temporary:
        temporary.mkdir()
        for name, file in _named(snapshot, source):
            if Path(name).name != name:  # whatever settings let pass
                raise UserError(f"{source.repository}: {name!r} would lie outside {folder}; see `files` in params.yaml")
            _copy(file, temporary / name)


MODEL_FILES = ("*.json", "model*.safetensors", "vocab.txt", "merges.txt", "tokenizer.model")


def fetch_model(name: str) -> Path:
    """A folder with the model `name` of the Hub, in the Hub client's cache.

    Raises
    ------
    UserError
        As `download` does.
    """
    return _snapshot(ModelSource(type="model", repository=name, revision="main", files=MODEL_FILES, embedded="nothing"))


def _named(snapshot: Path, source: HubSource) -> Iterator[tuple[str, Path]]:
    """The files of the source, each with the name it is given."""
    if isinstance(source, DatasetSource):
        for split, patterns in source.files.items():
            for number, file in enumerate(_matching(snapshot, patterns, source)):
                yield f"{split}-{number:05d}{file.suffix}", file
        return
    taken: dict[str, Path] = {}
    for file in _matching(snapshot, source.files, source):
        if other := taken.get(file.name):
            places = " and ".join(str(one.relative_to(snapshot)) for one in (other, file))
            raise UserError(f"{source.repository}: {places} would be one file; name one of them in `files`")
        taken[file.name] = file
        yield file.name, file


def _matching(snapshot: Path, patterns: Sequence[str], source: HubSource) -> list[Path]:
    """The files that any of `patterns` names, pattern by pattern and by name."""
    found: dict[Path, None] = {}
    there = sorted(file for file in snapshot.rglob("*") if file.is_file())
    for pattern in patterns:
        files = [file for file in there if fnmatch(str(file.relative_to(snapshot)), pattern)]
        if not files:
            raise UserError(
                f"{source.repository} at {source.revision} has no file {pattern!r} "
                f"(or an earlier download of it was cut short); see `files` in params.yaml, or run again online"
            )
        found |= dict.fromkeys(files)
    return list(found)


def _snapshot(source: HubSource) -> Path:
    if (folder := Path(source.repository)).is_dir():
        return folder
    name = f"{source.type} {source.repository}"
    patterns = source.files if isinstance(source, ModelSource) else list(chain(*source.files.values()))
    try:
        return Path(
            snapshot_download(
                source.repository, repo_type=source.type, revision=source.revision, allow_patterns=list(patterns)
            )
        )
    except GatedRepoError:
        raise UserError(f"{name} asks for consent to its terms: give it on its page, then `hf auth login`") from None
    except RepositoryNotFoundError:
        raise UserError(
            f"{name} is not on the Hub (or is private: `hf auth login`); see `sources` in params.yaml"
        ) from None
    except RevisionNotFoundError:
        raise UserError(f"{name} has no revision {source.revision!r}; see `sources` in params.yaml") from None
    except HFValidationError as error:
        shown = source.repository[:96]  # as long as a name may be
        raise UserError(f"{shown!r} is not the name of a repository: {str(error)[:200]}") from None
    except LocalEntryNotFoundError:
        raise UserError(
            f"{name} at {source.revision} is not in the Hub's cache and cannot be fetched: connect to the internet "
            f"(and unset HF_HUB_OFFLINE), point HF_HUB_CACHE at a cache that has it, or take `budget: demo`"
        ) from None
    except (HfHubHTTPError, HTTPError, ConnectionError, TimeoutError) as error:
        raise UserError(f"{name}: the Hub did not answer ({_first_line(error)}); run again later") from None
    except OSError as error:
        raise UserError(f"{name}: could not be stored in the Hub's cache ({error}); make room and run again") from None


def _copy(file: Path, destination: Path) -> None:
    try:
        shutil.copyfile(file, destination)
    except OSError as error:
        if error.filename != str(file):  # of the copy
            raise
        raise UserError(f"{file}: cannot be read ({error.strerror}); see to it and run again") from error
    if file.suffix == ".parquet" and not _is_whole_parquet(destination):
        raise UserError(f"{file.resolve()} is truncated; delete it from the Hub's cache and run again")


def _is_whole_parquet(file: Path) -> bool:
    """Parquet begins and ends with the same four bytes; a cut-off file lacks the last."""
    with file.open("rb") as stream:
        head = stream.read(4)
        stream.seek(max(4, file.stat().st_size - 4))
        return head == stream.read(4) == b"PAR1"


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
