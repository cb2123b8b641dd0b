"""The report: what it says of results, and of missing ones."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from dla.core.errors import UserError
from dla.core.parameters import read_parameters
from dla.data.origin import origin
from dla.data.settings import DatasetSource, TextSource
from dla.language.generate import Continuation
from dla.params.file import load_params
from dla.report import depth, features, gradients, looks, skips, verse
from dla.report.chapter import Chart, Picture, Table
from dla.report.circumstances import circumstances, cuts, flat
from dla.report.colours import BLUE, GREY, RED, palette
from dla.report.laboratories import ACCURACY
from dla.report.page import make_page
from dla.report.results import Results
from dla.report.statements import Share, compare, p_value
from dla.statistics.classifiers import Comparison
from dla.text import labels
from dla.vision.repeats import measures, summarise

from .conftest import said

ROOT = Path(__file__).parents[1]
PARAMS = load_params(ROOT / "params.yaml")
SETTINGS, WHOLE = (read_parameters(ROOT / "params.yaml", budget) for budget in ("demo", "full"))


# --- sentences -------------------------------------------------------------------------------------------------


def test_a_share_has_wilsons_interval() -> None:
    share = Share.of(0.9, 100)
    assert (round(share.lower, 4), round(share.upper, 4)) == (0.8256, 0.9448)  # Wilson 1927, by hand
    assert str(share) == "90.0 % (82.6 to 94.5)"
    assert Share.read({"accuracy": 0.5, "lower": 0.4, "upper": 0.6, "n": 7}) == Share(0.5, 0.4, 0.6, 7)


@pytest.mark.parametrize("swapped", [False, True])
def test_without_predictions_of_the_same_cases_nothing_is_shown(swapped: bool) -> None:
    first, second = ("this", Share(0.8, 0.7, 0.9, 50)), ("that", Share(0.5, 0.4, 0.6, 50))
    sentence = compare(second, first, "texts") if swapped else compare(first, second, "texts")
    assert sentence.startswith("This gets 80.0 %")
    assert sentence.endswith("a difference is not shown, as there are no predictions for the same texts.")


def test_a_p_value_is_never_zero() -> None:
    assert [p_value(p) for p in (1e-9, 0.04999, None)] == ["p < 0.001", "p = 0.050", "no test possible"]


# --- chapters --------------------------------------------------------------------------------------------------


def write(root: Path, path: str, content: Any) -> None:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content if isinstance(content, str) else json.dumps(content))


def trained(accuracy: float) -> dict[str, Any]:
    return {"data": "embedded", "test": {"accuracy": accuracy, "n": 1000}, "parameters": 7}


def predicted(root: Path, name: str, right: range) -> None:
    """What `name` predicts for 1,000 pictures of class 1, of which it gets those in `right`."""
    rows = "".join(f"{case},1,{1 if case in right else 2}\n" for case in range(1000))
    write(root, f"data/tested/{name}.csv", f"case,actual,predicted\n{rows}")


@pytest.mark.parametrize(
    ("deep", "words"),
    [
        (range(0, 100), "the difference is shown, +40.0 points"),
        (range(0, 480), "the difference is shown, +2.0 points"),  # intervals overlap, but no picture says the contrary
        (range(20, 500), "the difference is shown, +2.0 points"),
        (range(400, 880), "a difference is not shown, +2.0 points"),
        (range(0, 496), "a difference is not shown, as too few test pictures (4) tell them apart"),
    ],
)
def test_the_finding_about_depth_compares_picture_by_picture(tmp_path: Path, deep: range, words: str) -> None:
    for name, right in (("cifar10-plain-20", range(500)), ("cifar10-plain-56", deep)):
        write(tmp_path, f"metrics/train/{name}.json", trained(len(right) / 1000))
        write(tmp_path, f"plots/train/{name}.csv", f"run,epoch,split,accuracy\n{name},1,train,0.5\n")
        predicted(tmp_path, name, right)
    found = depth.chapter(SETTINGS, Results(tmp_path))
    assert said(found).startswith("The plain net of 20 layers gets 50.0 %")
    assert words in said(found)
    assert found.embedded
    assert "Embedded data" in found.about
    assert "train@cifar10-cnn" in found.missing
    assert "train@cifar10-plain-20" not in found.missing


def measured(first: list[float], second: list[float], loss: float = 2.0) -> dict[str, Any]:
    """metrics/repeats.json of trainings with these accuracies, whose loss falls to 1.9 after the second epoch."""
    settings = replace(PARAMS.repeats, seeds=tuple(range(len(first))), loss=loss)
    rows = []
    for label, accuracies in zip(LABELS, (first, second), strict=True):
        for seed, accuracy in enumerate(accuracies):
            mark = {"architecture": label, "seed": seed}
            for epoch in (1, 2):
                shared = mark | {"epoch": epoch, "loss": 2.1 - epoch / 10 + seed / 100 - accuracy, "accuracy": accuracy}
                rows += [shared | {"split": split} for split in ("train", "validation")]
            rows.append(mark | {"epoch": 2, "split": "test", "accuracy": accuracy})
    return {"data": "hub", **summarise(measures(rows, LABELS, settings), LABELS, settings)}


LABELS = ("ResNet34", "ConvNet34")
BETTER = [0.30, 0.31, 0.33, 0.32, 0.35, 0.31, 0.34, 0.33, 0.32, 0.36]
WORSE = [0.28, 0.30, 0.30, 0.30, 0.31, 0.30, 0.31, 0.31, 0.31, 0.32]
TOO_FEW = (
    "not shown, and could not be: of 3 pairs the smallest possible p-value is 1.000 after Holm; 8 pairs are enough."
)


@pytest.mark.parametrize(
    ("pairs", "second", "words"),
    [
        (10, WORSE, "+2.3 points (95 % interval +1.5 to +3.1, permutation test p = 0.010 after Holm): shown."),
        (10, WORSE[::-1], "(95 % interval +0.2 to +4.4, permutation test p = 0.195 after Holm): not shown."),
        (3, WORSE, TOO_FEW),
        (
            10,
            [a - 0.1 for a in BETTER],
            "(without spread there is no interval, permutation test p = 0.010 after Holm): ",
        ),
    ],
)
def test_the_finding_about_skips_follows_the_permutation_test(
    tmp_path: Path, pairs: int, second: list[float], words: str
) -> None:
    write(tmp_path, "metrics/repeats.json", measured(BETTER[:pairs], second[:pairs]))
    found = skips.chapter(SETTINGS, Results(tmp_path))
    assert words in said(found).partition(" In mean")[0]
    assert not found.embedded
    assert "uoft-cs/cifar10" in found.about


@pytest.mark.parametrize(("loss", "cells"), [(0.1, ("0 of 10 reached it",) * 2), (9.9, ("1.00", "1.00"))])
def test_the_table_says_how_many_reached_the_loss(tmp_path: Path, loss: float, cells: tuple[str, ...]) -> None:
    write(tmp_path, "metrics/repeats.json", measured(BETTER, WORSE, loss))
    (table,) = (block for block in skips.chapter(SETTINGS, Results(tmp_path)).blocks if isinstance(block, Table))
    (row,) = (row for row in table.rows if row[0].startswith("epochs until"))
    assert row[1:3] == cells


def asked(first: dict[str, Any], second: dict[str, Any]) -> str:
    model = {"family": "resnet", "layers": 34, "skips": True, "width": 16}
    same = {"data": "cifar10", "model": model, "epochs": 2, "flip": False}
    return skips.question({"first": {**same, **first}, "second": {**same, **second, "model": model | second["model"]}})


def test_the_question_is_what_the_contenders_differ_in() -> None:
    two = {"label": "this"}, {"label": "that"}
    assert asked(two[0], two[1] | {"model": {"skips": False}}) == "Do skip connections help, and how sure are we?"
    assert skips.question(SETTINGS["pair"]) == "Do skip connections help, and how sure are we?"
    words = "Does this differ from that ({}), and how sure are we?"
    assert asked(two[0] | {"flip": True}, two[1] | {"model": {}}) == words.format("flip")
    other = {"model": {"skips": False, "width": 32}}
    assert asked(two[0] | {"flip": True}, two[1] | other) == words.format("model.skips, model.width, flip")


def test_gradients_are_the_medians_of_the_last_steps() -> None:
    names = ("model", "batch_norm", "initialisation", "step", "layer", "norm")
    steps = [
        dict(zip(names, ("plain", "without", "he", step, 1.0, norm), strict=True))
        for step, norm in [(1, 9), (2, 2), (3, 4)]
    ]
    dead = dict(zip(names, ("plain", "without", "default", 3, 2.0, 0.0), strict=True))
    assert gradients.last_steps([*steps, dead], window=2) == [
        {"model": "plain", "batch_norm": "without", "initialisation": "he", "layer": 1.0, "norm": 3.0}
    ]


def looked(validation: float | None = None, test: float = 0.5, n: int = 200) -> dict[str, Any]:
    """What cam@RUN finds; without boxes if there is no score on validation."""
    difference = {"mean": -0.1, "lower": -0.15, "upper": -0.05}
    scores = {"n": 64, "map": 0.1, "random": 0.2, "difference": difference}
    found = {"data": "hub", "feature_map": "4x4", "pictures": 9, "deletion": scores, "insertion": scores}
    if validation is None:
        return found
    hits = round(test * n)
    pointing = {"n": n, "map": test, "centred_box": 0.5, "map_only": hits - n // 2 + 10, "centred_box_only": 10}
    boxes = {"n": n, "map": 0.3, "centred_box": 0.2}
    return {**found, "validation": {"pointing": {"map": validation}}, "pointing": pointing, "max_box_accuracy": boxes}


@pytest.mark.parametrize(
    ("by_default", "by_he", "words"),
    [
        (
            1e-9,
            0.33,
            "1e-09 with PyTorch's default initialisation and 0.33 with He's initialisation: whether it vanishes is ",
        ),
        (1e-9, 1e-9, "it vanishes with either."),
        (
            0.5,
            None,
            "beyond float32 with He's initialisation: it vanishes with neither.",
        ),
    ],
)
def test_what_makes_gradients_vanish_follows_the_metrics(
    tmp_path: Path, by_default: float, by_he: float | None, words: str
) -> None:
    measured = {
        f"plain_cnn, without batch norm, {name} initialisation": {
            "first_to_last": {"10": 1.0, "50": ratio},
            "slope": {"first_to_last": None if ratio is None else -0.1},
        }
        for name, ratio in (("default", by_default), ("he", by_he))
    }
    write(tmp_path, "metrics/gradients.json", {"data": "embedded", **measured})
    chapter = skips.chapter(SETTINGS, Results(tmp_path))
    assert said(chapter).startswith("In the plain net of depth 50 without batch norm")
    assert words in said(chapter)
    (table,) = (block for block in chapter.blocks if isinstance(block, Table))
    assert table.rows[0] == (
        "plain net, without batch norm, PyTorch's default initialisation",
        "1",
        f"{by_default:.2g}",
        "0.1",
    )


def test_mean_and_variance_of_every_group_are_drawn(tmp_path: Path) -> None:
    write(tmp_path, "metrics/repeats.json", measured(BETTER, WORSE))
    header = "architecture,seed,epoch,group,mean,variance,norm\n"
    rows = [f"{label},{seed},{epoch},stem,-0.01,{epoch},3\n" for label in LABELS for seed in (1, 2) for epoch in (1, 2)]
    write(tmp_path, "plots/repeats/gradients.csv", header + "".join(rows))
    drawn = [block for block in skips.chapter(SETTINGS, Results(tmp_path)).blocks if isinstance(block, Chart)]
    variance, mean = (next(iter(chart.spec["datasets"].values())) for chart in drawn)
    assert [row["variance"] for row in variance] == [2] * 4  # of the last epoch
    assert [row["size"] for row in mean] == [0.01] * 4


def test_where_data_have_no_boxes_maps_are_measured_by_what_they_do_to_the_prediction(tmp_path: Path) -> None:
    write(tmp_path, "metrics/cam/cifar10-resnet34.json", looked())
    chapter = looks.chapter(SETTINGS, Results(tmp_path))
    assert said(chapter).startswith("These data have no boxes")
    assert said(chapter).endswith(" by -10.0 points (-15.0 to -5.0) in cifar10-resnet34.")


def test_the_map_that_is_held_against_the_middle_is_chosen_on_validation(tmp_path: Path) -> None:
    write(tmp_path, "metrics/cam/cifar10-resnet34.json", looked(validation=0.8, test=0.7))
    write(tmp_path, "metrics/cam/cifar10-convnet34.json", looked(validation=0.7, test=0.8))
    write(tmp_path, "metrics/cam/imagenette-cnn.json", looked(validation=0.9, test=0.9))  # other pictures
    chapter = looks.chapter(SETTINGS, Results(tmp_path))
    assert said(chapter).startswith("The strongest point of cifar10-resnet34's map of the true class gets 70.0 %")
    assert "the difference is shown, +20.0 points" in said(chapter)
    assert said(chapter).endswith("It was chosen on validation, out of cifar10-resnet34, cifar10-convnet34.")


def test_a_grid_of_maps_says_how_many_pictures_it_has_and_deletion_its_interval(tmp_path: Path) -> None:
    write(tmp_path, "metrics/cam/cifar10-resnet34.json", looked(validation=0.8))
    write(tmp_path, "plots/cam/cifar10-resnet34.png", "a picture")
    blocks = looks.chapter(SETTINGS, Results(tmp_path)).blocks
    (picture,) = (block for block in blocks if isinstance(block, Picture))
    assert picture.alt.startswith("9 test pictures")
    (table,) = (block for block in blocks if isinstance(block, Table))
    assert table.rows[0][-1] == "10.0 % against 20.0 %, -10.0 points (-15.0 to -5.0), n = 64"


@pytest.mark.parametrize(
    ("only", "words"),
    [
        ((6, 2), "a difference is not shown, +4.0 points (-1.9 to +10.8), McNemar's exact test p = 0.289."),
        ((9, 1), "the difference is shown, +8.0 points (+2.3 to +15.4), McNemar's exact test p = 0.021."),
        ((4, 0), "a difference is not shown, as too few texts (4) tell them apart."),
    ],
)
def test_of_the_same_cases_those_that_one_alone_gets_right_decide(only: tuple[int, int], words: str) -> None:
    first, second = (Share.of((80 + hits) / 100, 100) for hits in only)
    cases = Comparison(*only, 100)
    assert compare(("this", first), ("that", second), "texts", cases).endswith(f": {words}")
    assert compare(("that", second), ("this", first), "texts", cases.swapped()).endswith(f": {words}")


def classified(root: Path, path: str, validation: float, right: list[bool], more: dict[str, Any] | None = None) -> None:
    """Metrics of a classifier or scorer and its predictions: A where it is right, else B."""
    share = Share.of(sum(right) / len(right), len(right))
    scores = {"accuracy": share.value, "lower": share.lower, "upper": share.upper, "n": share.n, **(more or {})}
    write(root, f"metrics/{path}.json", {"data": "embedded", "validation": {"accuracy": validation}, "test": scores})
    folder, name = path.split("/")
    rows = "".join(f"{case},A,{'A' if hit else 'B'}\n" for case, hit in enumerate(right))
    write(root, f"plots/confusion/{'rank-' * (folder == 'rank')}{name}.csv", f"case,actual,predicted\n{rows}")


HEAD = {"macro": {"f1": 0.5}, "calibration_error": 0.0}


def test_the_best_head_on_validation_is_held_against_counted_words(tmp_path: Path) -> None:
    classified(tmp_path, "classify/tfidf", 0.9, [True] * 90 + [False] * 10, HEAD)
    classified(tmp_path, "classify/logreg", 0.8, [True] * 70 + [False] * 30, HEAD)
    classified(tmp_path, "classify/mlp", 0.7, [True] * 80 + [False] * 20, HEAD)  # better on test, which chooses nothing
    found = features.chapter(SETTINGS, Results(tmp_path))
    assert said(found).startswith("The classifier tfidf on counted words gets 90.0 %")
    assert (
        "the classifier logreg on frozen features 70.0 % (60.4 to 78.1): the difference is shown, +20.0 points"
        in said(found)
    )
    assert "McNemar's exact test p < 0.001" in said(found)


def test_the_best_scorer_is_held_against_every_control(tmp_path: Path) -> None:
    classified(tmp_path, "rank/interaction", 0.5, [True] * 50 + [False] * 50)
    classified(tmp_path, "rank/longest", 0.9, [True] * 30 + [False] * 70)  # never the best scorer: it is a control
    classified(tmp_path, "rank/option", 0.3, [True] * 45 + [False] * 55)  # five cases: p = 0.062
    classified(tmp_path, "rank/cosine", 0.3, [False] * 5 + [True] * 90 + [False] * 5)
    finding = said(features.chapter(SETTINGS, Results(tmp_path)))
    assert finding.startswith("The best scorer on validation, interaction, answers 50.0 % (40.4 to 59.6) of 100")
    assert "It is above longest (30.0 %, p < 0.001). It is not shown to be above" in finding
    assert "option (45.0 %, p = 0.062). It is below cosine (90.0 %, p < 0.001)" in finding


def test_the_best_scorer_is_held_against_the_best_that_sees_a_mean_and_this_against_the_controls(
    tmp_path: Path,
) -> None:
    classified(tmp_path, "rank/interaction", 0.9, [True] * 90 + [False] * 10)
    classified(tmp_path, "rank/margin", 0.7, [True] * 70 + [False] * 30)
    classified(tmp_path, "rank/ratio", 0.3, [True] * 80 + [False] * 20)  # better on test, which chooses nothing
    classified(tmp_path, "rank/option", 0.3, [True] * 25 + [False] * 75)
    finding = said(features.chapter(SETTINGS, Results(tmp_path)))
    of = "The best of those that see the mean of article, question and option, margin, answers 70.0 %"
    assert f"{of} (60.4 to 78.1): the difference is shown, +20.0 points" in finding
    assert finding.count("It is above option (25.0 %, p < 0.001)") == 2


def label_curve(root: Path, frozen: tuple[float, ...], counted: tuple[float, ...]) -> str:
    """What the report says of accuracies of both methods at 20 and 300 labels, the same in each of ten draws but for
    thousandths."""
    rows = [
        {"method": method, "labels": size, "draw": draw, "accuracy": accuracy + draw / 500 * (method == labels.FROZEN)}
        for method, accuracies in ((labels.FROZEN, frozen), (labels.COUNTED, counted))
        for size, accuracy in zip((20, 300), accuracies, strict=True)
        for draw in range(10)
    ]
    table = "\n".join(",".join(str(row[column]) for column in labels.COLUMNS) for row in rows)
    write(root, "plots/labels/ag_news.csv", f"{','.join(labels.COLUMNS)}\n{table}\n")
    write(root, "metrics/labels/ag_news.json", {"data": "embedded", "n": 756, **labels.summarise(rows, 0.95)})
    return said(features.chapter(SETTINGS, Results(root)))


def test_the_report_says_with_how_many_labels_frozen_features_and_counted_words_are_better(tmp_path: Path) -> None:
    finding = label_curve(tmp_path, (0.7, 0.8), (0.5, 0.9))
    assert finding.startswith("After training on 20 labelled texts, frozen features get 70.9 % of 756 test texts of ")
    assert "right and counted words 50.0 %, on average over 10 draws" in finding
    assert "frozen features are shown to be better up to 20 labels" in finding
    assert "counted words are shown to be better from 300 labels" in finding
    assert "the curves cross at about 132 labels" in finding


def test_no_difference_at_any_number_of_labels_is_shown_where_there_is_none(tmp_path: Path) -> None:
    finding = label_curve(tmp_path, (0.49, 0.59), (0.5, 0.6))
    assert "over 10 draws; neither is shown to be better (permutation tests" in finding


def test_a_laboratorys_figure_stands_beside_a_run_at_its_settings() -> None:
    whole = load_params(ROOT / "params.yaml", "full")
    settings: Any = (whole.classify["logreg-lab"], whole.classify["mlp-lab"], whole.rank["margin-lab"])
    logreg, mlp, margin = settings
    assert (logreg.c, logreg.standardize) == ((1.0,), False)
    assert PARAMS.embed[mlp.features].encoder == "gpt2-encoder"
    assert (mlp.widths, mlp.optimizer, mlp.learning_rate, mlp.batch_size) == ((512, 256, 128), "sgd", 1e-3, 512)
    assert PARAMS.embed[margin.features].pooling == "cls"
    assert (margin.optimizer, margin.learning_rate, margin.batch_size, margin.epochs) == ("sgd", 0.1, 128, 500)
    assert whole.rank["ratio-lab"] == replace(margin, loss="ratio")
    texts = {stage for stage in ACCURACY if stage.startswith(("classify@", "rank@"))}
    assert texts == {"classify@logreg-lab", "classify@mlp-lab", "rank@margin-lab", "rank@ratio-lab"}


def test_a_level_without_questions_has_an_empty_cell(tmp_path: Path) -> None:
    share = {"accuracy": 0.5, "lower": 0.4, "upper": 0.6, "n": 100}
    test = {**share, "chance": 0.25, "high": share}
    write(tmp_path, "metrics/rank/softmax.json", {"data": "hub", "validation": share, "test": test})
    tables = [block for block in features.chapter(SETTINGS, Results(tmp_path)).blocks if isinstance(block, Table)]
    (row,) = (row for table in tables for row in table.rows if row[0] == "softmax")
    assert row[2:5] == ("50.0 % (40.0 to 60.0)", "", "50.0 % (40.0 to 60.0)")


# --- where data come from -------------------------------------------------------------------------------------


def test_what_a_source_is_is_told_by_what_it_names(tmp_path: Path) -> None:
    mnist, dante = PARAMS.sources["mnist"], PARAMS.sources["dante"]
    assert isinstance(mnist, DatasetSource)
    assert isinstance(dante, TextSource)
    assert origin(mnist, "hub") == "hub"
    assert origin(dante, "hub") == "web"
    assert origin(replace(mnist, repository=str(tmp_path)), "hub") == "folder"
    for url in ("poem.txt", "/poem.txt", "file:///poem.txt"):
        assert origin(replace(dante, url=url), "hub") == "file"
    assert origin(replace(mnist, repository=str(tmp_path)), "embedded") == "embedded"


def with_own_data() -> dict[str, Any]:
    """The settings with a copy of every data set and of some runs, of a folder or file of one's own."""
    tables = {name: dict(SETTINGS[name]) for name in ("sources", "data", "train", "tfidf", "lm")}
    for name, source in SETTINGS["sources"].items():
        tables["sources"][f"my-{name}"] = source | {"repository": "my/folder", "url": "my/text.txt"}
    for name, block in SETTINGS["data"].items():
        tables["data"][f"my-{name}"] = block | {"source": f"my-{block['source']}"}
    for section, name in (("train", "cifar10-plain-56"), ("tfidf", "tfidf"), ("lm", "dante")):
        block = tables[section][name]
        tables[section]["mine"] = block | {"data": f"my-{block['data']}"}
    return SETTINGS | {"budget": "quick"} | tables


