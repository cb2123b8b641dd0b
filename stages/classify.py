"""Train and test one classifier of texts on frozen features.

    python stages/classify.py logreg

Reads  params.yaml: classify.NAME, runtime, tracking; data/features/FEATURES.safetensors
Writes models/text/NAME.safetensors, metrics/classify/NAME.json, plots/classify/NAME.csv, plots/confusion/NAME.csv,
       plots/confusion/NAME.png
"""

from pathlib import Path

from dla.core import stage
from dla.core.artifacts import write_table, write_tensors
from dla.core.parameters import read_block
from dla.text.classify import train_logreg, train_mlp
from dla.text.features import read_labelled
from dla.text.results import write_results
from dla.text.settings import Head, LogisticRegressionHead
from dla.training.fit import COLUMNS
from dla.training.settings import Runtime, Tracking


def main(name: str) -> None:
    head: Head = read_block(Head, "classify", name)
    features = Path(f"data/features/{head.features}.safetensors")
    if isinstance(head, LogisticRegressionHead):
        trained = train_logreg(name, head, features)
    else:
        trained = train_mlp(name, head, features, read_block(Runtime, "runtime"), read_block(Tracking, "tracking"))
    write_tensors(Path(f"models/text/{name}.safetensors"), trained.weights, trained.metadata)
    found = {}
    for split in ("validation", "test"):
        rows, facts = read_labelled(features, split)
        found[split] = (rows.labels, trained.probabilities(rows.vectors))
    write_results(name, facts["classes"], facts["source"], found, trained.metrics())
    write_table(Path(f"plots/classify/{name}.csv"), COLUMNS, trained.curve)


if __name__ == "__main__":
    stage.run(main, __doc__, "a key of `classify` in params.yaml")
