"""Train and test logistic regression on counted words: what every language model has to beat.

    python stages/tfidf.py tfidf

Reads  params.yaml: tfidf.NAME; data/prepared/DATA/texts.parquet
Writes models/text/NAME.safetensors, metrics/classify/NAME.json, plots/confusion/NAME.csv, plots/confusion/NAME.png
"""

from dataclasses import asdict
from pathlib import Path

from dla.core import stage
from dla.core.artifacts import write_tensors
from dla.core.parameters import read_block
from dla.text.evaluation.results import write_results
from dla.text.prepared import numbers, read_splits
from dla.text.settings import WordCounts
from dla.text.tfidf import fit_words


def main(name: str) -> None:
    settings = read_block(WordCounts, "tfidf", name)
    splits, facts = read_splits(Path("data/prepared", settings.data, "texts.parquet"))
    labelled = {split: (rows["text"].to_pylist(), numbers(rows, "label")) for split, rows in splits.items()}
    counter, c = fit_words(settings, labelled["train"], labelled["validation"])
    write_tensors(Path(f"models/text/{name}.safetensors"), counter.tensors(), {**facts, "tfidf": asdict(settings)})
    predicted = {split: (labels, counter.probabilities(texts)) for split, (texts, labels) in labelled.items()}
    write_results(name, facts, predicted, {"c": c})


if __name__ == "__main__":
    stage.run(main, __doc__, "a key of `tfidf` in params.yaml")