def scored(place: str, accuracy: float) -> dict[str, Any]:
    share = {"accuracy": accuracy, "lower": accuracy - 0.03, "upper": accuracy + 0.03, "n": 100}
    return {"data": place, "validation": share, "test": share | {"macro": {"f1": accuracy}, "calibration_error": 0.0}}


def language_model(sample: dict[str, float | None], held_out: dict[str, float | None], **facts: Any) -> dict[str, Any]:
    test = {"loss": 2.0, "bits_per_character": 2.9, "perplexity": 7.4}
    found = {"data": "embedded", "parameters": 1, "characters": 2, "best_step": 3, "validation": {"loss": 2.1}}
    found["zstd"] = 2.9
    found["ngrams"] = {"unigram": 4.5, "bigram": 3.7, "trigram": 3.1}
    return found | {"test": test, "quality": {"sample": sample, "held_out": held_out}} | facts


def test_every_result_says_its_own_source(tmp_path: Path) -> None:
    """Results of the demo, and beside them a text and a set of texts of one's own, as `quick` reads them."""
    write(tmp_path, "metrics/classify/tfidf.json", scored("embedded", 0.9))
    write(tmp_path, "metrics/classify/mine.json", scored("folder", 0.6))
    quality: dict[str, float | None] = {"known_words": 0.5, "longest_copy": 3.0}
    write(tmp_path, "metrics/lm/dante.json", language_model(quality, quality))
    write(tmp_path, "metrics/lm/mine.json", language_model(quality, quality, data="file", validation={"loss": 9.0}))
    params = with_own_data()
    texts, poems = (module.chapter(params, Results(tmp_path)) for module in (features, verse))
    stand_in = "Embedded data, not the laboratories': docstring libraries (for fancyzhx/ag_news)."
    assert texts.about == f"Data: my/folder (a folder of this machine). {stand_in}"
    assert poems.about.startswith("Data: my/text.txt (a file of this machine). Embedded data")
    assert texts.embedded
    assert "held-out text of dante (embedded data)" in said(poems)
    assert "The model mine needs 2.90 bits per character of held-out text of my-dante, counted bigrams" in said(poems)
    assert dict(circumstances(params, {"folder", "embedded"}))["data of the results"] == "embedded, folder"
    assert "embedded, file, folder" in make_page(params, params, tmp_path)


