"""Where a copy of a project has to be imported from."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path


def imports_from(root: Path) -> Iterator[str]:
    """Folders of the project that this Python imports from, as of a package that was installed from there."""
    environment = Path(sys.prefix).resolve()
    for entry in dict.fromkeys(sys.path):
        folder = Path(entry).resolve()
        if (
            entry
            and folder.is_relative_to(root.resolve())
            and not folder.is_relative_to(environment)
            and folder.is_dir()
        ):
            yield folder.relative_to(root.resolve()).as_posix()
