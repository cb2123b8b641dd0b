"""What to do about a model that is not there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dla.core.errors import UserError
from dla.settings.params import load_params
from dla.settings.parsing import did_you_mean

SHOWN = 60  # characters of a name


def untrained(path: Path, sections: Sequence[str], there: Sequence[str]) -> UserError:
    """The error that the model at `path` is missing: the stage that makes it, or the nearest of all that are known.

    Parameters
    ----------
    sections : of params.yaml that such models are named in; a stage is called like its section
    there : names of those that are trained
    """
    name = path.stem
    known = _named(sections)
    trained = f"trained: {', '.join(there) or 'none yet'}"
    if name in known:
        return UserError(f"{path}: is missing; `dvc repro {known[name]}@{name}` makes it; {trained}")
    shown = name if len(name) <= SHOWN else f"{name[:SHOWN]}..."
    where = " or ".join(sections)
    names = list(dict.fromkeys([*there, *known]))
    return UserError(f"{shown!r} is no name under {where} in params.yaml; {trained}{did_you_mean(name, names)}")


def _named(sections: Sequence[str]) -> dict[str, str]:
    """Names under these sections of params.yaml, each with its section; none where the file cannot be read."""
    try:
        params = load_params()
    except UserError:
        return {}
    return {name: section for section in sections for name in getattr(params, section)}