def test_of_real_data_nothing_is_said_to_be_embedded(tmp_path: Path) -> None:
    write(tmp_path, "metrics/classify/mine.json", scored("folder", 0.6))
    chapter = features.chapter(with_own_data(), Results(tmp_path))
    assert (chapter.embedded, chapter.about) == (False, "Data: my/folder (a folder of this machine).")


def test_results_on_different_data_are_not_ranked_together(tmp_path: Path) -> None:
    for name, place in (("tfidf", "embedded"), ("logreg", "embedded"), ("mine", "folder")):
        write(tmp_path, f"metrics/classify/{name}.json", scored(place, 0.9 if name == "mine" else 0.6))
    for name, place in (("cifar10-plain-20", "embedded"), ("cifar10-plain-56", "hub"), ("mine", "folder")):
        write(tmp_path, f"metrics/train/{name}.json", trained(0.5) | {"data": place})
        write(tmp_path, f"plots/train/{name}.csv", f"run,epoch,split,accuracy\n{name},1,train,0.5\n")
    params = with_own_data()
    texts, nets = (module.chapter(params, Results(tmp_path)) for module in (features, depth))
    tables = [block for block in texts.blocks if isinstance(block, Table)]
    assert [[row[0] for row in table.rows] for table in tables] == [["tfidf", "logreg"], ["mine"]]
    assert "mine" not in said(texts)  # 90 % of other texts is not better than 60 % of these
    assert said(nets).startswith("Not shown: this takes plain or residual nets of two depths on the same data")
    captions = [block.caption for block in nets.blocks if isinstance(block, Chart)]
    assert [caption.partition(" while")[0].rpartition("nets on ")[2] for caption in captions] == [
        "cifar10-depth (embedded data)",
        "cifar10-depth",
        "my-cifar10-depth",
    ]


