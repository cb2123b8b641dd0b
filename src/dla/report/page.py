"""The report: one page that holds all it shows, opens from disk and asks nothing of the internet."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType

from jinja2 import Environment, PackageLoader, StrictUndefined

from dla.core.errors import UserError
from dla.report import agents, depth, features, looks, skips, verse
from dla.report.chapter import Chapter, Chart
from dla.report.circumstances import circumstances, cuts
from dla.report.results import Results, Settings
from dla.report.vega import vega

CHAPTERS = (depth, skips, looks, features, verse, agents)


def make_page(params: Settings, whole: Settings, root: Path = Path()) -> str:
    """The page about what the stages have written below `root`.

    A chapter whose stages have not run says which command fills the gap.

    Parameters
    ----------
    params, whole : params.yaml as the budget in force leaves it, and as it is without a budget

    Raises
    ------
    UserError
        If a file is there but cannot be read, or has not what this version writes there.
    """
    read = [Results(root) for _ in CHAPTERS]
    chapters = [_chapter(module, params, results) for module, results in zip(CHAPTERS, read, strict=True)]
    templates = Environment(
        loader=PackageLoader("dla.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return templates.get_template("page.html").render(
        budget=params["budget"],
        chapters=chapters,
        circumstances=circumstances(params, set().union(*(results.origins for results in read))),
        cuts=cuts(params, whole),
        charts=_as_script([block.spec for chapter in chapters for block in chapter.blocks if isinstance(block, Chart)]),
        vega=vega(),
        commands={chapter.key: _fill(chapter) for chapter in chapters},
    )


def _chapter(module: ModuleType, params: Settings, results: Results) -> Chapter:
    """A chapter of results that are all there (`Results` says which are not), of whatever kind."""
    try:
        chapter: Chapter = module.chapter(params, results)
    except (TypeError, ValueError, AttributeError) as error:  # a text where a number should be
        name = module.__name__.rpartition(".")[2]
        raise UserError(
            f"report: the results of chapter {name} are not what this version writes ({error}); write them anew: "
            "dvc repro -f"
        ) from error
    return chapter


def _fill(chapter: Chapter) -> str:
    """The command that makes what a chapter lacks."""
    return f"dvc repro {' '.join(chapter.missing)}" if chapter.missing else ""


def _as_script(value: object) -> str:
    """JSON that may stand inside a <script>: no text in it can end the element."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
