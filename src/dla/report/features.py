"""What do frozen features buy?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from dla.report import charts
from dla.report.chapter import NOTHING, Block, Chapter, Chart, Picture, Table
from dla.report.colours import BLUE, GREEN, palette
from dla.report.laboratories import ACCURACY, LABORATORY, NONE
from dla.report.results import Results, Row, Settings
from dla.report.sources import Origin, about, title
from dla.report.statements import Share, compare, count, p_value, paired_difference, percent, points
from dla.statistics.classifiers import Comparison, compare_cases
from dla.statistics.multiplicity import holm
from dla.statistics.outcomes import CONFIDENCE

CHANCE = 0.25  # of a guess among four options

Scored = dict[str, dict[str, Any]]  # metrics by stage


@dataclass(frozen=True)
class Tested:
    """The stages that were tested on one data set: accuracies on different ones are not compared."""

    origin: Origin
    questions: bool
    scored: Scored
    controls: frozenset[str]  # stages that see the options alone, or have learned nothing
    means: frozenset[str]  # scorers that see the mean of article, question and option

    @property
    def of(self) -> str:
        """What the data set consists of, and its title."""
        return f"{'questions' if self.questions else 'texts'} of {title(self.origin)}"

    def stages(self, *kinds: str) -> Scored:
        """Those of the given kinds of stage, controls left out."""
        return {
            stage: found
            for stage, found in self.scored.items()
            if stage.partition("@")[0] in kinds and stage not in self.controls
        }


def chapter(params: Settings, results: Results) -> Chapter:
    """Classifiers of texts, a picture of the features, and answers to questions, data set by data set."""
    tested = _read(params, results)
    scatters, known = _scatters(params, results), palette(params)
    origins = [group.origin for group in tested]
    texts = [group for group in tested if not group.questions]
    questions = [group for group in tested if group.questions]
    labels = _label_curves(params, results)
    findings = [
        *(_about_labels(curve) for curve in labels),
        *(told for group in texts for told in _about_heads(group, results)),
        *(told for group in questions for told in _about_answers(group, results)),
    ]
    blocks: list[Block] = [block for curve in labels for block in _labels(curve)]
    for group in texts:
        blocks += [_accuracies(group, known), _head_table(group), *_confusion(group, results)]
    blocks += scatters
    for group in questions:
        blocks += [_accuracies(group, known), _answer_table(group)]
    return Chapter(
        key="features",
        question="What do frozen features buy?",
        findings=findings or NOTHING,
        about=about(params, origins),
        embedded=any(place == "embedded" for _, place in origins),
        blocks=blocks,
        commands=("dvc repro labels tfidf classify finetune tsne rank",),
        missing=tuple(results.missing),
    )


def _read(params: Settings, results: Results) -> list[Tested]:
    """Every text stage's metrics, by the data set that it was tested on and where this came from."""
    stages = [
        (kind, name, (params["embed"][run["features"]] if "features" in run else run)["data"])
        for kind in ("tfidf", "classify", "finetune", "rank")
        for name, run in params[kind].items()
    ]
    tested: dict[Origin, Tested] = {}
    for kind, name, data in stages:
        folder = "classify" if kind == "tfidf" else kind
        metrics = results.metrics(f"metrics/{folder}/{name}.json", f"{kind}@{name}")
        if metrics is not None:
            questions = params["data"][data]["kind"] == "questions"
            origin = data, metrics["data"]
            means = _scorers(params, "mean")
            group = tested.setdefault(origin, Tested(origin, questions, {}, _scorers(params, "option"), means))
            group.scored[f"{kind}@{name}"] = metrics
    return list(tested.values())


@dataclass(frozen=True)
class LabelCurve:
    """Frozen features and counted words by the number of labelled texts: metrics, and rows of every draw."""

    origin: Origin
    draws: int
    confidence: float
    metrics: dict[str, Any]
    rows: list[Row]

    @property
    def of(self) -> str:
        """How many texts of which data set they are tested on."""
        return f"{count(self.metrics['n'])} test texts of {title(self.origin)}"


