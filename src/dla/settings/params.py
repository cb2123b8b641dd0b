"""params.yaml read and checked whole before any work.

What a setting means and which values it takes stands in dla.settings; the values and their reasons in params.yaml.
"""

from __future__ import annotations

from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from dla.core.errors import UserError
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
    try:
        content = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); run from the root of the project") from None
    except (YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: is not valid YAML: {' '.join(str(error).split())}") from None
    params = parse(Params, content, str(path))
    check_references(params, str(path))
    return params
