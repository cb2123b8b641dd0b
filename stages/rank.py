"""Train a scorer of answers on frozen features and test it, or test a rule that needs no training.

    python stages/rank.py softmax

Reads  params.yaml: rank.NAME, runtime, tracking; data/features/FEATURES.safetensors
Writes models/text/rank-NAME.safetensors, metrics/rank/NAME.json, plots/rank/NAME.csv, plots/confusion/rank-NAME.csv
"""

from dataclasses import asdict
from pathlib import Path

from dla.core import stage
from dla.core.artifacts import write_metrics, write_table, write_tensors
from dla.core.parameters import read_block
from dla.statistics.outcomes import PREDICTIONS
from dla.text.rank import answer, fit_scorer
from dla.text.settings import AnswerScorer
from dla.training.curves import COLUMNS
from dla.training.settings import Runtime, Tracking


def main(name: str) -> None:
    settings = read_block(AnswerScorer, "rank", name)
    features = Path(f"data/features/{settings.features}.safetensors")
    scorer = fit_scorer(name, settings, features, read_block(Runtime, "runtime"), read_block(Tracking, "tracking"))
    answers = answer(name, scorer, features)
    write_tensors(Path(f"models/text/rank-{name}.safetensors"), scorer.weights, {"rank": asdict(settings)})
    write_metrics(Path(f"metrics/rank/{name}.json"), answers.metrics())
    write_table(Path(f"plots/rank/{name}.csv"), COLUMNS, answers.curve())
    write_table(Path(f"plots/confusion/rank-{name}.csv"), PREDICTIONS, answers.predictions())


if __name__ == "__main__":
    stage.run(main, __doc__, "a key of `rank` in params.yaml")
