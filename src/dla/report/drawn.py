"""What `dvc plots` shows, as pictures: drawn without a browser, by the Vega that vl-convert carries."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import vl_convert

from dla.core.errors import UserError
from dla.report.offline import VEGA_LITE


@dataclass(frozen=True)
class Plot:
    """One plot of dvc.yaml: a Vega-Lite specification of all revisions, or a picture file of each."""

    name: str
    specification: dict[str, Any] | None
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
    """The plots of dvc.yaml, of the working tree or of revisions side by side.

    Raises
    ------
    UserError
        If DVC cannot show them, with what it says.
    """
    command = ["diff", *revisions] if revisions else ["show"]
    with tempfile.TemporaryDirectory() as folder:  # DVC writes the picture files there
        told = dvc("plots", *command, "--json", "--out", folder)
        for name, entries in json.loads(told)["data"].items():
            specified = [entry["content"] for entry in entries if entry["type"] == "vega"]
            files = {entry["revisions"][0]: Path(entry["url"]) for entry in entries if entry["type"] == "image"}
            known = [revision for revision in revisions or ("workspace",) if revision in files]
            pictures = {revision: (files[revision].suffix, files[revision].read_bytes()) for revision in known}
            yield Plot(name, specified[0] if specified else None, pictures)


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
