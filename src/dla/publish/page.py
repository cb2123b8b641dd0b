"""docs/results.md: what is published, beside the laboratories', with the report's sentences, tables and charts.

    python -m dla.publish.page

Every number on it is read from results/, and so are those of the table in README; a test sees that both are what this
makes of them.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import vl_convert

from dla.core.artifacts import atomic, read_metrics
from dla.core.document import read_document
from dla.core.parameters import BudgetName
from dla.publish.findings import specification
from dla.publish.record import DATA, RESULTS, Ran, read_ran, read_settings
from dla.publish.systems import SYSTEMS
from dla.report import agents, charts, depth, features, looks, skips, verse
from dla.report.chapter import Block, Chapter, Chart, Passage, Picture, Table
from dla.report.circumstances import changed
from dla.report.colours import palette
from dla.report.results import Results, Settings
from dla.report.statements import percent
from dla.report.vega import VEGA_LITE

PAGE, DRAWN = Path("docs/results.md"), Path("docs/results")
CHAPTERS = (depth, skips, looks, features, verse, agents)  # maps, drawn over pictures of others, are not kept
README, MARKS = Path("README.md"), ("<!-- results -->", "<!-- end of results -->")
BEST = {
    "train@mnist-mlp-64",
    "train@mnist-skip-mlp",
    "train@cifar10-skip-mlp",
    "train@cifar10-cnn",
    "train@cifar10-plain-20",
    "train@cifar10-plain-56",
    "train@cifar10-residual-10",
    "train@cifar10-residual-20",
    "train@cifar10-tuned",
    "repeats",
    "classify@logreg-lab",
    "finetune@finetune",
    "finetune@race-finetune",
    "agent@control-ppo",
    "agent@navigation-ppo",
}
WIDTH, SCALE = 640, 1.5  # pixels of a chart, and of the picture for each of them


Figure = dict[str, Any] | bytes  # a Vega-Lite specification, or a picture


@dataclass(frozen=True)
class Page:
    """The page's text, and its figures by name."""

    text: str
    figures: Mapping[str, Figure]


def make_page(root: Path) -> Page:
    """The page of all that is published below `root`."""
    folders = _folders(root)
    figures: dict[str, Figure] = {}
    lead = _lead(folders[0], figures) if folders else ()
    parts = [INTRODUCTION, *lead, *(part for folder in folders for part in _published(folder, figures))]
    return Page("\n\n".join(parts) + "\n", figures)


def _folders(root: Path) -> list[Path]:
    """Those that publish something, budgets before what has another name."""
    folders = (path for path in (root / RESULTS).iterdir() if read_ran(path))
    return sorted(folders, key=lambda path: (path.name not in get_args(BudgetName), path.name))


INTRODUCTION = """\
# Real results

What this project finds on real data, beside what the laboratories report. This page is made by
`python -m dla.publish.page` from the files below `results/`, where `make results` keeps what it ran: metrics, small
curves, parameters, and a `dvc.lock` whose hashes chain from the data through the code of a commit to every number here
(`python -m dla.publish.chain` follows them)."""


def _lead(folder: Path, figures: dict[str, Figure]) -> Iterator[str]:
    """The first charts of this folder's chapters side by side, which README begins with, if there are any."""
    drawing = specification(read_settings(folder), folder)
    if not drawing["hconcat"]:
        return
    figures["findings.png"] = drawing
    yield f"![What the runs of {folder.name} find](results/findings.png)"
    yield f"*The first charts of `{folder.name}`, each of which stands below in its chapter.*"


def _published(folder: Path, figures: dict[str, Figure]) -> Iterator[str]:
    ran = read_ran(folder)
    params, whole = read_settings(folder), read_settings(folder, "full")
    notes = _notes(folder)
    yield f"## {folder.name.capitalize().replace('-', ' ')}"
    machines = sorted({one.machine for one in ran.values()})
    commits = sorted({one.commit[:9] for one in ran.values()})
    where = f"`make results BUDGET={folder.name}` at {_listed(commits, 'commit')}"
    yield (
        f"{len(ran)} stages under the budget `{params['budget']}`, run with {where} "
        f"on {' and '.join(machines)}, a stage on one core."
    )
    if notes:
        listed = _said({source: note for source, note in notes.items() if source in params["sources"]})
        yield "\n".join(["What was not as the laboratories had it, or as `params.yaml` says:", "", *listed])
    yield "### Beside the laboratories"
    yield _systems(folder, params, whole, ran, notes)
    if chart := _against_time(folder, params, ran):
        yield from _block(chart, f"{folder.name}-minutes", figures)
    for module in CHAPTERS:
        chapter: Chapter = module.chapter(params, Results(folder))
        if chapter.blocks:
            yield f"### {chapter.question}"
            yield from (f"**{finding}**" for finding in chapter.findings)
            yield chapter.about
            planes = _planes(folder) if module is features else []
            for number, block in enumerate([*chapter.blocks, *planes], start=1):
                yield from _block(block, f"{folder.name}-{chapter.key}-{number}", figures)


