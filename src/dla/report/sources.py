"""What a chapter's data are, and what they stand in for."""

from __future__ import annotations

from collections.abc import Iterable

from dla.settings.data import TextSource
from dla.settings.whole import Params


def about(params: Params, data: Iterable[str], *, embedded: bool) -> str:
    """The data sets of a chapter, by where they come from."""
    sources = [params.sources[params.data[name].source] for name in dict.fromkeys(data) if name in params.data]
    places = [source.url if isinstance(source, TextSource) else source.repository for source in sources]
    if not places:
        return ""
    if not embedded:
        return f"Data: {', '.join(places)}."
    pairs = zip(sources, places, strict=True)
    stand_ins = [f"{source.embedded.replace('-', ' ')} (for {place})" for source, place in pairs]
    return f"Embedded data, not the laboratories': {', '.join(stand_ins)}."
