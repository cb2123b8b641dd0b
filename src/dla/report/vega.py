"""Vega with all that draws a chart, as one script that a page can hold: nothing is asked of the internet."""

from __future__ import annotations

from functools import cache

import vl_convert

VEGA_LITE = "6.4"  # the version of Altair's specifications


@cache
def vega() -> str:
    """Vega, Vega-Lite and vega-embed as one script that may stand inside an element."""
    bundle: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", vl_version=VEGA_LITE)
    return bundle.replace("</script", "<\\/script")
