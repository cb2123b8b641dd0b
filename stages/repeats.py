"""Compare the two contenders of `pair` over all seeds.

    python stages/repeats.py

Reads  params.yaml: repeats, pair.first.label, pair.second.label; data/pairs/, metrics/pair/
Writes metrics/repeats.json, plots/repeats/{curves,gradients,finals}.csv
"""

from pathlib import Path

from dla.core import stage
from dla.core.artifacts import write_metrics, write_table
from dla.core.parameters import read_block
from dla.vision.repeats import FINALS, final_rows, measures, read_origin, read_pairs, summarise
from dla.vision.settings import Pair, Repeats


def main() -> None:
    repeats, pair = read_block(Repeats, "repeats"), read_block(Pair, "pair")
    labels = (pair.first.label, pair.second.label)
    rows = read_pairs(Path("data/pairs/curves"), repeats.seeds)
    gradients = read_pairs(Path("data/pairs/gradients"), repeats.seeds)
    summary = summarise(measures(rows, labels, repeats), labels, repeats)
    origin = read_origin(Path("metrics/pair"), repeats.seeds)
    write_metrics(Path("metrics/repeats.json"), {"data": origin, **summary})
    write_table(Path("plots/repeats/curves.csv"), list(rows[0]), rows)
    write_table(Path("plots/repeats/gradients.csv"), list(gradients[0]), gradients)
    write_table(Path("plots/repeats/finals.csv"), FINALS, final_rows(rows))


if __name__ == "__main__":
    stage.run(main, __doc__)
