"""Language models and ways of sampling by the names that a command line gives them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dla.core.errors import UserError
from dla.core.parsing import did_you_mean, parse, refer
from dla.data.hub import fetch_model
from dla.language.generate import Speaker, read_speaker
from dla.language.settings import Sampling

SHOWN = 60  # characters of what is wrong
LM = Path("models/lm")
RAW = Path("data/raw")
SAMPLING = ("greedy", "temperature", "top-k", "top-p")  # as a command line has them


def load_speaker(name: str) -> Speaker:
    """The model that `lm` trained, that `download` fetched, that lies in a folder, or that the Hub has, in this order.

    Raises
    ------
    UserError
        If there is none of this name.
    """
    for folder in (LM / name, RAW / name, Path(name)):
        if (folder / "config.json").exists():
            return read_speaker(folder)
    if "/" in name:
        return read_speaker(fetch_model(name))
    there = [folder.parent.name for place in (LM, RAW) for folder in sorted(place.glob("*/config.json"))]
    raise UserError(
        f"--model {name!r} is neither a trained or downloaded model nor a folder of one; `dvc repro lm` trains one; "
        f"there are: {', '.join(there) or 'none yet'}{did_you_mean(name, there)}"
    )


def parse_sampling(text: str) -> Sampling:
    """How to sample, from `greedy` or `temperature=0.8,top-k=50,top-p=0.9`.

    Raises
    ------
    UserError
        If a word of it is not a setting, or a value is out of its range.
    """
    settings: dict[str, Any] = {}
    for word in filter(None, text.split(",")):
        name, _, value = word.partition("=")
        key = name.strip().replace("_", "-")
        if key == "beams":
            raise UserError(
                "--sample beams: a beam knows its first token only at the end; the stage `generate` has beams"
            )
        refer("--sample", key, SAMPLING)
        try:
            settings[key.replace("-", "_")] = json.loads(value) if value else True
        except (ValueError, RecursionError):
            raise UserError(f"--sample {word[:SHOWN]!r}: {value[:SHOWN]!r} is not a number") from None
    return parse(Sampling, settings, "--sample")
