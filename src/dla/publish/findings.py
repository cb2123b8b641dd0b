"""The first charts of the report side by side: README's picture of what is published, and that of the default run.

    python -m dla.publish.findings docs/findings.png

draws the latter, anew with every new result of it; the former is a figure of docs/results.md.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import vl_convert

from dla.core.artifacts import atomic
from dla.core.parameters import read_parameters
from dla.report import depth, features, skips
from dla.report.chapter import Chart
from dla.report.results import Results, Settings
from dla.report.vega import VEGA_LITE

CHAPTERS = (depth, skips, features)  # whose first charts are drawn, side by side
WIDTH, HEIGHT = 290, 230  # pixels of each
SCALE = 2.0  # pixels of the picture for each of these, as screens have


def specification(params: Settings, root: Path) -> dict[str, Any]:
    """The first chart of each chapter of which there are results below `root`, under the chapter's question."""
    charts: list[dict[str, Any]] = []
    data: dict[str, Any] = {}
    shared: dict[str, Any] = {}
    for module in CHAPTERS:
        chapter = module.chapter(params, Results(root))
        spec = next((dict(block.spec) for block in chapter.blocks if isinstance(block, Chart)), None)
        if spec is not None:
            shared = {name: spec.pop(name) for name in ("$schema", "config")}
            data |= spec.pop("datasets")  # which stand at the top alone
            charts.append(spec | {"title": chapter.question, "width": WIDTH, "height": HEIGHT})
    scales = {"scale": {"color": "independent", "strokeDash": "independent"}}
    # Four runs in a line are wider than a chart.
    shared["config"] = shared.get("config", {}) | {"legend": {"columns": 2}}
    return {**shared, "datasets": data, "hconcat": charts, "spacing": 30, "resolve": scales}


if __name__ == "__main__":
    with atomic(Path(sys.argv[1])) as temporary:
        drawing = specification(read_parameters(), Path())
        temporary.write_bytes(vl_convert.vegalite_to_png(drawing, vl_version=VEGA_LITE, scale=SCALE))
