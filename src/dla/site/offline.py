"""The page that `dvc plots show` fills, with Vega inside it, so that plots open without internet.

    python -m dla.site.offline .dvc/plots/offline.html

DVC's own page loads Vega from a content delivery network, and has a plot for every file. This one, which .dvc/config
names, puts plots that differ in their data alone together, and gives every run the colour that it has in the report.
`make` writes it: it holds 1 MB of other people's code, and the colours of the runs in params.yaml at that moment; a run
that is added later gets one of its own.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from dla.core.artifacts import atomic
from dla.report.colours import OTHERS
from dla.report.vega import vega
from dla.site.drawn import known_colours

FOLDER = Path(__file__).parent


def page() -> str:
    """The page as a template of DVC's, with the placeholders `refresh_tag` and `plot_divs`."""
    colours = json.dumps({"known": known_colours(), "others": OTHERS}).replace("<", "\\u003c")  # ends no element
    script = (FOLDER / "plots.js").read_text(encoding="utf-8").replace("COLOURS", colours)
    # DVC puts its own <script src> tags at {scripts}; leaving that placeholder out leaves them out.
    return (FOLDER / "plots.html").read_text(encoding="utf-8").replace("SCRIPT", script).replace("BUNDLE", vega())


if __name__ == "__main__":
    with atomic(Path(sys.argv[1])) as temporary:
        temporary.write_text(page(), encoding="utf-8")
