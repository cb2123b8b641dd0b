"""Types of options, for argparse."""

from __future__ import annotations

import argparse
import os

LONGEST_NAME = 200  # bytes; a file's name may have 255, and ours have an ending
LONGEST_PATH = 2000  # bytes; a path may have 4096


def text(argument: str) -> str:
    """A text, as an option's type: an argument whose bytes are UTF-8."""
    try:
        argument.encode("utf-8")
    except UnicodeEncodeError:
        raise argparse.ArgumentTypeError("is not UTF-8") from None
    return argument


def model_name(argument: str) -> str:
    """The name of a model or the path of its folder, as an option's type."""
    encoded = os.fsencode(text(argument))
    if len(encoded) > LONGEST_PATH or max(map(len, encoded.split(b"/"))) > LONGEST_NAME:
        raise argparse.ArgumentTypeError(f"{argument[:30]}... is too long for a name")
    return argument


def count(text: str) -> int:
    """A whole number from 1, as an option's type."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def seed(text: str) -> int:
    """A seed that every library takes, as an option's type."""
    if not text.isdecimal() or int(text) >= 2**32:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 to {2**32 - 1}")
    return int(text)
