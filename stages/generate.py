"""Continue the prompts of params.yaml with a pretrained language model and with the one that was trained here.

    python stages/generate.py

Reads  params.yaml: generate, runtime; data/raw/PRETRAINED/, models/lm/TRAINED/,
       data/prepared/CORPUS/texts.parquet
Writes metrics/generate.json, data/generated.json, data/generated.md
"""

from dataclasses import asdict
from pathlib import Path

from dla.core import stage
from dla.core.artifacts import read_texts, write_metrics, write_text
from dla.core.parameters import read_block
from dla.data.raw import ABSENT
from dla.language.generate import as_markdown, continuations, read_speaker, token_count
from dla.language.settings import Generation
from dla.training.runtime import start
from dla.training.settings import Runtime


def main() -> None:
    settings = read_block(Generation, "generate")
    start(read_block(Runtime, "runtime"))
    table, facts = read_texts(Path("data/prepared", settings.corpus, "texts.parquet"))
    folders = {
        settings.pretrained: Path("data/raw", settings.pretrained),
        settings.trained: Path("models/lm", settings.trained),
    }
    speakers = {name: read_speaker(folder) for name, folder in folders.items() if not (folder / ABSENT).exists()}
    text = "".join(table["text"].to_pylist())
    counts = {name: token_count(speaker.tokenizer, text) for name, speaker in speakers.items()}
    rows = [row for name, speaker in speakers.items() for row in continuations(name, speaker, settings)]
    write_metrics(Path("metrics/generate.json"), {"data": facts["source"], "tokens": counts})
    written = [asdict(row) for row in rows]
    write_metrics(Path("data/generated.json"), {"data": facts["source"], "tokens": counts, "generated": written})
    write_text(Path("data/generated.md"), as_markdown(rows, counts, facts["source"]))


if __name__ == "__main__":
    stage.run(main, __doc__)
