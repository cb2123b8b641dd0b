"""Several tests in one statement."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

Key = TypeVar("Key")


def holm(p_values: Mapping[Key, float]) -> dict[Key, float]:
    """P-values adjusted so that all that are said at once are wrong no more often than one would be alone.

    The k-th smallest of m is multiplied by m - k + 1, and none is smaller than one before it (S. Holm, Scandinavian
    Journal of Statistics 6 (1979)).
    """
    adjusted: dict[Key, float] = {}
    largest = 0.0
    ordered = sorted(p_values.items(), key=lambda named: named[1])
    for rank, (name, p_value) in enumerate(ordered):
        largest = max(largest, min(1.0, (len(ordered) - rank) * p_value))
        adjusted[name] = largest
    return {name: adjusted[name] for name in p_values}
