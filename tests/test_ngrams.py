"""Models that count characters, against counts by hand and a text that follows from its last character."""

from __future__ import annotations

import math
import random

import pytest

from dla.language.ngrams import compressed_bits, ngram_bits


def test_one_character_of_two_that_are_equally_frequent_takes_a_bit() -> None:
    assert ngram_bits("ab" * 500, "abba", 1) == pytest.approx(1, abs=1e-3)


def test_counts_are_smoothed_by_the_kinds_that_followed() -> None:
    """After the empty context came a, a and b: two kinds. Of the three characters, c was not among them."""
    probability = {"a": (2 + 2 / 3) / 5, "b": (1 + 2 / 3) / 5, "c": (2 / 3) / 5}
    assert sum(probability.values()) == pytest.approx(1)
    for character, expected in probability.items():
        bits = ngram_bits("aab", character + "abc", 1) * 4 - ngram_bits("aab", "abc" * 100, 1) * 3
        assert bits == pytest.approx(-math.log2(expected))


def test_what_follows_from_the_character_before_costs_next_to_nothing() -> None:
    text = "abc" * 300
    assert ngram_bits(text, text, 1) == pytest.approx(math.log2(3), abs=1e-2)
    assert ngram_bits(text, text, 2) < 0.02


def test_no_context_helps_where_characters_are_random() -> None:
    generator = random.Random(0)
    train, test = ("".join(generator.choices("abcd", k=count)) for count in (20_000, 4_000))
    bits = [ngram_bits(train, test, order) for order in (1, 2, 3)]
    assert bits == pytest.approx([2, 2, 2], abs=0.03)


def test_a_compressor_finds_what_it_has_seen_and_nothing_in_what_is_random() -> None:
    generator = random.Random(0)
    train, test = ("".join(generator.choices("abcd", k=count)) for count in (20_000, 4_000))
    assert compressed_bits(train, train[5_000:9_000]) < 0.05
    assert 2 <= compressed_bits(train, test) < 2.4
