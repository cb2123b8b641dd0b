"""Our intervals are those of scipy.stats."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from dla.statistics.outcomes import CONFIDENCE, student, wilson


@pytest.mark.parametrize(("hits", "n"), [(0, 1), (1, 1), (0, 40), (40, 40), (3, 7), (500, 1000), (2054, 4934)])
def test_wilsons_interval_is_scipys(hits: int, n: int) -> None:
    theirs = stats.binomtest(hits, n).proportion_ci(CONFIDENCE, method="wilson")
    assert wilson(hits, n) == pytest.approx((theirs.low, theirs.high), rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("n", [2, 3, 5, 100])
def test_students_interval_is_scipys(n: int) -> None:
    values = np.random.default_rng(n).normal(3, 2, n)
    theirs = stats.ttest_1samp(values, 0).confidence_interval(CONFIDENCE)
    ours = student(float(values.mean()), float(values.std(ddof=1)), n)
    assert ours == pytest.approx((theirs.low, theirs.high), rel=1e-12)
