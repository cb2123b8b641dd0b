"""Draw and score the class activation maps of one trained image classifier.

    python stages/cam.py cifar10-resnet34

Reads  params.yaml: cam.RUN, budgets.BUDGET.cam; models/RUN.safetensors; data/prepared/DATA.safetensors
Writes data/cam/RUN/ID-CLASS.png, plots/cam/RUN.png, metrics/cam/RUN.json
"""

from pathlib import Path

from dla.core import stage
from dla.params.file import load_params
from dla.vision.explain import explain
from dla.vision.weights import load_classifier


def main(name: str) -> None:
    settings = load_params().explanation(name)
    prepared = Path(f"data/prepared/{settings.data}.safetensors")
    explain(name, load_classifier(name), settings, prepared).write(
        folder=Path(f"data/cam/{name}"), grid=Path(f"plots/cam/{name}.png"), metrics=Path(f"metrics/cam/{name}.json")
    )


if __name__ == "__main__":
    stage.run(main, __doc__, "a key of `cam` in params.yaml")
