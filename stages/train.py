"""Train one image classifier and test it once.

    python stages/train.py cifar10-resnet34

Reads  params.yaml: train.NAME, budgets.BUDGET.train.MODEL, runtime; data/prepared/DATA.safetensors
Writes models/NAME.safetensors, metrics/train/NAME.json, plots/train/NAME.csv, data/tested/NAME.csv
"""

from pathlib import Path

from dla.core import stage
from dla.params.file import load_params
from dla.vision.train import train_image_run


def main(name: str) -> None:
    params = load_params()
    run = params.image_run(name)
    prepared = Path(f"data/prepared/{run.data}.safetensors")
    trained = train_image_run(name, run, prepared, params.runtime, params.tracking)
    trained.write(
        weights=Path(f"models/{name}.safetensors"),
        metrics=Path(f"metrics/train/{name}.json"),
        curves=Path(f"plots/train/{name}.csv"),
        tested=Path(f"data/tested/{name}.csv"),
    )


if __name__ == "__main__":
    stage.run(main, __doc__, "a key of `train` in params.yaml")
