"""What a new phone number still needs 换号还差什么 (identity.md 8). Pure."""

from __future__ import annotations

from collections.abc import Iterable

from tongban.identity.rules.factors import FACTORS

WAYS = ("passkey", "old", "face", "hall")


def missing(shown: Iterable[str]) -> int:
    """How many more of {passkey, old number, face} are needed before the number may change at once; the hall counts for all.

    >>> missing(["new", "old"]), missing(["new", "old", "face"]), missing(["new", "hall"])
    (1, 0, 0)
    """
    have = set(shown)
    if "hall" in have:
        return 0
    return max(0, FACTORS.recovery.ways_needed - len(have & {"passkey", "old", "face"}))


def complete(shown: Iterable[str]) -> bool:
    """Whether the new number answered and enough else was shown."""
    return "new" in set(shown) and missing(shown) == 0
