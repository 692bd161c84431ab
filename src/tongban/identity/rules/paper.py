"""Words on paper 纸上的码: so long that nobody need count wrong tries (pure).

A count of wrong tries of a word that is found by a document number or a 工号 could be used up by whoever knows that number,
and the owner would have to come again. So there is none: the word is longer the longer it is good (T-20).
"""

from __future__ import annotations

from datetime import timedelta

from tongban.identity.rules.factors import FACTORS

_GROUP = 4


def digits(life: timedelta) -> int:
    """How many digits a word needs that is good for `life`, in whole groups of four 几位.

    So many that `tries_second` tries in each second of its life hit it at most once in `one_in` times.

    >>> digits(timedelta(minutes=15)), digits(timedelta(days=3))
    (12, 16)
    """
    tries = int(life.total_seconds() * FACTORS.paper.tries_second) * FACTORS.paper.one_in
    found = _GROUP
    while 10**found < tries:
        found += _GROUP
    return found


def grouped(word: str) -> str:
    """As it is printed 四位一组.

    >>> grouped("123456789012")
    '1234 5678 9012'
    """
    return " ".join(word[at : at + _GROUP] for at in range(0, len(word), _GROUP))
