"""Image classifiers: each family is a module of dla.models, with its settings beside its net."""

from __future__ import annotations

from typing import Annotated

from pydantic.dataclasses import dataclass

from dla.core.parsing import STRICT, Found
from dla.core.values import Key

FAMILIES = Found("dla.models", "family")


@dataclass(frozen=True, config=STRICT, kw_only=True)
class ModelSettings:
    """What the settings of every family have."""

    family: Key  # a module of dla.models


Model = Annotated[ModelSettings, FAMILIES]
