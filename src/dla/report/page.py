"""The report: one page that holds all it shows, opens from disk and asks nothing of the internet."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType

from jinja2 import Environment, PackageLoader, StrictUndefined

from dla.core.errors import UserError
from dla.params.whole import Params
from dla.report import agents, depth, features, looks, skips, verse
from dla.report.chapter import Chapter, Chart
from dla.report.circumstances import circumstances, cuts
from dla.report.offline import vega
from dla.report.results import Results

CHAPTERS = (depth, skips, looks, features, verse, agents)
VEGA_LITE = "6.4"  # the version of Altair's specifications


def make_page(params: Params, root: Path = Path()) -> str:
    """The page about what the stages have written below `root`.

    A chapter whose stages have not run says which command fills the gap.

    Raises
    ------
    UserError
        If a file is there but cannot be read.
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
        budget=params.budget,
        chapters=chapters,
        circumstances=circumstances(params, set().union(*(results.origins for results in read))),
        cuts=cuts(params),
        charts=_as_script([block.spec for chapter in chapters for block in chapter.blocks if isinstance(block, Chart)]),
        vega=vega(VEGA_LITE),
        commands={chapter.key: _fill(chapter) for chapter in chapters},
    )


def _chapter(module: ModuleType, params: Params, results: Results) -> Chapter:
    try:
        chapter: Chapter = module.chapter(params, results)
    except KeyError as error:  # of another version of the stage
        name = module.__name__.rpartition(".")[2]
        raise UserError(f"report: the results of chapter {name} have no {error}; write them anew: dvc repro") from error
    except (TypeError, ValueError, IndexError, AttributeError) as error:
        name = module.__name__.rpartition(".")[2]
        raise UserError(
            f"report: the results of chapter {name} are not what this version writes ({error}); write them anew: "
            "dvc repro"
        ) from error
    return chapter


def _fill(chapter: Chapter) -> str:
    """The command that makes what a chapter lacks."""
    return f"dvc repro {' '.join(chapter.missing)}" if chapter.missing else ""


def _as_script(value: object) -> str:
    """JSON that may stand inside a <script>: no text in it can end the element."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
