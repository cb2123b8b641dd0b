"""Train one language model of characters, and let it write.

    python stages/lm.py dante

Reads  params.yaml: lm.NAME, runtime, tracking; data/prepared/DATA/texts.parquet
Writes models/lm/NAME/, metrics/lm/NAME.json, plots/lm/NAME.csv, data/samples/NAME.txt
"""

from pathlib import Path

from dla.core import stage
from dla.core.artifacts import write_metrics, write_table, write_text
from dla.core.parameters import read_block
from dla.language.lm import COLUMNS, train_lm
from dla.language.settings import LanguageModel
from dla.training.settings import Runtime, Tracking


def main(name: str) -> None:
    settings = read_block(LanguageModel, "lm", name)
    prepared = Path("data/prepared", settings.data, "texts.parquet")
    trained = train_lm(name, settings, prepared, read_block(Runtime, "runtime"), read_block(Tracking, "tracking"))
    trained.write(Path("models/lm", name))
    write_metrics(Path(f"metrics/lm/{name}.json"), trained.metrics())
    write_table(Path(f"plots/lm/{name}.csv"), COLUMNS, trained.rows())
    write_text(Path(f"data/samples/{name}.txt"), trained.sample_text())


if __name__ == "__main__":
    stage.run(main, __doc__, "a key of `lm` in params.yaml")
