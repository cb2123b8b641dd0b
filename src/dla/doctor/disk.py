"""Free space beside what a run will write."""

from __future__ import annotations

import shutil
from pathlib import Path

from huggingface_hub import constants

from dla.doctor.finding import Finding, bytes_in_words


def disk(missing: int | None, budget: str, downloads: int) -> list[Finding]:
    """The disk of the project, and that of the Hub's cache where it is another one and something will be downloaded.

    How large the outputs of a budget are is known once dvc.lock records a run of it; before, only downloads count.

    Parameters
    ----------
    missing : bytes of outputs that are not here, None if dvc.lock records no run of the budget
    downloads : bytes that will be downloaded, as far as they are known
    """
    cache = _existing(Path(constants.HF_HUB_CACHE))
    apart = downloads > 0 and cache.stat().st_dev != Path.cwd().stat().st_dev
    if missing is not None:
        needed, reason = 2 * missing, "for outputs that are not here, twice, as DVC keeps a copy"
    else:
        needed, reason = 2 * downloads, f"at least: the outputs of budget {budget} are known after its first run"
    found = _room("disk", Path.cwd(), needed if apart else needed + downloads, reason)
    return [found, _room("cache disk", cache, downloads, "for downloads")] if apart else [found]


def _room(subject: str, folder: Path, needed: int, reason: str) -> Finding:
    free = shutil.disk_usage(folder).free
    state = f"{bytes_in_words(free)} free, {bytes_in_words(needed)} needed {reason}"
    facts = {"free": free, "needed": needed}
    if free >= needed:
        return Finding(subject, state, facts=facts)
    problem = (
        f"the disk of {folder} has {bytes_in_words(free)} free, but {bytes_in_words(needed)} are needed; make room"
    )
    return Finding(subject, state, problem, stops=True, facts=facts)


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    return next(place for place in (folder, *folder.absolute().parents) if place.is_dir())
