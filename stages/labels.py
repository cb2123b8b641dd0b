"""Compare frozen features with counted words by the number of labelled texts.

    python stages/labels.py ag_news

Reads  params.yaml: labels.NAME; data/features/FEATURES.safetensors, data/prepared/DATA/texts.parquet
Writes metrics/labels/NAME.json, plots/labels/NAME.csv
"""

from pathlib import Path

from dla.core import stage
from dla.core.artifacts import write_metrics, write_table
from dla.core.parameters import read_block
from dla.text.labels import COLUMNS, label_curve, read_both, summarise
from dla.text.settings import LabelCurve


def main(name: str) -> None:
    settings = read_block(LabelCurve, "labels", name)
    prepared = Path("data/prepared", settings.counted.data, "texts.parquet")
    splits, facts = read_both(prepared, Path(f"data/features/{settings.frozen.features}.safetensors"))
    rows = list(label_curve(splits, settings))
    summary = {"data": facts["source"], "n": len(splits["test"].labels), **summarise(rows, settings.confidence)}
    write_metrics(Path(f"metrics/labels/{name}.json"), summary)
    write_table(Path(f"plots/labels/{name}.csv"), COLUMNS, rows)


if __name__ == "__main__":
    stage.run(main, __doc__, "a key of `labels` in params.yaml")
