"""params.yaml read and checked whole before any work.

What a setting means and which values it takes stands in dla.settings; the values and their reasons in params.yaml.
"""

from __future__ import annotations

from pathlib import Path

from dla.settings.document import read_document
from dla.settings.parsing import parse
from dla.settings.references import check_references
from dla.settings.whole import Params

PARAMS_FILE = Path("params.yaml")


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
