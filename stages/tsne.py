"""Lay the features of one split out in the plane.

    python stages/tsne.py test

Reads  params.yaml: tsne.NAME, runtime; data/features/FEATURES.safetensors
Writes metrics/tsne/NAME.json, plots/tsne/NAME.csv, plots/tsne/NAME.png
"""

from pathlib import Path

from dla.core import stage
from dla.core.artifacts import write_figure, write_metrics, write_table
from dla.core.parameters import read_block
from dla.text.features import read_beginnings, read_labelled
from dla.text.settings import Scatter
from dla.text.tsne import COLUMNS, choose, embed_in_plane, figure, plane_metrics, rows
from dla.training.settings import Runtime


def main(name: str) -> None:
    settings = read_block(Scatter, "tsne", name)
    features = Path(f"data/features/{settings.features}.safetensors")
    labelled, facts = read_labelled(features, settings.split)
    chosen = choose(len(labelled.labels), settings)
    beginnings = read_beginnings(features, settings.split)
    vectors, labels, texts = labelled.vectors[chosen], labelled.labels[chosen], [beginnings[i] for i in chosen]
    plane = embed_in_plane(vectors, settings, read_block(Runtime, "runtime").threads)
    write_metrics(Path(f"metrics/tsne/{name}.json"), {"data": facts["source"], **plane_metrics(vectors, plane, labels)})
    write_table(Path(f"plots/tsne/{name}.csv"), COLUMNS, rows(plane, labels, facts["classes"], texts))
    embedded = " (embedded data)" if facts["source"] == "embedded" else ""
    title = f"{facts['embed']['data']}, {settings.split} texts{embedded}"
    write_figure(Path(f"plots/tsne/{name}.png"), figure(plane, labels, facts["classes"], title))


if __name__ == "__main__":
    stage.run(main, __doc__, "a key of `tsne` in params.yaml")
