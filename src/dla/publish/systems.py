"""The systems of the laboratories, and ours beside them: one row each of docs/results.md."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from dla.report.laboratories import ACCURACY, NONE, TOKENS
from dla.report.statements import Share, count, p_value, percent, points

Metrics = Mapping[str, Any]


@dataclass(frozen=True)
class System:
    """What a laboratory trained, and the stage that does it here.

    Parameters
    ----------
    settings : the laboratory's own
    measure : what our metrics say of it: the number with its interval, and what n counts
    """

    title: str
    settings: str
    stage: str
    measure: Callable[[Metrics], tuple[str, str]]
    figure: str = ""

    @property
    def theirs(self) -> str:
        """The laboratory's own figure."""
        return self.figure or ACCURACY.get(self.stage, NONE)

    @property
    def file(self) -> str:
        """The metrics file of the stage."""
        kind, _, name = self.stage.partition("@")
        folder = {"tfidf": "classify"}.get(kind, kind)
        return f"metrics/{folder}/{name}.json" if name else f"metrics/{kind}.json"


def accuracy(metrics: Metrics) -> tuple[str, str]:
    """Test accuracy, over seeds or over the cases of one seed."""
    share, seeds = Share.read(metrics["test"]), len(metrics.get("seeds", ()))
    return str(share), f"{seeds} seeds" if seeds else f"{count(share.n)} cases, one seed"


def paired(metrics: Metrics) -> tuple[str, str]:
    """Both contenders, and their paired difference."""
    found = metrics["test_accuracy"]
    both = ", ".join(f"{label} {percent(one['mean'])}" for label, one in found.items() if label != "difference")
    gap = found["difference"]
    interval = points(gap["mean"], gap["low"], gap["high"])
    return f"{both}: {interval}, {p_value(gap['adjusted_p_value'])} after Holm", f"{gap['n']} seeds"


def slopes(metrics: Metrics) -> tuple[str, str]:
    """What ten layers more do to the first layer's gradient, in plain nets and in residual ones, in powers of ten."""
    said, n = [], 1
    for kind in ("plain_cnn", "residual_cnn"):
        family = metrics[f"{kind}, without batch norm, default initialisation"]
        slope, n = family["slope"]["first_to_last"], family.get("n", 1)
        ends = [family[end]["first_to_last"] for end in ("slope_lower", "slope_upper") if end in family]
        between = f" ({' to '.join(f'{10 * end:+.2f}' for end in ends)})" if ends and None not in ends else ""
        name = kind.removesuffix("_cnn")
        said.append(f"{name} {10 * slope:+.2f}{between}" if slope is not None else f"{name} beyond float32")
    what = "gradient of the first convolution over the last's, no batch norm, powers of ten that ten layers more make"
    return f"{what}: {', '.join(said)}", f"{n} seed{'s' * (n > 1)}"


def labels(metrics: Metrics) -> tuple[str, str]:
    """Where the curves of frozen features and of counted words cross."""
    sizes = metrics["sizes"]
    ends = [next(iter(sizes)), list(sizes)[-1]]
    said = [
        f"{count(float(size))} labels: {percent(sizes[size]['frozen']['mean'])} against "
        f"{percent(sizes[size]['counted']['mean'])}"
        for size in ends
    ]
    crossing, draws = metrics["crossing"]["labels"], f"{sizes[ends[0]]['frozen']['n']} draws"
    return f"{'; '.join(said)}; {f'they cross at {count(crossing)}' if crossing else 'they do not cross'}", draws


def bits(metrics: Metrics) -> tuple[str, str]:
    """Bits per character beside models that count and a compressor."""
    found, counted = metrics["test"]["bits_per_character"], metrics["ngrams"]["trigram"]
    return f"{found:.2f} bits per character (trigram {counted:.2f}, zstd {metrics['zstd']:.2f})", "one test text"


def returns(metrics: Metrics) -> tuple[str, str]:
    """Mean return of greedy test episodes over the seeds, or the share that succeeds."""
    seeds = metrics["return"]["n"]
    if "success_rate" in metrics:
        rate = metrics["success_rate"]
        between = f" ({100 * rate['lower']:.1f} to {100 * rate['upper']:.1f})" if "lower" in rate else ""
        return f"{percent(rate['mean'])}{between} of episodes succeed", f"{seeds} seeds"
    found = metrics["return"]
    between = f" ({found['lower']:.1f} to {found['upper']:.1f})" if "lower" in found else ""
    each = ", ".join(f"{one['greedy']['mean']:.0f}" for one in metrics["seeds"].values())
    solved = f", solved by {metrics['solved']} of {seeds}" if "solved" in metrics else ""
    return f"{found['mean']:.1f}{between}{solved}", f"{seeds} seeds: {each}"


def marked(metrics: Metrics) -> tuple[str, str]:
    """What is left of a prediction, on average, as pixels are deleted, those first that the map marks, or at random."""
    found = metrics["deletion"]
    gap = points(*(found["difference"][part] for part in ("mean", "lower", "upper")))
    said = f"deleted first, what the map marks leaves the class {percent(found['map'])}, at random"
    return f"{said} {percent(found['random'])}: {gap}", f"{found['n']} pictures, one seed"


def tokens(metrics: Metrics) -> tuple[str, str]:
    """Tokens per character of the text by every tokenizer."""
    found = metrics["tokens"]
    said = (f"{name} {one['tokens_per_character']:.2f}" for name, one in found.items())
    (characters,) = {one["characters"] for one in found.values()}
    return f"tokens per character: {', '.join(said)}", f"{count(characters)} characters"


