"""What does Dante sound like?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dla.report import charts
from dla.report.chapter import NOTHING, Block, Chapter, Chart, Passage, Table
from dla.report.colours import palette
from dla.report.laboratories import TOKENS
from dla.report.results import Results, Settings
from dla.report.sources import Origin, about, title
from dla.report.statements import count, percent

QUALITY: dict[str, tuple[str, Callable[[float], str]]] = {  # of metrics/lm: what it is called, and how it is written
    "known_words": ("words that occur in the training text", percent),
    "syllables": ("syllables per line", "{:.1f}".format),
    "rhymes": ("tercets whose outer lines rhyme", percent),
    "longest_copy": ("longest passage copied from the training text (characters)", count),
}


def chapter(params: Settings, results: Results) -> Chapter:
    """Language models of characters, what they write, and how models go on from the same prompts."""
    trained = results.each(params["lm"], "lm")
    generated = results.metrics("data/generated.json", "generate")
    origins = {name: (params["lm"][name]["data"], metrics["data"]) for name, metrics in trained.items()}
    about_data = [*origins.values()]
    blocks = [block for name, metrics in trained.items() for block in _model(name, metrics, results, palette(params))]
    if generated is not None:
        about_data.append((params["generate"]["corpus"], generated["data"]))
        blocks += [_continuations(generated), _tokens(generated)]
    return Chapter(
        key="verse",
        question="What does Dante sound like?",
        findings=_findings(trained, origins),
        about=about(params, about_data),
        embedded=any(place == "embedded" for _, place in about_data),
        blocks=blocks,
        commands=("dvc repro lm generate",),
        missing=tuple(results.missing),
    )


def _findings(trained: dict[str, dict[str, Any]], origins: dict[str, Origin]) -> list[str]:
    """Of every text the model that validation finds best, and how it does on text that chose nothing."""
    best: dict[Origin, str] = {}
    for name in sorted(trained, key=lambda name: trained[name]["validation"]["loss"]):
        best.setdefault(origins[name], name)
    first = dict.fromkeys(origins.values())  # as params.yaml has them
    return [_about_model(best[origin], trained[best[origin]], title(origin)) for origin in first] or NOTHING


def _about_model(name: str, metrics: dict[str, Any], data: str) -> str:
    sample, held_out = (percent(metrics["quality"][part]["known_words"], 0) for part in ("sample", "held_out"))
    bits, ngrams = metrics["test"]["bits_per_character"], metrics["ngrams"]
    return (
        f"The model {name} needs {bits:.2f} bits per character of held-out text of {data}, counted bigrams "
        f"{ngrams['bigram']:.2f}, counted trigrams {ngrams['trigram']:.2f}, and the compressor zstd at its best "
        f"{metrics['zstd']:.2f}. Of the words that the model writes {sample} occur in the training text, of those held "
        f"out {held_out}."
    )


def _model(name: str, metrics: dict[str, Any], results: Results, known: dict[str, str]) -> list[Block]:
    blocks: list[Block] = []
    rows = results.rows(f"plots/lm/{name}.csv", f"lm@{name}")
    if rows:
        spec = charts.curves(rows, ("step", "step"), ("loss", "loss (nats per character)"), known=known)
        blocks.append(Chart(f"{name}: loss while it trains. Dotted: training, whole: validation.", spec))
    sample = results.text(f"data/samples/{name}.txt", f"lm@{name}")
    if sample is not None:
        blocks.append(Passage(f"What {name} wrote, character by character.", sample))
    parts = metrics["quality"]
    table = [
        (label, *("none" if parts[part][key] is None else how(parts[part][key]) for part in ("sample", "held_out")))
        for key, (label, how) in QUALITY.items()
        if key in parts["held_out"]  # prose has no metre
    ]
    facts = (
        f"{count(metrics['parameters'])} parameters, {count(metrics['characters'])} characters in its vocabulary, "
        f"perplexity {metrics['test']['perplexity']:.2f}, best on validation after step {count(metrics['best_step'])}."
    )
    return [*blocks, Table(f"{name} beside held-out text. {facts}", ("measure", "written", "held out"), table)]


def _continuations(generated: dict[str, Any]) -> Table:
    rows = [
        (row["model"], row["prompt"], row["method"], row["reason"] or row["text"]) for row in generated["generated"]
    ]
    return Table("How models go on.", ("model", "prompt", "method", "goes on"), rows)


def _tokens(generated: dict[str, Any]) -> Table:
    rows = [
        (name, count(found["characters"]), count(found["tokens"]), f"{found['tokens_per_character']:.3f}")
        for name, found in generated["tokens"].items()
    ]
    characters, tokens, ratio = TOKENS
    rows.append(("laboratory, GPT-2 on Dante's Inferno", count(characters), count(tokens), f"{ratio:.2f}"))
    return Table("How long the text is.", ("tokenizer of", "characters", "tokens", "tokens per character"), rows)
