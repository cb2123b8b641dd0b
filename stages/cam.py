"""Draw and score the class activation maps of one trained image classifier.

    python stages/cam.py cifar10-resnet34

Reads  params.yaml: cam, explained.RUN; models/RUN.safetensors; data/prepared/DATA/images.safetensors
Writes data/cam/RUN/ID-CLASS.png, plots/cam/RUN.png, metrics/cam/RUN.json
"""

from pathlib import Path

from dla.core import stage
from dla.core.parameters import read_block
from dla.vision.maps.explain import explain
from dla.vision.maps.trained import load_classifier
from dla.vision.settings import Explanation, ImageRun


def main(name: str) -> None:
    settings, run = read_block(Explanation, "cam"), read_block(ImageRun, "explained", name)
    prepared = Path("data/prepared", run.data, "images.safetensors")
    explain(name, load_classifier(name), settings, run.data, prepared).write(
        folder=Path(f"data/cam/{name}"), grid=Path(f"plots/cam/{name}.png"), metrics=Path(f"metrics/cam/{name}.json")
    )


if __name__ == "__main__":
    stage.run(main, __doc__, "a key of `explained` in params.yaml")
