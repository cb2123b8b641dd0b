"""Data sets and models from the Hugging Face Hub, or from its offline cache (HF_HUB_CACHE, HF_HUB_OFFLINE)."""

from __future__ import annotations

import shutil
from fnmatch import fnmatch
from pathlib import Path

import httpx
from huggingface_hub import snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from dla.artifacts import atomic
from dla.errors import UserError
from dla.params import HubSource


def download(source: HubSource, folder: Path) -> None:
    """Put the files of `source` into `folder` as SPLIT-NUMBER.SUFFIX, whatever the repository calls them.

    The Hub client's cache keeps the download, so a second run of this is a copy.

    Raises
    ------
    UserError
        If there is no network and nothing in the cache, no such repository, revision or file, or no room on the disk.
    """
    snapshot = _snapshot(source)
    with atomic(folder) as temporary:
        temporary.mkdir()
        for split, pattern in source.files.items():
            files = [f for f in sorted(snapshot.rglob("*")) if fnmatch(str(f.relative_to(snapshot)), pattern)]
            if not files:
                raise UserError(
                    f"{source.repository} at {source.revision} has no file {pattern!r} "
                    f"(or an earlier download of it was cut short); see `files` in params.yaml, or run again online"
                )
            for number, file in enumerate(files):
                _copy(file, temporary / f"{split}-{number:05d}{file.suffix}")


def _snapshot(source: HubSource) -> Path:
    name = f"{source.type} {source.repository}"
    try:
        return Path(
            snapshot_download(
                source.repository,
                repo_type=source.type,
                revision=source.revision,
                allow_patterns=list(source.files.values()),
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
        raise UserError(f"{source.repository!r} is not the name of a repository: {error}") from None
    except LocalEntryNotFoundError:
        raise UserError(
            f"{name} at {source.revision} is not in the Hub's cache and cannot be fetched: connect to the internet "
            f"(and unset HF_HUB_OFFLINE), point HF_HUB_CACHE at a cache that has it, or take `budget: demo`"
        ) from None
    except (HfHubHTTPError, httpx.HTTPError, ConnectionError, TimeoutError) as error:
        raise UserError(f"{name}: the Hub did not answer ({_first_line(error)}); run again later") from None
    except OSError as error:
        raise UserError(f"{name}: could not be stored in the Hub's cache ({error}); make room and run again") from None


def _copy(file: Path, destination: Path) -> None:
    shutil.copyfile(file, destination)
    if file.suffix == ".parquet" and not _is_whole_parquet(destination):
        raise UserError(f"{file.resolve()} is truncated; delete it from the Hub's cache and run again")


def _is_whole_parquet(file: Path) -> bool:
    """Parquet begins and ends with the same four bytes; a cut-off file lacks the last."""
    with file.open("rb") as stream:
        head = stream.read(4)
        stream.seek(-4, 2)
        return head == stream.read(4) == b"PAR1"


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
