"""YAML can say more than settings need: what is no plain content is refused, in one line and at once."""

from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path

import pytest

from dla.core.document import DEEPEST, read_document
from dla.core.errors import UserError

LEVELS = "abcdefghi"
BOMB = "a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n" for before, name in pairwise(LEVELS)
)
MERGED = "a: &a {x: 1}\n" + "".join(
    f"{name}: &{name} {{<<: [{', '.join([f'*{before}'] * 10)}]}}\n" for before, name in pairwise(LEVELS)
)


def read(folder: Path, text: str) -> object:
    file = folder / "params.yaml"
    file.write_text(text, encoding="utf-8")
    return read_document(file)


def test_plain_content_comes_back_as_it_is(tmp_path: Path) -> None:
    text = "a: &a {b: [1, 2.5, true, null, 'x']}\nc: {<<: *a, d: *a}\n"
    block = {"b": [1, 2.5, True, None, "x"]}
    assert read(tmp_path, text) == {"a": block, "c": {**block, "d": block}}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: " + "[" * 5000 + "]" * 5000, f"has more than {DEEPEST} lists and mappings within each other"),
        ("- " * 3000, f"has more than {DEEPEST} lists and mappings within each other"),
        ("a: &x [*x]", r"\*x stands within &x itself"),
        ("a: &x\n  <<: *x", r"\*x stands within &x itself"),
        ("2020-01-01: 3", "the key 2020-01-01 is not a text; put it in quotes"),
        ("a: {1: 3}", "a: the key 1 is not a text; put it in quotes"),
        ("[1, 2]: 3", r"the key \(1, 2\) is not a text"),
        ("{a: b}: 3", "is not valid YAML"),
        ("a: 2020-01-01", "a = 2020-01-01 is a date; put it in quotes"),
        ("a: 2020-99-99", "is not valid YAML: month must be in"),
        ("a: " + "9" * 5000, "is not valid YAML: Exceeds the limit"),
        ("a: 0x" + "f" * 9000, "a is a number of more than 256 bits"),
        ("a: [0, 1, !!binary eA==]", "a.2 is a bytes, which no setting is"),
        ("a: !!set {x}", "a is a set, which no setting is"),
        ("a: !!bool x", "is not valid YAML"),
        (BOMB, "comes to more than 200,000 values with its aliases"),
        (MERGED, "comes to more than 200,000 values with its aliases"),
    ],
    ids=lambda value: value[:20],
)
def test_what_is_not_plain_content_is_one_line(tmp_path: Path, text: str, words: str) -> None:
    began = time.monotonic()
    with pytest.raises(UserError, match=words) as error:
        read(tmp_path, text)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 400
    assert time.monotonic() - began < 2


def test_an_error_is_one_line_of_bounded_length() -> None:
    assert str(UserError("a\n  b\u2028c\n")) == "a b c"
    long = str(UserError(f"x.yaml: {'x' * 5000} is wrong; mend it"))
    assert len(long) < 1600
    assert long.startswith("x.yaml: x")
    assert long.endswith("x is wrong; mend it")
