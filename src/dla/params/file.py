"""params.yaml read and checked whole before any work.

What a setting means and which values it takes stands in the settings of each chapter; the values and their reasons in params.yaml.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dla.core.document import read_document
from dla.core.errors import UserError
from dla.core.parsing import did_you_mean, parse
from dla.params.references import check_references
from dla.params.whole import Params

PARAMS_FILE = Path("params.yaml")
SHOWN = 60  # characters of a name that is wrong


def load_params(path: Path = PARAMS_FILE) -> Params:
    """Read and check the parameter file.

    Raises
    ------
    UserError
        In one line, with the file, the key, the value and, where there is one, the nearest name that is known.
    """
    params = parse(Params, read_document(path), str(path))
    check_references(params, str(path))
    return params


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
