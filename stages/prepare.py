"""Make one data set out of its source: decoded, resized, split once for every run.

    python stages/prepare.py cifar10

Reads  params.yaml: data.NAME, sources.SOURCE, budgets.BUDGET.data; data/raw/SOURCE/
Writes data/prepared/NAME.FORMAT
"""

from importlib import import_module
from pathlib import Path

from dla.core import stage
from dla.data.origin import origin
from dla.params.file import load_params
from dla.params.whole import lookup


def main(name: str) -> None:
    params = load_params()
    data = lookup(params.data, name, "data")
    kind = import_module(f"dla.data.{data.kind}")  # images, ...: each has a `prepare`
    prepared = Path(f"data/prepared/{name}.{data.format}")
    source = origin(params.sources[data.source], params.budgeted.data.source)
    kind.prepare(Path("data/raw", data.source), data, prepared, source)


if __name__ == "__main__":
    stage.run(main, __doc__, "a key of `data` in params.yaml")
