"""The reference of parameters has every one of them, with what its dataclass says."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import is_dataclass
from importlib import import_module

import pytest

from dla.params.whole import Params
from dla.site.comments import comments
from dla.site.reference import name_of, page
from dla.text.settings import Embedding
from dla.training.settings import Training
from dla.vision.settings import SeededTraining

from .conftest import ROOT


def schemas() -> Iterator[type]:
    """Every dataclass of settings, those of open sets included; one seed of a run has no block of its own."""
    for file in sorted((ROOT / "src/dla").rglob("*.py")):
        module = ".".join(file.relative_to(ROOT / "src").with_suffix("").parts)
        if file.name == "settings.py" or "class Settings(" in file.read_text():
            yield from (
                schema
                for _, schema in inspect.getmembers(import_module(module), is_dataclass)
                if isinstance(schema, type) and schema.__module__ == module and schema is not SeededTraining
            )


@pytest.fixture(scope="module")
def sections() -> dict[str, str]:
    """The reference by the names of the dataclasses."""
    parts = re.split(r"^### ([\w.]+) .*$", page(), flags=re.MULTILINE)
    return {Params.__name__: parts[0]} | dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.mark.parametrize("schema", list(schemas()), ids=name_of)
def test_every_setting_is_in_the_reference(schema: type, sections: dict[str, str]) -> None:
    listed = re.findall(r"^\| `(\w+)` \|", sections[name_of(schema)], re.MULTILINE)
    assert listed == list(schema.__annotations__)


def test_a_setting_is_told_with_limits_default_and_comment(sections: dict[str, str]) -> None:
    assert "| `warmup` | number, ≥ 0, < 1 | `0.0` | share of the steps over which " in sections["Training"]
    assert "| `patience` | whole number or null, ≥ 1 | `null` | epochs without a better one" in sections["Training"]
    assert (
        "| `seeds` | list of: whole number, each ≥ 0, each < 4,294,967,296, at least 2 entries |" in sections["Repeats"]
    )
    assert (
        "| `model` | [models.airbench](#models.airbench) or [models.cnn](#models.cnn) or " in sections["ImageTraining"]
    )
    assert "Stands at `pair.first`, `pair.second`." in sections["Contender"]


def test_comments_are_read_beside_above_and_at_the_type() -> None:
    assert comments(Training)["learning_rate"] == "the peak, under a schedule that moves"
    assert comments(Training)["keep"].startswith("Weights of the epoch with the best accuracy")
    assert comments(Embedding)["excerpt"].startswith("jointly; else what is cut is always the end. What is left of")
    assert comments(Training)["optimizer"] == ""
