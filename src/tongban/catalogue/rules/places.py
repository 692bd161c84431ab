"""Which places an item reaches 地域: the tree of GB/T 2260 read from the codes alone (R-105)."""

from __future__ import annotations

NATION = "000000"


def area(division: str) -> str:
    """The leading digits shared by every code within a division (地区前缀).

    >>> area("510000"), area("510100"), area("510104"), area("000000")
    ('51', '5101', '510104', '')
    """
    digits = division
    while digits.endswith("00"):
        digits = digits[:-2]
    return digits


def ancestors(division: str) -> tuple[str, ...]:
    """The division and everything above it, nearest first, the nation last (上级地区).

    >>> ancestors("510104")
    ('510104', '510100', '510000', '000000')
    """
    chain = [division, division[:4] + "00", division[:2] + "0000", NATION]
    return tuple(dict.fromkeys(chain))


def gives_in(item_division: str, place: str) -> bool:
    """Whether somebody in `place` meets an item of that division: its own place, above it, or below it (可办).

    An empty place, or the nation, meets everything.
    """
    if not area(place):
        return True
    return item_division in ancestors(place) or item_division.startswith(area(place))