def test_a_model_without_a_whole_line_has_no_metre(tmp_path: Path) -> None:
    quality: dict[str, float | None] = {"known_words": 0.5, "longest_copy": 3.0, "syllables": 10.8, "rhymes": 0.99}
    write(tmp_path, "metrics/lm/dante.json", language_model(quality | {"syllables": None, "rhymes": None}, quality))
    (table,) = (block for block in verse.chapter(SETTINGS, Results(tmp_path)).blocks if isinstance(block, Table))
    assert [row[1:] for row in table.rows[1:3]] == [("none", "10.8"), ("none", "99.0 %")]


def test_a_model_that_cannot_go_on_says_why(tmp_path: Path) -> None:
    rows = [Continuation("gpt2", "work", "greedy", "goes on"), Continuation("dante", "work", reason="knows no w")]
    tokens = {"dante": {"characters": 10, "tokens": 10, "tokens_per_character": 1.0}}
    written = {"data": "web", "tokens": tokens, "generated": [asdict(row) for row in rows]}
    write(tmp_path, "data/generated.json", written)
    first, _ = (block for block in verse.chapter(SETTINGS, Results(tmp_path)).blocks if isinstance(block, Table))
    assert first.rows == [("gpt2", "work", "greedy", "goes on"), ("dante", "work", "", "knows no w")]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "is not JSON .*"),
        ('{"data": "embedded"}', "has no 'test_accuracy', .*"),
        (json.dumps({"data": "embedded", "test_accuracy": {"ResNet34": {"mean": 0.5}}}), "has no 'n', .*"),
    ],
)
def test_a_broken_file_is_named(tmp_path: Path, content: str, words: str) -> None:
    write(tmp_path, "metrics/repeats.json", content)
    with pytest.raises(UserError, match=f"metrics/repeats.json: {words}dvc repro -f -s repeats"):
        make_page(SETTINGS, WHOLE, tmp_path)


