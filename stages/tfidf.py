"""Train and test logistic regression on counted words: what every language model has to beat.

    python stages/tfidf.py tfidf

Reads  params.yaml: tfidf.NAME; data/prepared/DATA.parquet
Writes models/text/NAME.safetensors, metrics/classify/NAME.json, plots/confusion/NAME.csv, plots/confusion/NAME.png
"""

from dataclasses import asdict
from pathlib import Path

import numpy as np

from dla.core import stage
from dla.core.artifacts import read_texts, write_tensors
from dla.settings.params import load_params
from dla.settings.whole import lookup
from dla.text.results import write_results
from dla.text.tfidf import fit_words


def main(name: str) -> None:
    params = load_params()
    settings = lookup(params.tfidf, name, "tfidf")
    table, facts = read_texts(Path(f"data/prepared/{settings.data}.parquet"))
    splits = {split: table.filter(np.array(table["split"]) == split) for split in ("train", "validation", "test")}
    texts = {split: rows["text"].to_pylist() for split, rows in splits.items()}
    labels = {split: np.array(rows["label"], np.int64) for split, rows in splits.items()}
    train, validation = ((texts[split], labels[split]) for split in ("train", "validation"))
    counter, c = fit_words(settings, train, validation)
    write_tensors(Path(f"models/text/{name}.safetensors"), counter.tensors(), {**facts, "tfidf": asdict(settings)})
    found = {split: (labels[split], counter.probabilities(texts[split])) for split in ("validation", "test")}
    write_results(name, facts["classes"], facts["source"], found, {"c": c})


if __name__ == "__main__":
    stage.run(main, __doc__, "a key of `tfidf` in params.yaml")
