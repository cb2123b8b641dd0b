"""Train and test one classifier of texts on frozen features.

    python stages/classify.py logreg

Reads  params.yaml: classify.NAME, runtime, tracking; data/features/FEATURES.safetensors
Writes models/text/NAME.safetensors, metrics/classify/NAME.json, plots/classify/NAME.csv, plots/confusion/NAME.csv,
       plots/confusion/NAME.png
"""

from dataclasses import asdict
from pathlib import Path

from dla.core import stage
from dla.core.artifacts import write_table, write_tensors
from dla.core.parameters import read_block
from dla.text.classify import fit_head
from dla.text.evaluation.results import write_results
from dla.text.features import read_labelled
from dla.text.settings import Head
from dla.training.curves import COLUMNS
from dla.training.settings import Runtime, Tracking


def main(name: str) -> None:
    head = read_block(Head, "classify", name)
    features = Path(f"data/features/{head.features}.safetensors")
    trained = fit_head(name, head, features, read_block(Runtime, "runtime"), read_block(Tracking, "tracking"))
    predicted = {}
    for split in ("validation", "test"):
        rows, facts = read_labelled(features, split)
        predicted[split] = (rows.labels, trained.probabilities(rows.vectors))
    write_tensors(Path(f"models/text/{name}.safetensors"), trained.weights, {**facts, "head": asdict(head)})
    write_results(name, facts, predicted, trained.chosen)
    write_table(Path(f"plots/classify/{name}.csv"), COLUMNS, trained.curve)


if __name__ == "__main__":
    stage.run(main, __doc__, "a key of `classify` in params.yaml")
