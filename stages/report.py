"""Make the report: one page about everything that the other stages have written.

    python stages/report.py

Reads  params.yaml; metrics/, plots/, data/samples/, data/generated.json, as far as they are there
Writes report/index.html
"""

from pathlib import Path

from dla.core import stage
from dla.core.artifacts import atomic
from dla.core.parameters import read_parameters
from dla.report.page import make_page


def main() -> None:
    with atomic(Path("report/index.html")) as temporary:
        temporary.write_text(make_page(read_parameters(), read_parameters(budget="full")), encoding="utf-8")


if __name__ == "__main__":
    stage.run(main, __doc__)
