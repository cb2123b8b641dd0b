"""Train the two contenders of `pair` from one seed and measure their gradients.

    python stages/pair.py 1

Reads  params.yaml: pair, budgets.BUDGET.pair, runtime; data/prepared/DATA.safetensors
Writes data/pairs/curves/SEED.csv, data/pairs/gradients/SEED.csv, metrics/pair/SEED.json
"""

from pathlib import Path

from dla.core import stage
from dla.params.file import load_params
from dla.params.whole import lookup
from dla.vision.pair import train_pair


def main(name: str) -> None:
    params = load_params()
    seed = lookup({str(seed): seed for seed in params.repeats.seeds}, name, "repeats.seeds")
    prepared = Path(f"data/prepared/{params.pair.first.data}.safetensors")
    trained = train_pair(seed, params.pair_runs(seed), prepared, params.runtime, params.tracking)
    trained.write(
        metrics=Path(f"metrics/pair/{seed}.json"),
        curves=Path(f"data/pairs/curves/{seed}.csv"),
        gradients=Path(f"data/pairs/gradients/{seed}.csv"),
    )


if __name__ == "__main__":
    stage.run(main, __doc__, "one of `repeats.seeds` in params.yaml")
