"""What the documentation is made of beside the pages in docs/: hooks of mkdocs, named in mkdocs.yml.

The reference of every parameter is made anew, and tables of metrics are filled in (dla.site.tables). A page may link
to any file of the repository (`../params.yaml`): the site takes a copy. A picture `figures/NAME.png` is drawn from the
plot of dvc.yaml whose name as a file is NAME, as the last run left it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from dla.site.drawn import file_name, read_plots
from dla.site.reference import page
from dla.site.tables import with_tables

if TYPE_CHECKING:  # what builds the documentation is installed for development alone
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

LINK = re.compile(r"\]\(\.\./([^)#\s]+)")
FIGURE = re.compile(r"\]\(figures/([^)\s]+)\.png\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add what is made, and what pages link to."""
    from mkdocs.structure.files import File

    root = Path(config.docs_dir).parent
    files.append(File.generated(config, "reference.md", content=page()))
    text = "\n".join(file.content_string for file in files.documentation_pages())
    for name in sorted(set(LINK.findall(text))):
        if (root / name).is_file():  # else the link stays as it is, and a strict build fails at it
            files.append(File.generated(config, name, content=(root / name).read_bytes()))
    for name, content in draw(set(FIGURE.findall(text))):
        files.append(File.generated(config, f"figures/{name}.png", content=content))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Fill in metrics, and let links to files of the repository point to the site's copies."""
    filled = with_tables(markdown, Path(config.docs_dir).parent / "metrics")
    return LINK.sub(lambda link: f"]({link[1]}" if files.get_file_from_path(link[1]) else link[0], filled)


def draw(wanted: set[str]) -> Iterator[tuple[str, bytes]]:
    """Pictures of the plots whose names as files are `wanted`."""
    for plot in read_plots() if wanted else ():
        if plot.specification and file_name(plot.name) in wanted:
            yield from ((name.removesuffix(".png"), content) for name, content in plot.drawn())