def _notes(folder: Path) -> dict[str, str]:
    """What data.yaml says of sources, and of stages whose numbers need a word."""
    notes: dict[str, str] = read_document(folder / DATA) if (folder / DATA).exists() else {}
    return notes


def _listed(names: list[str], noun: str) -> str:
    return f"{noun}{'s' * (len(names) > 1)} {', '.join(names)}"


def _systems(folder: Path, params: Settings, whole: Settings, ran: Mapping[str, Ran], notes: Mapping[str, str]) -> str:
    rows = []
    command = "dvc repro " if folder.name == params["budget"] else f"make results BUDGET={folder.name} STAGES="
    for system in SYSTEMS:
        if system.stage not in ran:
            continue
        value, n = system.measure(read_metrics(folder / system.file))
        differs = "; ".join(filter(None, [_differs(system.stage, params, whole, notes), notes.get(system.stage, "")]))
        rows.append(
            (
                f"{system.title}<br>`{command}{system.stage}`",
                system.settings,
                system.theirs,
                f"**{value}**",
                n,
                differs or "nothing",
                _duration(system.stage, ran),
            )
        )
    header = ("system", "the laboratory's settings", "its figure", "ours (95 % interval)", "n", "what differs", "time")
    return _table(Table("", header, rows))


def _against_time(folder: Path, params: Settings, ran: Mapping[str, Ran]) -> Chart | None:
    """Accuracy on validation of the classifiers of CIFAR-10 against the minutes that they have been trained."""
    results, rows = Results(folder), []
    for name, run in params["train"].items():
        seconds = ran[stage].cpu if (stage := f"train@{name}") in ran else None
        if run["data"] == "cifar10" and seconds is not None:
            curves = [row for row in results.rows(f"plots/train/{name}.csv", stage) if row["split"] == "validation"]
            of_epoch = seconds / 60 / len(curves)  # of all seeds
            first = (row for row in curves if row["seed"] == run["seeds"][0])
            rows += [{**row, "minutes": of_epoch * row["epoch"]} for row in first]
    if not rows:
        return None
    caption = (
        "Accuracy on the validation pictures of CIFAR-10 against minutes of CPU: those of the whole stage on one core, "
        "shared out over its seeds and epochs. First seeds."
    )
    axes = ("minutes", "minutes of CPU, one core"), ("accuracy", "accuracy (fraction of pictures)")
    return Chart(caption, charts.curves(rows, *axes, known=palette(params)))


def _planes(folder: Path) -> list[Picture]:
    """t-SNE of the features as the stage has drawn it; the report's chart would show the texts, which are not ours."""
    pictures, results = [], Results(folder)
    for metrics in sorted((folder / "metrics/tsne").glob("*.json")):
        name, found = metrics.stem, read_metrics(metrics)
        address = results.picture(f"plots/tsne/{name}.png", f"tsne@{name}")
        caption = (
            f"t-SNE of the features of {name} texts. Of ten nearest neighbours in the plane "
            f"{percent(found['neighbour_accuracy_plane'])} vote right, in feature space "
            f"{percent(found['neighbour_accuracy_space'])}."
        )
        pictures += [Picture(caption, f"t-SNE of {name} texts", address)] if address else []
    return pictures


def best_lines(root: Path) -> str:
    """The rows of README: those of `BEST`, from every folder that has them published; and what they speak of."""
    published = [
        (folder, read_ran(folder), read_settings(folder), read_settings(folder, "full"), _notes(folder))
        for folder in _folders(root)
    ]
    rows: list[tuple[str, ...]] = []
    spoken: dict[str, str] = {}
    for system in SYSTEMS:
        for folder, ran, settings, whole, notes in published if system.stage in BEST else ():
            if system.stage in ran:
                value, n = system.measure(read_metrics(folder / system.file))
                sources = _others(system.stage, settings, notes)
                spoken |= {source: notes[source] for source in sources if source not in spoken}
                differs = _differs(system.stage, settings, whole, notes)
                rows.append((system.title, system.theirs, value, n, folder.name, differs))
    header = ("system", "laboratory", "ours (95 % interval)", "n", "run", "not as theirs")
    return "\n".join([_table(Table("", header, rows)), *(["", *_said(spoken)] if spoken else [])])


def with_best_lines(readme: str, lines: str) -> str:
    """README with these rows between its two marks."""
    before, mark, rest = readme.partition(MARKS[0])
    _, end, after = rest.partition(MARKS[1])
    return f"{before}{mark}\n\n{lines}\n\n{end}{after}"


