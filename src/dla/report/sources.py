"""What a chapter's data are, where its results say that they came from, and what embedded ones stand in for."""

from __future__ import annotations

from collections.abc import Iterable

from dla.report.results import Settings

Origin = tuple[str, str]  # a key of `data`, and what metrics about it have as `data`: embedded, hub, web, folder, file

PLACES = {
    "hub": "from the Hugging Face Hub",
    "web": "from the web",
    "folder": "a folder of this machine",
    "file": "a file of this machine",
}


def about(params: Settings, origins: Iterable[Origin]) -> str:
    """The data sets of a chapter, real ones first."""
    real, stand_ins = [], []
    for data, origin in dict.fromkeys(origins):
        if data not in params["data"]:
            continue
        source = params["sources"][params["data"][data]["source"]]
        place = source["url"] if source["type"] == "text" else source["repository"]
        if origin == "embedded":
            stand_ins.append(f"{source['embedded'].replace('-', ' ')} (for {place})")
        else:
            real.append(f"{place} ({PLACES.get(origin, origin)})")
    sentences = [f"Data: {', '.join(dict.fromkeys(real))}."] if real else []
    if stand_ins:
        sentences.append(f"Embedded data, not the laboratories': {', '.join(dict.fromkeys(stand_ins))}.")
    return " ".join(sentences)


def title(origin: Origin) -> str:
    """A data set by name, and that it is embedded if it is: numbers of the two are not compared."""
    data, place = origin
    return f"{data} (embedded data)" if place == "embedded" else data
