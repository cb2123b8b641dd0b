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
    params = _under(content, None, str(path))
    others: dict[str, Params] = {name: _under(content, name, f"{path} under budget {name}") for name in params.budgets}
    if budget is None:
        return params
    refer(f"{path}: budgets", budget, others)
    return others[budget]


def _under(content: Any, budget: str | None, file: str) -> Params:
    if isinstance(content, dict):
        budget = budget or str(content.get("budget"))
        content = cut({**content, "budget": budget} if "budget" in content else content, budget)
    params = parse(Params, content, file)
    check_references(params, file)
    return params
