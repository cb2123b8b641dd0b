"""Sources as `quick` and `full` read them: folders and a file in the forms of the Hub and the web, a few rows each."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import datasets
import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

from .conftest import ROOT

CLASSES = 4
PAGES = ("cam", "cluster", "features", "agents")  # of the documentation: a class each
ROWS = {"train": 96, "validation": 16, "test": 60}

# A heading, a summary, two cantos and the next part, as in the file that `sources.dante` names.
POEM = """LA DIVINA COMMEDIA
di Dante Alighieri

INFERNO

CANTO I
[Incomincia la Comedia di Dante Alleghieri di Fiorenza.]
Nel mezzo del cammin di nostra vita
mi ritrovai per una selva oscura,
ché la diritta via era smarrita.
Ahi quanto a dir qual era è cosa dura
esta selva selvaggia e aspra e forte
che nel pensier rinova la paura!
Tant' è amara che poco è più morte;
ma per trattar del ben ch'i' vi trovai,
dirò de l'altre cose ch'i' v'ho scorte.
Io non so ben ridir com' i' v'intrai,
tant' era pien di sonno a quel punto
che la verace via abbandonai.

CANTO II
[Canto secondo de la prima parte.]
Lo giorno se n'andava, e l'aere bruno
toglieva li animai che sono in terra
da le fatiche loro; e io sol uno
m'apparecchiava a sostener la guerra
sì del cammino e sì de la pietate,
che ritrarrà la mente che non erra.

PURGATORIO

CANTO I
Per correr miglior acque alza le vele
omai la navicella del mio ingegno,
che lascia dietro a sé mar sì crudele;
"""


def write_pictures(folder: Path, columns: tuple[str, str], channels: int) -> None:
    """Handwritten digits under the names of columns that a data set of pictures has."""
    digits, (picture, label) = load_digits(n_class=CLASSES), columns
    features = datasets.Features(
        {picture: datasets.Image(), label: datasets.ClassLabel(names=[f"digit {n}" for n in range(CLASSES)])}
    )
    first = 0
    for split in ("train", "test"):
        rows = slice(first, first + ROWS[split])
        grey = (digits.images[rows] * 15).astype(np.uint8)
        encoded = [{"bytes": _png(pixels, channels), "path": None} for pixels in grey]
        _write(folder, split, {picture: encoded, label: digits.target[rows].tolist()}, features)
        first = rows.stop


def _png(pixels: Any, channels: int) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).convert("L" if channels == 1 else "RGB").save(stream, format="PNG")
    return stream.getvalue()


def write_texts(folder: Path, columns: tuple[str, str]) -> None:
    """Passages of the documentation, and which page they are of."""
    text, label = columns
    features = datasets.Features({text: datasets.Value("string"), label: datasets.ClassLabel(names=list(PAGES))})
    passages = [(passage, n) for group in zip(*map(_passages, PAGES), strict=False) for n, passage in enumerate(group)]
    first = 0
    for split in ("train", "test"):
        rows = passages[first : first + ROWS[split]]
        _write(folder, split, dict(zip((text, label), map(list, zip(*rows, strict=True)), strict=True)), features)
        first += ROWS[split]


def _passages(page: str) -> Iterator[str]:
    words = iter(re.findall(r"[a-z]+", (ROOT / f"docs/{page}.md").read_text().lower()))
    while passage := list(islice(words, 8)):
        yield " ".join(passage)


def write_questions(folder: Path) -> None:
    """Which of four passages belongs to a page? In the columns of RACE."""
    pages = [list(_passages(page)) for page in PAGES]
    first = 0
    for split, count in ROWS.items():
        columns: dict[str, list[Any]] = {
            name: [] for name in ("example_id", "article", "answer", "question", "options")
        }
        for row in range(first, first + count // 4):
            columns["example_id"].append(f"{'high' if row % 2 else 'middle'}{row}.txt")
            columns["article"].append(" ".join(pages[row % 4][row : row + 4]))
            columns["answer"].append("ABCD"[row % 4])
            columns["question"].append("Which of these is of the same page?")
            columns["options"].append([page[row] for page in pages])
        _write(folder, split, columns, None)
        first += count // 4


def _write(folder: Path, split: str, columns: dict[str, Any], features: datasets.Features | None) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    datasets.Dataset.from_dict(columns, features=features).to_parquet(folder / f"{split}.parquet")


def write_encoder(folder: Path) -> None:
    """A DistilBERT of one layer that knows letters and the words of those pages."""
    from tokenizers import BertWordPieceTokenizer
    from transformers import DistilBertConfig, DistilBertModel, PreTrainedTokenizerFast

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    words = dict.fromkeys(word for page in PAGES for passage in _passages(page) for word in passage.split())
    pieces = list(dict.fromkeys([*special, *letters, *(f"##{letter}" for letter in letters), *words]))
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=BertWordPieceTokenizer(vocab={piece: n for n, piece in enumerate(pieces)})._tokenizer,
        model_max_length=512,
        **dict(zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), special, strict=True)),
    )
    tokenizer.save_pretrained(folder)
    config = DistilBertConfig(vocab_size=len(pieces), dim=16, n_layers=1, n_heads=2, hidden_dim=16)
    DistilBertModel(config).save_pretrained(folder)


def write_generator(folder: Path) -> None:
    """A GPT-2 of one layer with the tokenizer of GPT-2's kind: of bytes, so that no character is unknown to it."""
    from tokenizers import ByteLevelBPETokenizer
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

    end = "<|endoftext|>"
    pieces = ByteLevelBPETokenizer()
    pieces.train_from_iterator([POEM], vocab_size=300, special_tokens=[end], show_progress=False)
    roles = dict.fromkeys(("bos_token", "eos_token", "unk_token"), end)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=pieces._tokenizer, model_max_length=512, **roles)
    tokenizer.save_pretrained(folder)
    size = {"vocab_size": len(tokenizer), "n_positions": 512, "n_embd": 16, "n_layer": 1, "n_head": 2}
    GPT2LMHeadModel(GPT2Config(**size, bos_token_id=0, eos_token_id=0)).save_pretrained(folder)
