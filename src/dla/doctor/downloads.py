"""What of the sources is still to be fetched under a budget, and what stands in the way."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from huggingface_hub import constants

from dla.data.settings import TextSource
from dla.doctor import sources
from dla.doctor.finding import Finding, bytes_in_words
from dla.doctor.sources import Availability
from dla.params.whole import Params


@dataclass(frozen=True)
class Downloads:
    """What a run will fetch."""

    findings: list[Finding]
    size: int = 0  # bytes, as far as they are known


def downloads(params: Params, found: dict[str, Availability], fetched: Collection[str]) -> Downloads:
    """A finding per source, and one about all of them.

    Parameters
    ----------
    found : every source of `params`
    fetched : those that an earlier run has put where the stages read them
    """
    budget = f"budget {params.budget}"
    if params.data_source == "embedded":
        nothing = Finding(
            "downloads", f"nothing, as {budget} takes data that the dependencies carry", facts={"size": 0}
        )
        return Downloads([*(_embedded(params, name, place) for name, place in found.items()), nothing])
    lines = [_from_outside(name, place, name in fetched) for name, place in found.items()]
    wanted = {name: place for name, place in found.items() if name not in fetched and not place.here}
    size = sum(place.size or 0 for place in wanted.values())
    return Downloads([*lines, _in_all(params, wanted, size)], size)


def _embedded(params: Params, name: str, found: Availability) -> Finding:
    state = f"embedded: {params.sources[name].embedded}"
    if found.here:
        state += f"; other budgets find {found.place} on this machine"
    return Finding(f"source {name}", state, facts=_facts(found))


def _from_outside(name: str, found: Availability, fetched: bool) -> Finding:
    facts = _facts(found) | {"fetched": fetched}
    if fetched:
        return Finding(f"source {name}", f"{found.place}: fetched already, as data/raw/{name}", facts=facts)
    problem = ""
    if found.wrong:
        problem = f"params.yaml: sources.{name}: {found.place}: {found.trouble}"
    return Finding(f"source {name}", f"{found.place}: {_state(found)}", problem, stops=bool(problem), facts=facts)


def _state(found: Availability) -> str:
    if found.here:
        return "on this machine" + (", though not reachable now" if found.reachable is False else "")
    if found.wrong:
        return "not as params.yaml says"
    if found.reachable:
        return "reachable, " + (
            "of unknown size" if found.size is None else f"{bytes_in_words(found.size)} to download"
        )
    if found.reachable is None:
        return "not on this machine, and not asked for, as HF_HUB_OFFLINE is set"
    return f"not on this machine, and not reachable ({found.trouble})"


def _in_all(params: Params, wanted: dict[str, Availability], size: int) -> Finding:
    """What is to be downloaded, and one sentence about all that cannot be."""
    unknown = [name for name, place in wanted.items() if place.size is None]
    facts = {"size": size, "unknown": unknown}
    state = "nothing" if not wanted else f"{bytes_in_words(size)} (the Hub's cache is {constants.HF_HUB_CACHE})"
    if unknown:
        state = f"unknown of {', '.join(unknown)}" + (f"; of the others {state}" if size else "")
    out_of_reach = [name for name, place in wanted.items() if not place.wrong and _is_out_of_reach(params, name, place)]
    if not out_of_reach:
        return Finding("downloads", state, facts=facts)
    problem = (
        f"{', '.join(out_of_reach)}: cannot be fetched: connect to the internet (and unset HF_HUB_OFFLINE), "
        "point HF_HUB_CACHE at a cache that has them (and the `url` of a text at a copy), or take `budget: demo`"
    )
    return Finding("downloads", state, problem, stops=True, facts=facts)


def _is_out_of_reach(params: Params, name: str, found: Availability) -> bool:
    """A text that nobody asked for may well be there: HF_HUB_OFFLINE keeps only the Hub's client from the network."""
    if found.reachable is None:
        return sources.is_offline() and not isinstance(params.sources[name], TextSource)
    return not found.reachable


def _facts(found: Availability) -> dict[str, object]:
    return {"place": found.place, "here": found.here, "reachable": found.reachable, "size": found.size}