def _block_of(stage: str, params: Settings) -> Settings:
    """The settings of a stage, of a comparison those of the first, of maps the net's; empty where it has none."""
    section, _, name = stage.partition("@")
    block = params.get({"repeats": "pair", "cam": "train"}.get(section, section), {})
    block = block.get(name, block)
    found: Settings = block.get("first", block.get("frozen", block))
    return found


def _others(stage: str, params: Settings, notes: Mapping[str, str]) -> list[str]:
    """Which sources of a stage's data and model are not what the laboratories had: those of which there is a note."""
    block = _block_of(stage, params)
    block = params["embed"].get(block.get("features"), block)
    data = params["data"].get(block.get("data", block.get("corpus")), {})
    sources = (block.get("encoder"), block.get("pretrained"), data.get("source"))
    return [source for source in sources if source in notes]


def _cuts(stage: str, params: Settings, whole: Settings) -> str:
    """What the budget cuts of a stage, of the features that it takes, and of the net that its maps are of."""
    section, _, name = stage.partition("@")
    features = _block_of(stage, params).get("features")
    stages = [stage, *([f"embed@{features}"] if features else []), *([f"train@{name}"] if section == "cam" else [])]
    return "; ".join(filter(None, (changed(one, params, whole) for one in stages)))


def _differs(stage: str, params: Settings, whole: Settings, notes: Mapping[str, str]) -> str:
    """Other sources than the laboratories', and what the budget cuts."""
    others = [f"another `{source}`" for source in _others(stage, params, notes)]
    return "; ".join(filter(None, [*others, _cuts(stage, params, whole)]))


def _said(notes: Mapping[str, str]) -> list[str]:
    """What is said of sources, a line of a list each."""
    return [f"- `{source}`: {note}." for source, note in notes.items()]


def _duration(stage: str, ran: Mapping[str, Ran]) -> str:
    """How long a stage took; a comparison with the trainings that it compares."""
    trainings = [one for name, one in ran.items() if stage == "repeats" and name.startswith("pair@")]
    parts = [ran[stage], *trainings]
    cpu, clock = ([getattr(one, kind) for one in parts] for kind in ("cpu", "seconds"))
    known, how = (clock, "by the clock, beside another stage") if None in cpu else (cpu, "of CPU")
    if None in known:
        return "not measured"
    seconds = sum(known)
    return f"{seconds / 60:.1f} min {how}" if seconds < 5400 else f"{seconds / 3600:.1f} h {how}"


def _block(block: Block, name: str, figures: dict[str, Figure]) -> Iterator[str]:
    match block:
        case Table():
            yield _table(block)
        case Chart():
            spec = {key: value for key, value in block.spec.items() if key != "width"} | {"width": WIDTH}
            figures[f"{name}.png"] = spec
            yield f"![{_alt(block.caption)}](results/{name}.png)"
            yield f"*{block.caption}*"
        case Picture():
            kind, _, content = block.address.partition(";base64,")
            ending = kind.rpartition("/")[2]
            if ending != "gif":
                figures[f"{name}.{ending}"] = base64.b64decode(content)
                yield f"![{_alt(block.alt)}](results/{name}.{ending})"
                yield f"*{block.caption}*"
        case Passage():
            yield f"*{block.caption}*"
            yield f"```text\n{block.text.rstrip()}\n```"


def draw(figure: Figure) -> bytes:
    """A PNG of it."""
    if isinstance(figure, bytes):
        return figure
    png: bytes = vl_convert.vegalite_to_png(figure, vl_version=VEGA_LITE, scale=SCALE)
    return png


def _alt(text: str) -> str:
    return text.replace("[", "(").replace("]", ")")


def _table(table: Table) -> str:
    lines = [_row(table.header), _row("---" for _ in table.header), *map(_row, table.rows)]
    return "\n".join([f"*{table.caption}*", "", *lines] if table.caption else lines)


def _row(cells: Any) -> str:
    return f"| {' | '.join(map(_cell, cells))} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def write_page(root: Path) -> None:
    """Write the page, its figures, and the table of README; figures that the page has no more are removed."""
    page = make_page(root)
    (root / DRAWN).mkdir(exist_ok=True)
    for old in (root / DRAWN).glob("*.png"):
        if old.name not in page.figures:
            old.unlink()
    for name, figure in page.figures.items():
        (root / DRAWN / name).write_bytes(draw(figure))
    readme = with_best_lines((root / README).read_text(encoding="utf-8"), best_lines(root))
    for path, text in ((PAGE, page.text), (README, readme)):
        with atomic(root / path) as temporary:
            temporary.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write_page(Path())
