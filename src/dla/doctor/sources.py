"""Whether the data sets, models and texts of params.yaml are on this machine, and what fetching them takes.

Asking costs one small request per source, all at once; nothing is downloaded.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from itertools import chain
from pathlib import Path
from urllib.parse import urlsplit

import fsspec
from fsspec.utils import get_protocol
from huggingface_hub import HfApi, constants, get_token, snapshot_download, try_to_load_from_cache
from huggingface_hub.errors import (
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from dla.data.settings import DatasetSource, ModelSource, Source, TextSource

HubSource = DatasetSource | ModelSource
TIMEOUT = 3.0  # seconds that connecting to the Hub, or waiting for it, may take
DEADLINE = 5.0  # seconds after which nobody waits any longer, whatever the network does


@dataclass(frozen=True)
class Availability:
    """Where a source is, and what is still to be fetched of it."""

    place: str  # repository, folder, file or host
    here: bool = False  # all of it is on this machine
    reachable: bool | None = None  # None: nobody asked
    size: int | None = None  # bytes that are left to download, None: not known
    trouble: str = ""  # why it cannot be had
    wrong: bool = False  # the trouble is with what params.yaml says of it, not with the network


def look(sources: Mapping[str, Source], *, ask: bool) -> dict[str, Availability]:
    """Every source, by name; with `ask` those that are not local are looked for on the network, side by side."""
    found = {name: _on_this_machine(source) for name, source in sources.items()}
    if ask:
        remote = {name: source for name, source in sources.items() if not _is_local(source)}
        found |= {name: replace(found[name], reachable=False, trouble="no answer in time") for name in remote}
        found |= _ask_all(remote, found)
    return found


def is_offline() -> bool:
    """Whether the Hub's client is told to stay away from the network; then nothing else here asks it either."""
    return bool(constants.HF_HUB_OFFLINE)


# --- on this machine ------------------------------------------------------------------------------------------


def _is_local(source: Source) -> bool:
    if isinstance(source, TextSource):
        return get_protocol(source.url) in ("file", "local")
    return Path(source.repository).is_dir()


def _on_this_machine(source: Source) -> Availability:
    place = _place(source)
    if isinstance(source, HubSource):
        here = _is_local(source) or _is_cached(source)
        return Availability(place, here, size=0 if here else None)
    if not _is_local(source):
        return Availability(place)
    if fsspec.url_to_fs(source.url)[0].isfile(source.url):
        return Availability(place, here=True, size=0)
    return Availability(place, trouble="there is no such file", wrong=True)


def _is_cached(source: HubSource) -> bool:
    """Whether the Hub's cache has a file for every pattern, at the revision as it was when last asked for."""
    try:
        snapshot = Path(
            snapshot_download(source.repository, repo_type=source.type, revision=source.revision, local_files_only=True)
        )
    except (LocalEntryNotFoundError, HFValidationError):
        return False
    there = [str(file.relative_to(snapshot)) for file in snapshot.rglob("*") if file.is_file()]
    return all(any(fnmatch(file, pattern) for file in there) for pattern in _patterns(source))


# --- on the network -------------------------------------------------------------------------------------------


def _ask_all(sources: Mapping[str, Source], known: Mapping[str, Availability]) -> dict[str, Availability]:
    """The answers that came in time."""
    answers: dict[str, Availability] = {}

    def ask(name: str, source: Source) -> None:
        try:
            answers[name] = _ask_hub(source) if isinstance(source, HubSource) else _ask_host(source)
        except Exception as error:  # whatever a network, a proxy or a library for it makes of trouble
            answers[name] = replace(known[name], reachable=False, trouble=_first_line(error))

    # Daemons: a name server that never answers must not keep the process from ending.
    threads = [threading.Thread(target=ask, args=item, daemon=True) for item in sources.items()]
    for thread in threads:
        thread.start()
    end = time.monotonic() + DEADLINE
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    return dict(answers)


def _ask_host(source: TextSource) -> Availability:
    files, path = fsspec.url_to_fs(source.url)  # what will fetch it
    return Availability(_place(source), reachable=True, size=files.info(path).get("size"))


def _ask_hub(source: HubSource) -> Availability:
    """What the Hub says of the files that params.yaml names, less those that its cache has."""
    name, kind = source.repository, source.type
    try:
        told = HfApi().repo_info(name, repo_type=kind, revision=source.revision, timeout=TIMEOUT, files_metadata=True)
    except RevisionNotFoundError:
        return _wrong(source, f"there is no revision {source.revision!r}")
    except RepositoryNotFoundError:
        return _wrong(source, "it is not on the Hub, or is private: `hf auth login`")
    except HFValidationError as error:
        return _wrong(source, _first_line(error))
    if told.gated and get_token() is None:
        return _wrong(source, "it asks for consent to its terms: give it on its page, then `hf auth login`")
    files = [file for file in told.siblings or [] if any(fnmatch(file.rfilename, p) for p in _patterns(source))]
    for pattern in _patterns(source):
        if not any(fnmatch(file.rfilename, pattern) for file in files):
            return _wrong(source, f"there is no file {pattern!r}")
    cached = (try_to_load_from_cache(name, file.rfilename, revision=told.sha, repo_type=kind) for file in files)
    sizes = [file.size for file, path in zip(files, cached, strict=True) if not isinstance(path, str)]
    return Availability(name, here=not sizes, reachable=True, size=None if None in sizes else sum(sizes))


def _wrong(source: HubSource, trouble: str) -> Availability:
    return Availability(source.repository, reachable=True, trouble=trouble, wrong=True)


def _patterns(source: HubSource) -> list[str]:
    return list(source.files if isinstance(source, ModelSource) else chain(*source.files.values()))


def _place(source: Source) -> str:
    return (urlsplit(source.url).netloc or source.url) if isinstance(source, TextSource) else source.repository


def _first_line(error: Exception) -> str:
    cause = error.__cause__ or error  # fsspec says "not found" whatever the web said
    return (str(cause).strip() or type(cause).__name__).splitlines()[0]