def _label_curves(params: Settings, results: Results) -> list[LabelCurve]:
    curves = []
    for name, settings in params["labels"].items():
        metrics = results.metrics(f"metrics/labels/{name}.json", f"labels@{name}")
        rows = results.rows(f"plots/labels/{name}.csv", f"labels@{name}")
        if metrics and rows:
            origin = settings["counted"]["data"], metrics["data"]
            curves.append(LabelCurve(origin, settings["draws"], settings["confidence"], metrics, rows))
    return curves


def _about_labels(curve: LabelCurve) -> str:
    """With how few labels frozen features are better, and from how many on counted words."""
    fewest, least = next(iter(curve.metrics["sizes"].items()))
    crossing = curve.metrics["crossing"]
    shown = {
        "frozen features are shown to be better up to": crossing["frozen_shown_to"],
        "counted words are shown to be better from": crossing["counted_shown_from"],
        "the curves cross at about": crossing["labels"],
    }
    said = [f"{words} {count(labels)} labels" for words, labels in shown.items() if labels is not None]
    frozen, counted = (percent(least[method]["mean"]) for method in ("frozen", "counted"))
    return (
        f"After training on {fewest} labelled texts, frozen features get {frozen} of {curve.of} right and counted "
        f"words {counted}, on average over {curve.draws} draws; {', '.join(said) or 'neither is shown to be better'} "
        f"(permutation tests over the draws, after Holm)."
    )


def _labels(curve: LabelCurve) -> list[Block]:
    caption = (
        f"Accuracy on {curve.of} by the number of labelled texts that are trained on: mean and standard deviation over "
        f"{curve.draws} draws, of which both methods see the same."
    )
    colours = {"frozen features": BLUE[1], "counted words": GREEN[1]}
    x, y = ("labels", "labelled texts"), ("accuracy", "accuracy (fraction of texts)")
    rows = []
    for size, found in curve.metrics["sizes"].items():
        difference = found["difference"]
        low, high = difference["low"], difference["high"]
        told = "" if low is None else points(difference["mean"], low, high)
        p = p_value(difference["adjusted_p_value"]) if "adjusted_p_value" in difference else ""
        rows.append((count(float(size)), *(percent(found[of]["mean"]) for of in ("frozen", "counted")), told, p))
    between = f"difference ({percent(curve.confidence, 0)} interval)"
    header = ("labelled texts", "frozen features", "counted words", between, "p after Holm")
    return [
        Chart(caption, charts.growth(curve.rows, x, y, "method", colours)),
        Table("Means over the draws; of all texts there is one.", header, rows),
    ]


def _scorers(params: Settings, combine: str) -> frozenset[str]:
    """Stages of perceptrons that see this; with those that see the option alone stand rules, which combine nothing."""
    scorers = params["rank"].items()
    return frozenset(f"rank@{name}" for name, scorer in scorers if scorer.get("combine", "option") == combine)


def _name(stage: str) -> str:
    return stage.partition("@")[2]


def _share(found: dict[str, Any]) -> Share:
    return Share.read(found["test"])


def _best(scored: Scored) -> str:
    """The stage that is best on validation: the test split chooses nothing."""
    return max(scored, key=lambda stage: float(scored[stage]["validation"]["accuracy"]))


def _compare(first: str, second: str, results: Results) -> Comparison | None:
    """How two stages compare case by case; none if their predictions are not of the same test cases."""
    rows = [
        results.rows(f"plots/confusion/{'rank-' if stage.startswith('rank@') else ''}{_name(stage)}.csv", stage)
        for stage in (first, second)
    ]
    return compare_cases(*rows)


def _about_heads(group: Tested, results: Results) -> Iterator[str]:
    """The best classifier on frozen features against counted words."""
    counted, frozen = group.stages("tfidf"), group.stages("classify")
    if not counted or not frozen:
        return
    first, second = _best(frozen), _best(counted)
    yield compare(
        (f"the classifier {_name(first)} on frozen features", _share(frozen[first])),
        (f"the classifier {_name(second)} on counted words", _share(counted[second])),
        f"test {group.of}",
        _compare(first, second, results),
    )


