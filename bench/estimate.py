"""How long stages would take under the budget `full`, estimated from how long they took under `demo`.

Measured is `demo` alone. What a stage takes beyond its start grows with its work: passes, examples, steps and seeds,
the length of texts and the square of a net's width, each as `dla params STAGE` states it under both budgets, data sets
by their sizes, encoders by their weights. Left out: how much better processors fare with large batches and wide nets,
texts that are shorter than the most tokens, downloads. So a stage may take a third or three times of it; what the
figures are for is their proportion: a few stages of the full budget take nearly all the time.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from dla.params.effective import stages
from dla.params.file import load_params
from dla.params.whole import Params

START = 2.0  # seconds of each stage's beginning, imports above all, which do not grow
# Settings to which the work is proportional, with the power.
POWERS = {
    "steps": 1,
    "seeds": 1,
    "points": 1,
    "scored": 1,
    "length": 1,
    "layers": 1,
    "context": 1,
    "max_tokens": 1,
    "width": 2,
    "widths": 2,
}
# Examples for training, validation and test: embedded (data/prepared after `dvc repro`), and of the real data sets.
EXAMPLES = {
    "mnist": ((3600, 400, 1000), (54_000, 6_000, 10_000)),
    "cifar10": ((3600, 400, 1000), (45_000, 5_000, 10_000)),
    "cifar10-depth": ((3600, 400, 1000), (45_000, 5_000, 10_000)),
    "cifar10-pair": ((3600, 400, 1000), (45_000, 5_000, 10_000)),
    "imagenette": ((2000, 200, 400), (8_522, 947, 3_925)),
    "ag_news": ((2886, 358, 756), (108_000, 12_000, 7_600)),
    "race": ((1000, 100, 250), (87_866, 4_887, 4_934)),
}
BACKWARD = 3  # a step of training costs three times what a forward pass does
# Weights per token: 12 x layers x width^2 of the real encoder, to 6 layers of width 384 of the embedded one.
ENCODERS = {"distilbert": 6 * 768**2 / (6 * 384**2), "gpt2-encoder": 12 * 768**2 / (6 * 384**2)}
FEATURES = 768 / 384  # width of the real encoders' features to that of the embedded ones'


def full_seconds(demo: Mapping[str, float], params: Params) -> dict[str, float]:
    """Seconds of each stage under the budget `full`, from those under `demo`; of a stage without settings the same."""
    small, large = (load_params(budget=budget) for budget in ("demo", "full"))
    names = stages(params)
    grown = {name: amount_of_work(name, large) / amount_of_work(name, small) for name in demo if name in names}
    return {name: seconds + (grown.get(name, 1.0) - 1.0) * max(seconds - START, 0.0) for name, seconds in demo.items()}


def amount_of_work(name: str, params: Params) -> float:
    """A number that grows with the work of the stage NAME as the work does, under the budget in force."""
    section, _, key = name.partition("@")
    if section == "download":
        return 1.0
    if section == "prepare":
        return sum(_splits({"data": key}, params))
    if section == "pair":
        return sum(_work(asdict(run), params) for run in params.pair.trainings(int(key)).values())
    settings = stages(params)[name]
    if section == "labels":
        texts = sum(min(size, _splits(settings["frozen"], params)[0]) for size in settings["sizes"])
        return float(settings["draws"] * texts) * _per_token(settings["frozen"], params)
    if section == "cam":
        settings["model"] = asdict(params.train[key].model)
    return _work(settings, params)


def _work(settings: Mapping[str, Any], params: Params) -> float:
    flat = {**settings, **settings.get("model", {})}
    factors = [_number(flat[name], power) for name, power in POWERS.items() if name in flat]
    return math.prod(factors) * _passes(settings, params) * _per_token(settings, params)


def _number(setting: Any, power: int) -> float:
    """A setting as a factor: of a list of widths the sum of their squares, of seeds how many there are."""
    if isinstance(setting, Sequence):
        return float(sum(number**power for number in setting) if power > 1 else len(setting))
    return float(setting**power)


def _passes(settings: Mapping[str, Any], params: Params) -> float:
    """Examples that pass through a net, forward alone as one; of a step, where steps are counted."""
    epochs = settings.get("epochs", 1)
    if "steps" in settings:
        return float(epochs * settings.get("batch_size", 1))
    if "points" in settings or "scored" in settings:
        return 1.0
    train, validation, test = _splits(settings, params)
    if "epochs" not in settings:
        return train + validation + test
    return float(epochs * (BACKWARD * train / settings.get("parts", 1) + validation) + test)


def _splits(settings: Mapping[str, Any], params: Params) -> tuple[float, float, float]:
    """Examples for training, validation and test; one each where the stage is of no data set."""
    if "features" in settings:
        return _splits(asdict(params.embed[settings["features"]]), params)
    embedded, real = EXAMPLES.get(settings.get("data", ""), ((1, 1, 1), (1, 1, 1)))
    train, validation, test = embedded if params.budget == "demo" else real
    return settings.get("examples") or train, validation, test


def _per_token(settings: Mapping[str, Any], params: Params) -> float:
    """What real encoders and their features cost more than the embedded ones."""
    if params.budget == "demo":
        return 1.0
    return ENCODERS.get(settings.get("encoder", ""), 1.0) * (FEATURES if "features" in settings else 1.0)