SYSTEMS = (
    System("MLP on MNIST (a)", "784-128-64-10, Adam 1e-4, batch 2048, 15 epochs", "train@mnist-mlp-128", accuracy),
    System("MLP on MNIST (b)", "784-64-64-10, Adam 1e-4, batch 64, 50 epochs", "train@mnist-mlp-64", accuracy),
    System(
        "SkipMLP on MNIST (b)",
        "128-64-64, blocks of two layers, dropout 0.5, Adam 1e-4, batch 64, 50 epochs",
        "train@mnist-skip-mlp",
        accuracy,
    ),
    System("SkipMLP on CIFAR-10 (b)", "as on MNIST", "train@cifar10-skip-mlp", accuracy),
    System(
        "fully convolutional CNN (b)",
        "64-128-256-128-64, dropout 0.3, Adam 1e-3, batch 64, 75 epochs",
        "train@cifar10-cnn",
        accuracy,
    ),
    System("MNIST, tuned", "ours", "train@mnist-tuned", accuracy, "none"),
    System("CIFAR-10, tuned", "ours", "train@cifar10-tuned", accuracy, "none"),
    System("plain CNN, 20 layers (a)", "64 channels, Adam 4e-4, 30 epochs", "train@cifar10-plain-20", accuracy),
    System("plain CNN, 56 layers (a)", "the same", "train@cifar10-plain-56", accuracy, "worse than 20 layers"),
    System("residual CNN, 10 blocks (a)", "the same", "train@cifar10-residual-10", accuracy),
    System("residual CNN, 20 blocks (a)", "the same", "train@cifar10-residual-20", accuracy, "better than 10 blocks"),
    System("MLP, of four architectures (c)", "30 epochs", "train@cifar10-mlp", accuracy),
    System("ResNet34, of four (c)", "30 epochs", "train@cifar10-resnet34", accuracy),
    System("ConvNet34, of four (c)", "30 epochs", "train@cifar10-convnet34", accuracy),
    System("ResNet50, of four (c)", "30 epochs", "train@cifar10-resnet50", accuracy),
    System(
        "the same net with and without skips (c)",
        "10 runs of 20 epochs each",
        "repeats",
        paired,
        "skips help",
    ),
    System(
        "gradients by depth (a)",
        "plain and residual, depths 10, 20, 25, 50, 150 steps",
        "gradients",
        slopes,
        "those of plain nets vanish",
    ),
    System("Imagenette (c)", "class activation maps of a trained net", "train@imagenette-cnn", accuracy),
    System(
        "class activation maps (a, b, c)",
        "16 random test pictures of CIFAR-10",
        "cam@cifar10-resnet34",
        marked,
        "pictures",
    ),
    System("class activation maps, Imagenette (c)", "pictures", "cam@imagenette-cnn", marked, "pictures"),
    System("AG News, counted words", "ours", "tfidf@tfidf", accuracy, "none"),
    System(
        "AG News, logistic regression (a)",
        "DistilBERT, mean of tokens, one against the rest, not standardised",
        "classify@logreg-lab",
        accuracy,
    ),
    System("AG News, regression as we would", "ours: c chosen on validation", "classify@logreg", accuracy, "none"),
    System(
        "AG News, perceptron (c)",
        "GPT-2 features, 512-256-128, SGD 1e-3, batch 512, 100 epochs",
        "classify@mlp-lab",
        accuracy,
    ),
    System("AG News by number of labels", "ours: frozen features against words", "labels@ag_news", labels, "none"),
    System("AG News, fine-tuned", "ours", "finetune@finetune", accuracy, "none"),
    System(
        "RACE, margin loss (c)",
        "CLS of article, question and option, their mean, 512-256-128, SGD 0.1, 500 epochs",
        "rank@margin-lab",
        accuracy,
    ),
    System("RACE, ratio loss (c)", "the same, sum of right/wrong over raw scores", "rank@ratio-lab", accuracy),
    System("RACE, option alone", "ours: a control", "rank@option", accuracy, "none"),
    System("RACE, longest option", "ours: a control", "rank@longest", accuracy, "none"),
    System("RACE, joint encoding", "ours", "rank@joint", accuracy, "none"),
    System("RACE, fine-tuned", "ours", "finetune@race-finetune", accuracy, "none"),
    System(
        "character GPT on the Inferno (a, c)",
        "6 layers, 6 heads, 384 wide, context 256, dropout 0.2, AdamW 3e-4",
        "lm@dante",
        bits,
        "text",
    ),
    System("character GPT on all three cantiche", "ours: as on the Inferno", "lm@commedia", bits, "none"),
    System("character GPT on Shakespeare", "ours: nanoGPT's for a CPU", "lm@shakespeare", bits, "none"),
    System(
        "tokens of the Inferno (a)",
        "GPT-2's tokenizer",
        "generate",
        tokens,
        f"{TOKENS[2]} tokens per character",
    ),
    System("CartPole by PPO (a)", "not stated", "agent@cartpole-ppo", returns),
    System("CartPole by PPO, few copies", "ours: after the RL Zoo", "agent@cartpole-ppo-small", returns, "none"),
    System("CartPole by DQN (a)", "not stated", "agent@cartpole-dqn", returns),
    System("LunarLander by PPO (a)", "not stated", "agent@control-ppo", returns),
    System("LunarLander by DQN (a)", "not stated", "agent@control-dqn", returns),
    System("Navigation by PPO", "ours", "agent@navigation-ppo", returns, "none"),
    System("Navigation by DQN", "ours", "agent@navigation-dqn", returns, "none"),
)
