"""Train one language model of characters, and let it write.

    python stages/lm.py dante

Reads  params.yaml: lm.NAME, budgets.BUDGET.lm, runtime; data/prepared/DATA.parquet
Writes models/lm/NAME/, metrics/lm/NAME.json, plots/lm/NAME.csv, data/samples/NAME.txt
"""

from pathlib import Path

from dla.core import stage
from dla.core.artifacts import write_metrics, write_table, write_text
from dla.language.lm import COLUMNS, train_lm
from dla.params.file import load_params


def main(name: str) -> None:
    params = load_params()
    settings = params.language_model(name)
    trained = train_lm(name, settings, Path(f"data/prepared/{settings.data}.parquet"), params.runtime, params.tracking)
    trained.write(Path("models/lm", name))
    write_metrics(Path(f"metrics/lm/{name}.json"), trained.metrics())
    write_table(Path(f"plots/lm/{name}.csv"), COLUMNS, trained.rows())
    write_text(Path(f"data/samples/{name}.txt"), trained.sample_text())


if __name__ == "__main__":
    stage.run(main, __doc__, "a key of `lm` in params.yaml")
