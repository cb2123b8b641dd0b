"""Train an encoder end to end: as a classifier of texts, or as a multiple-choice model of questions.

    python stages/finetune.py finetune

Reads  params.yaml: finetune.NAME, runtime, tracking; data/prepared/DATA/texts.parquet; data/raw/ENCODER/
Writes models/text/NAME/ (a model folder of transformers), metrics/finetune/NAME.json, plots/finetune/NAME.csv,
       plots/confusion/NAME.csv, plots/confusion/NAME.png
"""

from pathlib import Path

from dla.core import stage
from dla.core.artifacts import write_metrics, write_table
from dla.core.parameters import read_block
from dla.text.evaluation.results import write_confusion
from dla.text.finetune import finetune
from dla.text.settings import FineTuning
from dla.training.curves import COLUMNS
from dla.training.settings import Runtime, Tracking


def main(name: str) -> None:
    settings = read_block(FineTuning, "finetune", name)
    prepared, encoder = Path("data/prepared", settings.data, "texts.parquet"), Path("data/raw", settings.encoder)
    runtime, tracking = read_block(Runtime, "runtime"), read_block(Tracking, "tracking")
    trained = finetune(name, settings, prepared, encoder, runtime, tracking)
    trained.write(Path("models/text", name))
    write_metrics(Path(f"metrics/finetune/{name}.json"), trained.metrics())
    classes, source = trained.task.choices, trained.facts["source"]
    write_confusion(name, classes, source, trained.targets("test"), trained.predictions("test"))
    write_table(Path(f"plots/finetune/{name}.csv"), COLUMNS, trained.outcome.fitted.rows(name))


if __name__ == "__main__":
    stage.run(main, __doc__, "a key of `finetune` in params.yaml")
