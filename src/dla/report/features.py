"""What do frozen features buy?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from dla.report import charts
from dla.report.chapter import NOTHING, Block, Chapter, Chart, Picture, Table
from dla.report.laboratories import ACCURACY, LABORATORY, NONE
from dla.report.results import Results
from dla.report.sources import Origin, about, title
from dla.report.statements import Share, compare, count, percent
from dla.settings.data import Questions
from dla.settings.whole import Params

Scored = dict[str, dict[str, Any]]  # metrics by stage


def chapter(params: Params, results: Results) -> Chapter:
    """Classifiers of texts, a picture of the features, and answers to questions, each data set by itself."""
    heads, answers = _read(params, results)
    scatters = _scatters(params, results)
    origins = {stage: (data_of(params, stage), found["data"]) for stage, found in (heads | answers).items()}
    texts, questions = (_by_data(scored, origins) for scored in (heads, answers))
    blocks: list[Block] = []
    for data, group in texts.items():
        blocks += [*_accuracies(group, f"texts of {data}", None), _head_table(group, data), *_confusion(group, results)]
    blocks += scatters
    for data, group in questions.items():
        blocks += [*_accuracies(group, f"questions of {data}", 0.25), _answer_table(group, data)]
    return Chapter(
        key="features",
        question="What do frozen features buy?",
        finding=" ".join([*_said(texts, _about_heads), *_said(questions, _about_answers)]) or NOTHING,
        about=about(params, origins.values()),
        embedded=any(place == "embedded" for _, place in origins.values()),
        blocks=blocks,
        commands=("dvc repro tfidf classify finetune tsne rank",),
        missing=tuple(results.missing),
    )


def data_of(params: Params, stage: str) -> str:
    """The data set that a text stage is about."""
    section, _, name = stage.partition("@")
    settings = getattr(params, section)[name]
    data: str = settings.data if hasattr(settings, "data") else params.embed[settings.features].data
    return data


def _by_data(scored: Scored, origins: dict[str, Origin]) -> dict[str, Scored]:
    """The stages of every data set, by its title: accuracies on different ones are not compared."""
    found: dict[str, Scored] = {}
    for stage, metrics in scored.items():
        found.setdefault(title(origins[stage]), {})[stage] = metrics
    return found


def _said(groups: dict[str, Scored], say: Callable[[Scored], str]) -> Iterator[str]:
    """A sentence about every data set, with its title where there are several."""
    for data, group in groups.items():
        if sentence := say(group):
            yield f"On {data}: {sentence}" if len(groups) > 1 else sentence


def _stages(params: Params) -> dict[str, tuple[str, bool]]:
    """Where the metrics of every text stage lie, and whether it answers questions."""
    found = {f"tfidf@{name}": (f"metrics/classify/{name}.json", False) for name in params.tfidf}
    found |= {f"classify@{name}": (f"metrics/classify/{name}.json", False) for name in params.classify}
    for name, settings in params.finetune.items():
        questions = isinstance(params.data[settings.data], Questions)
        found[f"finetune@{name}"] = (f"metrics/finetune/{name}.json", questions)
    return found | {f"rank@{name}": (f"metrics/rank/{name}.json", True) for name in params.rank}


def _read(params: Params, results: Results) -> tuple[Scored, Scored]:
    heads: Scored = {}
    answers: Scored = {}
    for stage, (path, questions) in _stages(params).items():
        metrics = results.metrics(path, stage)
        if metrics is not None:
            (answers if questions else heads)[stage] = metrics
    return heads, answers


def _shares(scored: Scored) -> dict[str, Share]:
    return {stage.partition("@")[2]: Share.read(found["test"]) for stage, found in scored.items()}


def _about_heads(heads: Scored) -> str:
    """The best classifier on frozen features against counted words."""
    counted = {stage: found for stage, found in heads.items() if stage.startswith("tfidf@")}
    frozen = {stage: found for stage, found in heads.items() if stage.startswith("classify@")}
    if not counted or not frozen:
        return ""
    (first, a), (second, b) = (_best(scored) for scored in (frozen, counted))
    return compare((f"{first} on frozen features", a), (f"{second} on counted words", b), "test texts")


def _best(scored: Scored) -> tuple[str, Share]:
    return max(_shares(scored).items(), key=lambda item: item[1].value)


def _about_answers(answers: Scored) -> str:
    if not answers:
        return ""
    name, share = _best(answers)
    above = "more than" if share.lower > 0.25 else "not shown to be more than"
    return f"Of {count(share.n)} questions the best scorer, {name}, answers {share} rightly, {above} guessing would."


def _accuracies(scored: Scored, of: str, chance: float | None) -> list[Block]:
    points = [
        {"name": name, "value": share.value, "lower": share.lower, "upper": share.upper}
        for name, share in _shares(scored).items()
    ]
    if not points:
        return []
    caption = (
        f"Accuracy on the test {of}, with 95 % intervals{'' if chance is None else '; the dotted line is guessing'}."
    )
    return [Chart(caption, charts.intervals(points, f"accuracy (fraction of {of})", chance))]


def _head_table(heads: Scored, data: str) -> Table:
    rows = [
        (
            stage.partition("@")[2],
            str(Share.read(found["test"])),
            percent(found["test"]["macro"]["f1"]),
            percent(found["test"]["calibration_error"]),
            ACCURACY.get(stage, NONE),
        )
        for stage, found in heads.items()
    ]
    header = ("classifier", "test accuracy (95 % interval)", "macro F1", "calibration error", LABORATORY)
    return Table(f"Classifiers of texts of {data}.", header, rows)


def _answer_table(answers: Scored, data: str) -> Table:
    rows = []
    for stage, found in answers.items():
        test = found["test"]
        levels = (str(Share.read(test[level])) if level in test else "" for level in ("middle", "high"))
        rows.append((stage.partition("@")[2], str(Share.read(test)), *levels, ACCURACY.get(stage, NONE)))
    header = ("scorer", "test accuracy (95 % interval)", "level middle", "level high", LABORATORY)
    return Table(f"Answers to questions of {data} with four options; guessing gets 25 %.", header, rows)


def _confusion(heads: Scored, results: Results) -> list[Block]:
    """Of the best classifier."""
    if not heads:
        return []
    name, _ = _best(heads)
    stage = next(stage for stage in heads if stage.endswith(f"@{name}"))
    address = results.picture(f"plots/confusion/{name}.png", stage)
    caption = f"What {name}, the best on test, takes for what."
    return [Picture(caption, f"Confusion matrix of {name}", address)] if address else []


def _scatters(params: Params, results: Results) -> list[Block]:
    blocks: list[Block] = []
    for name in params.tsne:
        rows = results.rows(f"plots/tsne/{name}.csv", f"tsne@{name}")
        metrics = results.metrics(f"metrics/tsne/{name}.json", f"tsne@{name}")
        if rows and metrics:
            caption = (
                f"t-SNE of the features of {name} texts, each under the pointer. Of ten nearest neighbours in the "
                f"plane {percent(metrics['neighbour_accuracy_plane'])} vote right, in feature space "
                f"{percent(metrics['neighbour_accuracy_space'])}; trustworthiness {metrics['trustworthiness']:.2f}."
            )
            blocks.append(Chart(caption, charts.scatter(rows)))
    return blocks
