"""Encode the texts of one data set with a frozen language model.

    python stages/embed.py ag_news

Reads  params.yaml: embed.NAME, budgets.BUDGET.embed, runtime; data/prepared/DATA.parquet; data/raw/ENCODER/
Writes data/features/NAME.safetensors
"""

from pathlib import Path

from dla.core import stage
from dla.core.artifacts import write_tensors
from dla.params.file import load_params
from dla.text.embed import embed


def main(name: str) -> None:
    params = load_params()
    settings = params.embedding(name)
    prepared, encoder = Path(f"data/prepared/{settings.data}.parquet"), Path("data/raw", settings.encoder)
    write_tensors(Path(f"data/features/{name}.safetensors"), *embed(settings, prepared, encoder, params.runtime))


if __name__ == "__main__":
    stage.run(main, __doc__, "a key of `embed` in params.yaml")
