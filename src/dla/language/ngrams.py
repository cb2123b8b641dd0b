"""What counting characters comes to, and what a compressor does: beside these a trained model has to be seen."""

from __future__ import annotations

import math
from collections import Counter, defaultdict

import pyarrow as pa

NAMES = ("unigram", "bigram", "trigram")


def ngram_bits(train: str, test: str, order: int) -> float:
    """Bits per character of `test` under an n-gram model of `train`, smoothed as Witten and Bell (1991) do.

    The more different characters have followed a context, the more of its probability goes to what the context that is
    one character shorter says, and at the end to all characters alike.

    Parameters
    ----------
    order : characters of an n-gram, the predicted one included; 1 counts characters alone
    """
    counts = [_followers(train, length) for length in range(order)]
    characters = len(set(train) | set(test))
    bits = 0.0
    for place, character in enumerate(test):
        probability = 1 / characters
        for length, followers in enumerate(counts):
            followed = followers.get(test[max(place - length, 0) : place]) if place >= length else None
            if followed:
                kinds, total = len(followed), followed.total()
                probability = (followed[character] + kinds * probability) / (total + kinds)
        bits -= math.log2(probability)
    return bits / len(test)


def compressed_bits(train: str, test: str) -> float:
    """Bits per character that zstd at its best level adds for `test` behind `train`, all of which it looks back on."""
    codec = pa.Codec("zstd", compression_level=22)
    before, both = (len(codec.compress(text.encode(), asbytes=True)) for text in (train, train + test))
    return 8 * (both - before) / len(test)


def _followers(text: str, length: int) -> dict[str, Counter[str]]:
    """How often each character follows each context of that many characters."""
    followers: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for place in range(length, len(text)):
        followers[text[place - length : place]][text[place]] += 1
    return dict(followers)
