"""Measure the gradients of plain and residual nets of several depths while they train.

    python stages/gradients.py

Reads  params.yaml: gradients, runtime; data/prepared/DATA/images.safetensors
Writes metrics/gradients.json, plots/gradients/dense.csv, plots/gradients/layers.csv
"""

from pathlib import Path

from dla.core import stage
from dla.core.artifacts import read_tensors, write_metrics, write_table
from dla.core.parameters import read_block
from dla.training.settings import Runtime
from dla.vision.gradients import COLUMNS, MAP_COLUMNS, dense_rows, gradient_metrics, map_rows, study_gradients
from dla.vision.settings import GradientStudy


def main() -> None:
    study = read_block(GradientStudy, "gradients")
    prepared = Path("data/prepared", study.data, "images.safetensors")
    recorded = study_gradients(study, prepared, read_block(Runtime, "runtime"))
    summary = gradient_metrics(recorded, study.window)
    write_metrics(Path("metrics/gradients.json"), {"data": read_tensors(prepared, "none.")[1]["source"], **summary})
    write_table(Path("plots/gradients/dense.csv"), COLUMNS, dense_rows(recorded))
    write_table(Path("plots/gradients/layers.csv"), MAP_COLUMNS, map_rows(recorded))


if __name__ == "__main__":
    stage.run(main, __doc__)
