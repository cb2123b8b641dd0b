"""What a command that computes does before it imports the libraries that do."""

from __future__ import annotations

from dla.core import pools
from dla.core.parameters import PARAMS_FILE, read_block
from dla.training.settings import Runtime


def limit_threads() -> None:
    """Compute with as many threads as the stages of the project here do; with one where there is no project."""
    pools.limit(read_block(Runtime, "runtime").threads if PARAMS_FILE.exists() else 1)
