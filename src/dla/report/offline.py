"""The page that `dvc plots show` fills, with Vega inside it, so that plots open without internet.

    python -m dla.report.offline .dvc/plots/offline.html

DVC's own page loads Vega from a content delivery network. `make install` writes this one where .dvc/config names it;
it holds 1 MB of other people's code, so it is made, not committed.
"""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path

import vl_convert

from dla.core.artifacts import atomic

VEGA_LITE = "5.21"  # the schema version of DVC's templates

# DVC puts its own <script src> tags at {scripts}; leaving that placeholder out leaves them out.
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
{refresh_tag}
<meta charset="utf-8">
<title>dla: plots</title>
<style>
  body { font: 15px system-ui, sans-serif; margin: 1.5rem; }
  .plots { display: flex; flex-wrap: wrap; gap: 1.5rem 2.5rem; align-items: start; }
  .plots > div { max-width: 100%; overflow-x: auto; }
</style>
<script>
BUNDLE
</script>
</head>
<body>
<div class="plots">
{plot_divs}
</div>
</body>
</html>
"""


def page() -> str:
    """The page as a template of DVC's, with the placeholders `refresh_tag` and `plot_divs`."""
    return PAGE.replace("BUNDLE", vega(VEGA_LITE))


@cache
def vega(vega_lite: str) -> str:
    """Vega, that version of Vega-Lite, and vega-embed as one script that may stand inside an element."""
    bundle: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", vl_version=vega_lite)
    return bundle.replace("</script", "<\\/script")


if __name__ == "__main__":
    with atomic(Path(sys.argv[1])) as temporary:
        temporary.write_text(page(), encoding="utf-8")
