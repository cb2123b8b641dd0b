"""Train the two contenders of `pair` from one seed and measure their gradients.

    python stages/pair.py 1

Reads  params.yaml: pair, runtime, tracking; data/prepared/DATA/images.safetensors
Writes data/pairs/curves/SEED.csv, data/pairs/gradients/SEED.csv, metrics/pair/SEED.json
"""

from pathlib import Path

from dla.core import stage
from dla.core.parameters import read_block, read_names
from dla.core.parsing import refer
from dla.training.settings import Runtime, Tracking
from dla.vision.pair import train_pair
from dla.vision.settings import Pair


def main(name: str) -> None:
    refer("params.yaml: repeats.seeds", name, read_names("repeats", "seeds"))
    pair, seed = read_block(Pair, "pair"), int(name)
    prepared = Path("data/prepared", pair.first.data, "images.safetensors")
    runtime, tracking = read_block(Runtime, "runtime"), read_block(Tracking, "tracking")
    trained = train_pair(seed, pair.trainings(seed), prepared, runtime, tracking)
    trained.write(
        metrics=Path(f"metrics/pair/{seed}.json"),
        curves=Path(f"data/pairs/curves/{seed}.csv"),
        gradients=Path(f"data/pairs/gradients/{seed}.csv"),
    )


if __name__ == "__main__":
    stage.run(main, __doc__, "one of `repeats.seeds` in params.yaml")