def _about_answers(group: Tested, results: Results) -> Iterator[str]:
    """The best scorer against guessing, and against the controls; and the best of those that see a mean against it."""
    trained = group.stages("rank", "finetune")
    if not trained:
        return
    best = _best(trained)
    share = _share(trained[best])
    above = "more than" if share.lower > CHANCE else "not shown to be more than"
    said = f"The best scorer on validation, {_name(best)}, answers {share} of {count(share.n)} {group.of} rightly, "
    yield f"{said}{above} guessing would.{_above_controls(group, best, results)}"
    seen = {stage: found for stage, found in group.scored.items() if stage in group.means}
    if seen and best not in seen:
        mean = _best(seen)
        cases = _compare(best, mean, results)
        below = f": {paired_difference(cases, group.of)}" if cases else ""
        said = f"The best of those that see the mean of article, question and option, {_name(mean)}, answers "
        yield f"{said}{_share(seen[mean])}{below}.{_above_controls(group, mean, results)}"


def _above_controls(group: Tested, scorer: str, results: Results) -> str:
    """Which controls a scorer is shown to be above, which below, and for which neither is shown."""
    compared = {stage: _compare(scorer, stage, results) for stage in group.scored if stage in group.controls}
    cases = {stage: found for stage, found in compared.items() if found is not None}
    if not cases:
        return ""
    adjusted = holm({stage: found.p for stage, found in cases.items()})
    sides = []
    for words in ("It is above", "It is not shown to be above", "It is below"):
        names = [
            f"{_name(stage)} ({percent(_share(group.scored[stage]).value)}, {p_value(p)})"
            for stage, p in adjusted.items()
            if _side(cases[stage], p) == words
        ]
        if names:
            sides.append(f"{words} {', '.join(names)}")
    tested = "controls that see the options alone or have learned nothing (McNemar's exact test after Holm)"
    return f" {'. '.join(sides)}: {tested}."


def _side(found: Comparison, p: float) -> str:
    if p > 1 - CONFIDENCE:
        return "It is not shown to be above"
    return "It is above" if found.difference > 0 else "It is below"


def _accuracies(group: Tested, known: dict[str, str]) -> Block:
    shares = {_name(stage): _share(found) for stage, found in group.scored.items()}
    points = [{"name": n, "value": s.value, "lower": s.lower, "upper": s.upper} for n, s in shares.items()]
    chance = CHANCE if group.questions else None
    dotted = "; the dotted line is guessing" if group.questions else ""
    caption = f"Accuracy on the test {group.of}, with 95 % intervals{dotted}."
    title = f"accuracy (fraction of {group.of.partition(' ')[0]})"
    return Chart(caption, charts.intervals(points, title, chance, known))


def _head_table(group: Tested) -> Table:
    rows = [
        (
            _name(stage),
            percent(found["validation"]["accuracy"]),
            str(_share(found)),
            percent(found["test"]["macro"]["f1"]),
            percent(found["test"]["calibration_error"]),
            ACCURACY.get(stage, NONE),
        )
        for stage, found in group.scored.items()
    ]
    header = ("classifier", "validation", "test accuracy (95 % interval)", "macro F1", "calibration error", LABORATORY)
    return Table(f"Classifiers of {group.of}.", header, rows)


def _answer_table(group: Tested) -> Table:
    rows = []
    for stage, found in group.scored.items():
        test = found["test"]
        levels = (str(Share.read(test[level])) if level in test else "" for level in ("middle", "high"))
        name = f"{_name(stage)} (control)" if stage in group.controls else _name(stage)
        validation = percent(found["validation"]["accuracy"])
        rows.append((name, validation, str(_share(found)), *levels, ACCURACY.get(stage, NONE)))
    header = ("scorer", "validation", "test accuracy (95 % interval)", "level middle", "level high", LABORATORY)
    caption = f"Answers to {group.of} with four options; guessing gets 25 %. A control sees the options alone, or has "
    return Table(f"{caption}learned nothing.", header, rows)


def _confusion(group: Tested, results: Results) -> list[Block]:
    """Of the best classifier."""
    best = _best(group.scored)
    address = results.picture(f"plots/confusion/{_name(best)}.png", best)
    caption = f"What {_name(best)}, the best on validation, takes for what, on test."
    return [Picture(caption, f"Confusion matrix of {_name(best)}", address)] if address else []


def _scatters(params: Settings, results: Results) -> list[Block]:
    blocks: list[Block] = []
    for name in params["tsne"]:
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
