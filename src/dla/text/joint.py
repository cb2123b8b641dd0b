"""Article, question and option in one sequence; of an article that is too long, its beginning or what is nearest."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow

from dla.core.errors import UserError
from dla.text.encode import Tokens, distinct, token_rows
from dla.text.settings import Excerpt

WORD = re.compile(r"[a-z0-9]+")
SENTENCE_END = re.compile(r"(?<=[.!?\"'])\s+|\n+")
LENGTH = 5  # added to a sentence's number of words, so that one rare word alone does not make it the nearest


class Ending(NamedTuple):
    """What comes after an article."""

    question: str
    option: str

    def __str__(self) -> str:
        return f"{self.question} {self.option}"


Leave = Callable[[int, Ending, int], str]  # number of the article, what comes after it, tokens of room: what is left


def beginning(tokenizer: Any, articles: Sequence[str]) -> Leave:
    """As much of an article as there is room for."""
    tokenized = tokenizer(list(articles), add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    ends = [[end for _, end in offsets] for offsets in tokenized["offset_mapping"]]

    def leave(article: int, _: Ending, room: int) -> str:
        fits = room >= len(ends[article])
        return articles[article][: len(articles[article]) if fits else ends[article][room - 1] if room else 0]

    return leave


def nearest_sentences(tokenizer: Any, articles: Sequence[str]) -> Leave:
    """The sentences that share most words with the ending, in the article's order.

    A shared word counts by how rare it is among the articles (inverse document frequency, Sparck Jones 1972), twice if
    the option has it; the sum is divided by the square root of the sentence's length. Sentences are taken from the
    highest sum down while there is room; the first is taken whatever its length.
    """
    sentences = [[part for part in SENTENCE_END.split(article) if part.strip()] for article in articles]
    words = [[frozenset(_words(sentence)) for sentence in article] for article in sentences]
    frequency = Counter(word for article in words for word in frozenset().union(*article))
    rarity = {word: math.log((len(articles) + 1) / (count + 1)) for word, count in frequency.items()}
    lengths: dict[int, list[int]] = {}

    def leave(article: int, ending: Ending, room: int) -> str:
        if article not in lengths:
            lengths[article] = [
                len(tokenizer(one, add_special_tokens=False)["input_ids"]) for one in sentences[article]
            ]
        twice = set(_words(ending.option))
        asked = twice.union(_words(ending.question))
        # fsum: a set has its words in another order in every process, and the sum must not depend on it.
        nearness = [
            math.fsum(rarity[word] * (1 + (word in twice)) for word in asked & sentence)
            / math.sqrt(LENGTH + len(sentence))
            for sentence in words[article]
        ]
        kept: list[int] = []
        for i in sorted(range(len(nearness)), key=lambda i: -nearness[i]):
            if not kept or lengths[article][i] <= room:
                kept.append(i)
                room -= lengths[article][i]
        return " ".join(sentences[article][i] for i in sorted(kept))

    return leave


def _words(text: str) -> list[str]:
    return WORD.findall(text.lower())


EXCERPTS = {"beginning": beginning, "nearest": nearest_sentences}


# --- tokens -----------------------------------------------------------------------------------------------------------


def tokenize_jointly(
    tokenizer: Any, leave: Leave, article_of: Sequence[int], endings: Sequence[Ending], limit: int
) -> list[Tokens]:
    """Tokens of article and ending in one sequence; of an article that is too long, what `leave` leaves.

    Parameters
    ----------
    article_of : for every ending, which article comes before it

    Raises
    ------
    UserError
        If an ending alone goes beyond the limit: it is never cut.
    """
    texts = [str(ending) for ending in endings]
    alone = tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"]
    special = tokenizer.num_special_tokens_to_add(pair=True)
    first = []
    for article, ending, tokens in zip(article_of, endings, alone, strict=True):
        room = limit - special - len(tokens)
        if room < 0:
            raise UserError(f"question and option of {len(tokens)} tokens do not fit max_tokens = {limit}; raise it")
        first.append(leave(article, ending, room))
    # What is left can have more tokens than it had in its place: the limit is kept by the article alone.
    return token_rows(
        tokenizer(first, texts, truncation="only_first", max_length=limit, return_attention_mask=False, verbose=False)
    )


def joint_tokens(tokenizer: Any, rows: pyarrow.Table, limit: int, excerpt: Excerpt) -> list[Tokens]:
    """Four sequences per question, each of article, question and option."""
    articles, article_of = distinct(rows["article"].to_pylist())
    endings = [
        Ending(question, option)
        for question, options in zip(rows["question"].to_pylist(), rows["options"].to_pylist(), strict=True)
        for option in options
    ]
    leave = EXCERPTS[excerpt](tokenizer, articles)
    return tokenize_jointly(tokenizer, leave, np.repeat(article_of, 4).tolist(), endings, limit)
