"""Arithmetic of running figures 运行数字: buckets of answer times. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from tongban.service_apps.model import Figures

BOUNDS = (5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
"""Upper bounds of the buckets in ms; one more bucket takes everything slower."""
ENOUGH = 20


def bucket(ms: float) -> int:
    """The bucket of an answer time."""
    return bisect_left(BOUNDS, ms)


def p95(counts: Sequence[int]) -> int:
    """The 95th percentile in ms, as the upper bound of its bucket; 0 when nothing was counted.

    >>> p95([0, 95, 0, 5, 0, 0, 0, 0, 0, 0, 0]), p95([])
    (10, 0)
    """
    total = sum(counts)
    if not total:
        return 0
    seen = 0
    for place, number in enumerate(counts):
        seen += number
        if seen >= total * 0.95:
            return BOUNDS[min(place, len(BOUNDS) - 1)]
    return BOUNDS[-1]


def failing(figures: Figures) -> bool:
    """Whether an app is to be looked at now (预警): of at least 20 answers this hour, one in twenty went wrong.

    Product rule, R-605: an app that starts failing is marked within a minute.
    """
    return figures.visits >= ENOUGH and figures.errors * 20 >= figures.visits
