"""What a command that computes does before it imports the libraries that do."""

from __future__ import annotations

from dla.core import pools
from dla.params.file import PARAMS_FILE, load_params


def limit_threads() -> None:
    """Compute with as many threads as the stages of the project here do; with one where there is no project."""
    pools.limit(load_params().runtime.threads if PARAMS_FILE.exists() else 1)
