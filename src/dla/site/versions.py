"""versions.yaml: the locked versions of the libraries that pyproject.toml names, on which stages depend.

    python -m dla.site.versions

writes it from requirements.txt; `make lock` does so after compiling that. A stage names in dvc.yaml, under `params`,
the libraries that compute its result (tests/test_workflow.py derives them from what it imports), so that an upgrade of
one outdates just the stages that compute with it.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from dla.core.artifacts import write_text

VERSIONS = Path("versions.yaml")
HEADER = "# The locked versions of the libraries that stages compute with: written by `make lock`.\n"


def versions(project: str, requirements: str) -> dict[str, str]:
    """The version that is locked of every library that the project depends on by itself.

    Parameters
    ----------
    project, requirements : the text of pyproject.toml and of requirements.txt
    """
    named = {canonicalize_name(Requirement(line).name) for line in tomllib.loads(project)["project"]["dependencies"]}
    pins = re.findall(r"^([\w.-]+)(?:\[.*?\])?==([^\s;\\]+)", requirements, re.MULTILINE)
    locked: dict[str, list[str]] = {}
    for name, version in pins:  # of some there is one for older Pythons and one for newer ones
        locked.setdefault(canonicalize_name(name), []).append(version)
    return {name: " or ".join(locked[name]) for name in sorted(named)}


def main() -> None:
    """Write versions.yaml."""
    locked = versions(*(Path(name).read_text(encoding="utf-8") for name in ("pyproject.toml", "requirements.txt")))
    write_text(VERSIONS, HEADER + "".join(f'{name}: "{version}"\n' for name, version in locked.items()))


if __name__ == "__main__":
    main()
