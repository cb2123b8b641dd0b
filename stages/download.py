"""Fetch one source: from the Hub or the web, or under a budget with embedded data from the installed libraries.

    python stages/download.py mnist

Reads  params.yaml: sources.NAME, budgets.BUDGET
Writes data/raw/NAME/: SPLIT-NUMBER.parquet of a data set, the files of a model, or text.txt
"""

from pathlib import Path

from dla.core import stage
from dla.core.parameters import read_block, read_budget
from dla.data import embedded, hub, web
from dla.data.settings import Budget, Source, TextSource


def main(name: str) -> None:
    source: Source = read_block(Source, "sources", name)
    folder = Path("data/raw", name)
    if read_block(Budget, "budgets", read_budget()).source == "embedded":
        embedded.write(source.embedded, folder)
    elif isinstance(source, TextSource):
        web.download(source, folder)
    else:
        hub.download(source, folder)


if __name__ == "__main__":
    stage.run(main, __doc__, "a key of `sources` in params.yaml")
