"""Fetch one source: from the Hub, or under a budget with embedded data from the installed libraries.

    python stages/download.py mnist

Reads  params.yaml: sources.NAME, budgets.BUDGET.data
Writes data/raw/NAME/SPLIT-NUMBER.parquet
"""

from pathlib import Path

from dla import stage
from dla.data import embedded, hub
from dla.params import load_params, lookup


def main(name: str) -> None:
    params = load_params()
    source = lookup(params.sources, name, "sources")
    folder = Path("data/raw", name)
    if params.budgeted.data.source == "embedded":
        embedded.write(source.embedded, folder)
    else:
        hub.download(source, folder)


if __name__ == "__main__":
    stage.run(main, __doc__, "a key of `sources` in params.yaml")
