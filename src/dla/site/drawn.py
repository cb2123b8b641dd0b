"""What `dvc plots` shows, as pictures: drawn without a browser, by the Vega that vl-convert carries.

As on the page of plots (plots.js), those that differ in their data alone are one, and runs have the report's colours.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import vl_convert

from dla.core.document import read_document
from dla.core.errors import UserError
from dla.report.colours import colours, palette
from dla.report.vega import VEGA_LITE

PARAMS = Path("params.yaml")
Spec = dict[str, Any]


@dataclass(frozen=True)
class Plot:
    """One plot, of a file or of several: a Vega-Lite specification of all revisions, or a picture file of each."""

    name: str
    specification: Spec | None
    pictures: dict[str, tuple[str, bytes]]  # revision -> ending and content

    def drawn(self) -> Iterator[tuple[str, bytes]]:
        """Name and content of picture files: one of all revisions together, or one of each."""
        if self.specification is not None:
            yield f"{file_name(self.name)}.png", vl_convert.vegalite_to_png(self.specification, vl_version=VEGA_LITE)
        for revision, (ending, content) in self.pictures.items():
            yield f"{file_name(self.name)}-{file_name(revision)}{ending}", content

    def is_changed(self, old: str, new: str) -> bool:
        """Whether two revisions differ in what is plotted."""
        if self.specification is None:
            return self.pictures.get(old) != self.pictures.get(new)
        rows = self.specification["data"]["values"]
        before, after = ([row | {"rev": ""} for row in rows if row["rev"] == revision] for revision in (old, new))
        return before != after


def read_plots(*revisions: str) -> Iterator[Plot]:
    """The plots of dvc.yaml, charts first, of the working tree or of revisions side by side.

    Raises
    ------
    UserError
        If DVC cannot show them, with what it says.
    """
    command = ["diff", *revisions] if revisions else ["show"]
    with tempfile.TemporaryDirectory() as folder:  # DVC writes the picture files there
        told = dvc("plots", *command, "--json", "--out", folder)
        plots = json.loads(told)["data"]
        yield from _merged(
            {name: entries[0]["content"] for name, entries in plots.items() if entries[0]["type"] == "vega"}
        )
        for name, entries in plots.items():
            files = {entry["revisions"][0]: Path(entry["url"]) for entry in entries if entry["type"] == "image"}
            known = [revision for revision in revisions or ("workspace",) if revision in files]
            if known:
                yield Plot(
                    name, None, {revision: (files[revision].suffix, files[revision].read_bytes()) for revision in known}
                )


def _merged(specified: Mapping[str, Spec]) -> Iterator[Plot]:
    """Plots that differ in nothing but their data as one, which has their title as its name."""
    alike: dict[str, list[str]] = defaultdict(list)
    for name, specification in specified.items():
        alike[json.dumps({**specification, "data": None}, sort_keys=True)].append(name)
    known = known_colours()
    for first, *others in alike.values():
        specification = specified[first]
        for other in others:
            specification["data"]["values"] += specified[other]["data"]["values"]
        paint(specification, known)
        yield Plot(specification["title"]["text"] if others else first, specification, {})


def known_colours() -> dict[str, str]:
    """The colour of every run of params.yaml."""
    return palette(read_document(PARAMS))


def paint(specification: Spec, known: Mapping[str, str]) -> None:
    """Give every run its colour."""
    domain, values = colours(sorted(row["run"] for row in specification["data"]["values"] if "run" in row), known)
    for encoding in _encodings({**specification, "data": None}):
        if encoding["color"].get("field") == "run":
            encoding["color"]["scale"] = {"domain": domain, "range": values}


def _encodings(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict) and isinstance(node.get("color"), dict):
        yield node
    for inner in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _encodings(inner)


def dvc(*arguments: str) -> str:
    """What a command of DVC prints."""
    done = subprocess.run(  # noqa: S603 (no shell, and nothing but names of revisions and files)
        [sys.executable, "-m", "dvc", *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise UserError(f"dvc {' '.join(arguments)}: {(done.stderr.strip() or 'failed').splitlines()[-1]}")
    return done.stdout


def file_name(name: str) -> str:
    """The name of a plot or a revision as that of a file: plots/repeats/curves.csv is repeats-curves."""
    kept = re.sub(r"^plots/(.*)\.\w+$", r"\1", name)
    return re.sub(r"[^a-z0-9]+", "-", kept.lower()).strip("-")
