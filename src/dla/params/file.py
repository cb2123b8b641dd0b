"""params.yaml read and checked whole, under every budget, before any work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dla.core.document import read_document
from dla.core.parameters import PARAMS_FILE, cut
from dla.core.parsing import parse, refer
from dla.params.references import check_references
from dla.params.whole import Params


def load_params(path: Path = PARAMS_FILE, budget: str | None = None) -> Params:
    """Read and check the parameter file.

    Parameters
    ----------
    budget : under which the blocks are cut; that which the file names if left out

    Raises
    ------
    UserError
        In one line, with the file, the key, the value and, where there is one, the nearest name that is known.
    """
    content = read_document(path)
    _parse(cut(content, ""), str(path))  # as it is written: what is wrong there is not the fault of a cut
    params = {name: _parse(_cut(content, name), f"{path} under budget {name}") for name in content["budgets"]}
    name = budget or content["budget"]
    refer(f"{path}: budgets", name, params)
    return params[name]


def _cut(content: dict[str, Any], budget: str) -> Any:
    return cut({**content, "budget": budget}, budget)


def _parse(content: Any, file: str) -> Params:
    params = parse(Params, content, file)
    check_references(params, file)
    return params
