"""Train an image classifier from every seed and test each once.

    python stages/train.py cifar10-resnet34

Reads  params.yaml: train.NAME, runtime, tracking; data/prepared/DATA/images.safetensors
Writes models/NAME.safetensors, metrics/train/NAME.json, plots/train/NAME.csv, data/tested/NAME.csv
"""

from pathlib import Path

from dla.core import stage
from dla.core.parameters import read_block
from dla.training.settings import Runtime, Tracking
from dla.vision.seeds import train_seeds
from dla.vision.settings import ImageRun


def main(name: str) -> None:
    run = read_block(ImageRun, "train", name)
    prepared = Path("data/prepared", run.data, "images.safetensors")
    trained = train_seeds(name, run, prepared, read_block(Runtime, "runtime"), read_block(Tracking, "tracking"))
    trained.write(
        weights=Path(f"models/{name}.safetensors"),
        metrics=Path(f"metrics/train/{name}.json"),
        curves=Path(f"plots/train/{name}.csv"),
        tested=Path(f"data/tested/{name}.csv"),
    )


if __name__ == "__main__":
    stage.run(main, __doc__, "a key of `train` in params.yaml")
