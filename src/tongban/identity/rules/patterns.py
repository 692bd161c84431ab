"""Gestures 手势: points 1 to 9 of a square, five at least, no straight run. Pure.

Whoever cannot draw types the numbers of the points; that is the same gesture.
"""

from __future__ import annotations

import itertools
import re

from tongban.identity.rules.factors import FACTORS


def points(typed: str) -> str | None:
    """The gesture as digits 1-9, None when it is too short, repeats a point or runs straight.

    >>> points("1-5-9-6-3"), points("1 2 3 4 5"), points("1597"), points("15951")
    ('15963', None, None, None)
    """
    digits = re.sub(r"[\s,，、.\-→]", "", typed)
    if not re.fullmatch(r"[1-9]+", digits) or len(set(digits)) != len(digits) or len(digits) < FACTORS.gesture.least_points:
        return None
    steps = {int(second) - int(first) for first, second in itertools.pairwise(digits)}
    return None if len(steps) == 1 else digits
