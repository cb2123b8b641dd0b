"""One colour per architecture, the same in every figure: those of the plots in .dvc/plots.

Grey and brown: perceptrons; green: fully convolutional; red: without skip connections; blue: with; violet: tuned.
"""

from __future__ import annotations

from itertools import cycle

GREY, DARK, BROWN, GREEN = "#a0a0a0", "#7a7a7a", "#a6761d", "#2ca02c"
PINK, RED, DEEP_RED = "#f4a582", "#d6604d", "#b2182b"
SKY, BLUE, DEEP_BLUE = "#92c5de", "#4393c3", "#2166ac"
LILAC, VIOLET = "#9970ab", "#a050b0"
OTHERS = (BLUE, RED, GREEN, LILAC, BROWN, DARK)  # of names that are not listed here, in turn

COLOURS = {
    "mnist-mlp-128": GREY,
    "mnist-mlp-64": DARK,
    "mnist-skip-mlp": BROWN,
    "cifar10-mlp": DARK,
    "cifar10-skip-mlp": BROWN,
    "cifar10-cnn": GREEN,
    "imagenette-cnn": GREEN,
    "cifar10-plain-20": PINK,
    "cifar10-plain-56": DEEP_RED,
    "cifar10-convnet34": RED,
    "cifar10-residual-10": SKY,
    "cifar10-residual-20": DEEP_BLUE,
    "cifar10-resnet34": BLUE,
    "cifar10-resnet50": DEEP_BLUE,
    "mnist-tuned": LILAC,
    "cifar10-tuned": VIOLET,
    "ResNet34": BLUE,
    "ConvNet34": RED,
    "plain": RED,
    "residual": BLUE,
    "tfidf": GREEN,
    "logreg": DARK,
    "logreg-lab": GREY,
    "mlp": BROWN,
    "mlp-lab": PINK,
    "finetune": VIOLET,
    "margin": DARK,
    "margin-lab": GREY,
    "ratio": RED,
    "ratio-lab": PINK,
    "softplus-ratio": LILAC,
    "softmax": SKY,
    "interaction": DEEP_BLUE,
    "joint": GREEN,
    "option": BROWN,
    "longest": BROWN,
    "cosine": BROWN,
    "race-finetune": VIOLET,
    "dante": DEEP_BLUE,
}


def colours(names: list[str]) -> tuple[list[str], list[str]]:
    """The names in their order, and a colour for each."""
    distinct = list(dict.fromkeys(names))
    others = cycle(OTHERS)
    return distinct, [COLOURS.get(name) or next(others) for name in distinct]
