"""Make one data set out of its source: decoded, resized, split once for every run.

    python stages/prepare.py cifar10

Reads  params.yaml: data.NAME, sources.SOURCE, budgets.BUDGET; data/raw/SOURCE/
Writes data/prepared/NAME/images.safetensors or texts.parquet
"""

from pathlib import Path

from dla.core import stage
from dla.core.artifacts import atomic
from dla.core.parameters import read_block, read_budget
from dla.data.origin import origin
from dla.data.settings import KINDS, Budget, Data, Source


def main(name: str) -> None:
    data: Data = read_block(Data, "data", name)
    source: Source = read_block(Source, "sources", data.source)
    kind = KINDS.module(data.kind)
    come_from = origin(source, read_block(Budget, "budgets", read_budget()).source)
    with atomic(Path("data/prepared", name)) as folder:
        folder.mkdir()
        kind.prepare(Path("data/raw", data.source), data, folder / kind.FILE, come_from)


if __name__ == "__main__":
    stage.run(main, __doc__, "a key of `data` in params.yaml")
