"""A small DistilBERT and a small GPT-2 with random weights and a vocabulary of the docstrings: encoders for tests."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

from dla.data import docstrings

WORDS, ENDINGS = 3000, 500  # whole words and endings of words in the vocabulary, the most frequent ones
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
END = "<|endoftext|>"  # GPT-2's one special token
SEED = 0


def write_gpt2(folder: Path) -> None:
    """Write the GPT-2 into an existing folder, as `save_pretrained` does.

    As GPT-2's, its tokenizer adds no token to a text and has none for padding.
    """
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
    from transformers import GPT2Config, GPT2Model, PreTrainedTokenizerFast

    vocabulary = [END, *_vocabulary([f"{found.summary} {found.body}" for found in docstrings.collect()])]
    numbers = {piece: number for number, piece in enumerate(vocabulary)}
    unknown = {"unk_token": SPECIAL[1]}
    pieces = Tokenizer(models.WordPiece(numbers, **unknown))
    pieces.normalizer, pieces.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=pieces,
        model_max_length=512,
        model_input_names=["input_ids", "attention_mask"],
        bos_token=END,
        eos_token=END,
        **unknown,
    )
    config = GPT2Config(
        vocab_size=len(vocabulary),
        n_positions=512,
        n_embd=128,
        n_layer=2,
        n_head=4,
        bos_token_id=numbers[END],
        eos_token_id=numbers[END],
    )
    _save(folder, tokenizer, GPT2Model, config)


def write_distilbert(folder: Path) -> None:
    """Write the DistilBERT into an existing folder, as `save_pretrained` does: weights, configuration, tokenizer."""
    from tokenizers import BertWordPieceTokenizer
    from transformers import DistilBertConfig, DistilBertModel, PreTrainedTokenizerFast

    vocabulary = _vocabulary([f"{found.summary} {found.body}" for found in docstrings.collect()])
    pieces = BertWordPieceTokenizer(vocab={piece: number for number, piece in enumerate(vocabulary)})
    roles = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), SPECIAL, strict=True))
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=pieces._tokenizer,
        model_max_length=512,
        model_input_names=["input_ids", "attention_mask"],
        **roles,
    )
    config = DistilBertConfig(vocab_size=len(vocabulary), dim=128, n_layers=2, n_heads=4, hidden_dim=256)
    _save(folder, tokenizer, DistilBertModel, config)


def _save(folder: Path, tokenizer: Any, kind: Any, config: Any) -> None:
    """Write a tokenizer and a model of random weights."""
    import torch
    import transformers

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        model = kind(config)
    transformers.utils.logging.disable_progress_bar()
    tokenizer.save_pretrained(folder)
    model.save_pretrained(folder)


def _vocabulary(texts: list[str]) -> list[str]:
    """A WordPiece vocabulary: every character, the most frequent words, the most frequent endings.

    Counted here, as the trainer of `tokenizers` breaks ties in another way in every process.
    """
    words = Counter(word for text in texts for word in re.findall(r"[a-z]+|[0-9]|[^\sa-z0-9]", text.lower()))
    characters = sorted({character for word in words for character in word})
    endings: Counter[str] = Counter()
    for word, count in words.items():
        for length in (2, 3, 4):
            if len(word) > length + 1:
                endings[word[-length:]] += count
    pieces = [*characters, *(f"##{character}" for character in characters)]
    pieces += [word for word, _ in _most_frequent(words, WORDS)]
    pieces += [f"##{ending}" for ending, _ in _most_frequent(endings, ENDINGS)]
    return list(dict.fromkeys([*SPECIAL, *pieces]))


def _most_frequent(counts: Counter[str], limit: int) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:limit]