@pytest.mark.parametrize("accuracy", ["high", None, [0.5]])
def test_a_value_of_another_kind_is_a_sentence(tmp_path: Path, accuracy: object) -> None:
    found = trained(0.5)
    write(tmp_path, "metrics/train/mnist-mlp-64.json", found | {"test": {**found["test"], "accuracy": accuracy}})
    with pytest.raises(UserError, match=r"^report: the results of chapter depth are not what this version writes \("):
        make_page(SETTINGS, WHOLE, tmp_path)


def test_a_page_about_nothing_says_which_commands_fill_it(tmp_path: Path) -> None:
    page = make_page(SETTINGS, WHOLE, tmp_path)
    assert page.count("Nothing of this has run yet.") == 6
    assert "dvc repro repeats gradients" in page


def test_the_budget_says_what_it_cuts() -> None:
    assert flat({"model": {"widths": (1, 2)}, "epochs": 3}) == {"model.widths": (1, 2), "epochs": 3}
    rows = {row[0]: row[1] for row in cuts(SETTINGS, WHOLE).rows}
    assert "steps 400000 → 320000" in rows["agent@cartpole-ppo"]
    assert "environment LunarLander-v3 → Acrobot-v1" in rows["agent@control-ppo"]
    assert rows["pair"].count("epochs 20 → ") == 1  # of both contenders
    other = {**SETTINGS, "pair": {**SETTINGS["pair"], "second": {**SETTINGS["pair"]["second"], "epochs": 7}}}
    said = {row[0]: row[1] for row in cuts(other, WHOLE).rows}["pair"]
    assert "first.epochs 20 → " in said
    assert "second.epochs 20 → 7" in said
    assert not cuts(WHOLE, WHOLE).rows


