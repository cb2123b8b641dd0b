"""Measure the gradients of plain and residual nets of several depths while they train.

    python stages/gradients.py

Reads  params.yaml: gradients, budgets.BUDGET.gradients, runtime; data/prepared/DATA.safetensors
Writes metrics/gradients.json, plots/gradients/dense.csv, plots/gradients/layers.csv
"""

from pathlib import Path

from dla.core import stage
from dla.core.artifacts import read_tensors, write_metrics, write_table
from dla.params.file import load_params
from dla.vision.gradients import COLUMNS, MAP_COLUMNS, dense_rows, gradient_metrics, map_rows, study_gradients


def main() -> None:
    params = load_params()
    study = params.gradient_study
    prepared = Path(f"data/prepared/{study.data}.safetensors")
    recorded = study_gradients(study, prepared, params.runtime)
    summary = gradient_metrics(recorded, study.window)
    write_metrics(Path("metrics/gradients.json"), {"data": read_tensors(prepared, "none.")[1]["source"], **summary})
    write_table(Path("plots/gradients/dense.csv"), COLUMNS, dense_rows(recorded))
    write_table(Path("plots/gradients/layers.csv"), MAP_COLUMNS, map_rows(recorded))


if __name__ == "__main__":
    stage.run(main, __doc__)
