"""Where data come from: what every result says of its data."""

from __future__ import annotations

from pathlib import Path

from fsspec.utils import get_protocol

from dla.data.settings import Source, TextSource


def origin(source: Source, budget: str) -> str:
    """`embedded`, or what a source is: `hub` or `folder` of a data set or model, `web` or `file` of a text.

    Parameters
    ----------
    budget : `source` of the budget's data; `embedded` takes what the dependencies carry, whatever `source` names
    """
    if budget == "embedded":
        return budget
    if isinstance(source, TextSource):
        return "file" if get_protocol(source.url) in ("file", "local") else "web"
    return "folder" if Path(source.repository).is_dir() else "hub"