def test_texts_cannot_end_the_script_they_are_in(tmp_path: Path) -> None:
    write(tmp_path, "plots/tsne/test.csv", "x,y,class,text\n1,2,a,</script><b>\n")
    scores = {"neighbour_accuracy_plane": 0.5, "neighbour_accuracy_space": 0.5, "trustworthiness": 0.5}
    write(tmp_path, "metrics/tsne/test.json", scores)
    quality: dict[str, float | None] = {"known_words": 0.5, "longest_copy": 3.0}
    write(tmp_path, "metrics/lm/dante.json", language_model(quality, quality))
    write(tmp_path, "data/samples/dante.txt", "<script>alert(1)</script>")
    page = make_page(SETTINGS, WHOLE, tmp_path)
    assert "&lt;script&gt;alert(1)" in page
    assert "</script><b>" not in page
    assert "<script>alert" not in page


# --- colours ---------------------------------------------------------------------------------------------------


def coloured(**models: dict[str, Any]) -> dict[str, str]:
    return palette({"train": {name: {"group": "one", "model": model} for name, model in models.items()}})


def test_a_colour_follows_from_the_model_and_not_from_its_name() -> None:
    plain, residual = ({"family": "resnet", "layers": 34, "skips": skips} for skips in (False, True))
    found = coloured(a=plain, b=residual, c=residual | {"layers": 50}, d={"family": "mlp"})
    assert found == {"a": RED[1], "b": BLUE[1], "c": BLUE[2], "d": GREY[1]}
    assert coloured(x=plain) == {"x": RED[1]}


def test_runs_of_one_group_are_told_apart_and_unknown_families_have_a_colour() -> None:
    alike = {"family": "mlp", "skips": True}
    assert len(set(coloured(a=alike, b=alike, c=alike).values())) == 3
    assert coloured(new={"family": "mixer"})["new"].startswith("#")
    assert set(palette(SETTINGS)) >= {*PARAMS.train, *PARAMS.rank, *PARAMS.lm, "ResNet34", "ConvNet34"}


def test_the_report_imports_no_code_of_a_chapter() -> None:
    code = (
        "import sys, dla.report.page; rooms = {n.split('.')[1] for n in sys.modules if n.startswith('dla.')};"
        "print(*sorted(rooms | {'torch'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["core", "report", "statistics"]
