"""Encode the texts of one data set with a frozen language model.

    python stages/embed.py ag_news

Reads  params.yaml: embed.NAME, runtime; data/prepared/DATA/texts.parquet; data/raw/ENCODER/
Writes data/features/NAME.safetensors
"""

from pathlib import Path

from dla.core import stage
from dla.core.artifacts import write_tensors
from dla.core.parameters import read_block
from dla.text.embed import embed
from dla.text.settings import Embedding
from dla.training.settings import Runtime


def main(name: str) -> None:
    settings = read_block(Embedding, "embed", name)
    prepared, encoder = Path("data/prepared", settings.data, "texts.parquet"), Path("data/raw", settings.encoder)
    embedded = embed(settings, prepared, encoder, read_block(Runtime, "runtime"))
    write_tensors(Path(f"data/features/{name}.safetensors"), *embedded)


if __name__ == "__main__":
    stage.run(main, __doc__, "a key of `embed` in params.yaml")
