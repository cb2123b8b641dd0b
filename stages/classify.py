"""Train and test one classifier of texts on frozen features.

    python stages/classify.py logreg

Reads  params.yaml: classify.NAME, runtime, tracking; data/features/FEATURES.safetensors
Writes models/text/NAME.safetensors, metrics/classify/NAME.json, plots/classify/NAME.csv, plots/confusion/NAME.csv,
       plots/confusion/NAME.png
"""

from pathlib import Path

from dla.core import stage
from dla.core.artifacts import write_table
from dla.core.parameters import read_block
from dla.text.classify import train_logreg, train_mlp
from dla.text.features import read_labelled
from dla.text.results import write_results
from dla.text.settings import Head, LogisticRegressionHead
from dla.training.fit import COLUMNS
from dla.training.settings import Runtime, Tracking


def main(name: str) -> None:
    head: Head = read_block(Head, "classify", name)
    features, model = Path(f"data/features/{head.features}.safetensors"), Path(f"models/text/{name}.safetensors")
    if isinstance(head, LogisticRegressionHead):
        learned = train_logreg(name, head, features, model)
    else:
        learned = train_mlp(
            name, head, features, read_block(Runtime, "runtime"), read_block(Tracking, "tracking"), model
        )
    found = {}
    for split in ("validation", "test"):
        rows, facts = read_labelled(features, split)
        found[split] = (rows.labels, learned.probabilities(rows.vectors))
    write_results(name, facts["classes"], facts["source"], found, learned.metrics())
    write_table(Path(f"plots/classify/{name}.csv"), COLUMNS, learned.curve)
    if learned.outcome:
        learned.outcome.checkpoint.discard()


if __name__ == "__main__":
    stage.run(main, __doc__, "a key of `classify` in params.yaml")
