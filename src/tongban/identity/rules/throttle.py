"""Limits 限次 of identity.md 8, as data: (seconds, how many). Pure; `actions/throttle.py` counts."""

from __future__ import annotations

Purse = tuple[tuple[int, int], ...]

HOUR = 3600
DAY = 86400

DEMO_FACTOR = 20
LOOKUPS_BROWSER: Purse = ((HOUR, 30),)
LOOKUPS_ADDRESS: Purse = ((HOUR, 10),)
MATCH_NODE: Purse = ((60, 600), (HOUR, 20000))
WRONG_NAMES_A_DAY = 5
TRIES = 5
CODE_SECONDS = 300
TRANSACTION_SECONDS = 1800
PAUSES_MINUTES = (2, 8, 30)
WRONG_BEFORE_PAUSE = 15


def addresses(per_hour: int) -> Purse:
    """Sign-in transactions an hour from one address block; `per_hour` is the setting `login_per_hour`."""
    return ((HOUR, per_hour),)


def codes(*, known_device: bool, demo: bool) -> Purse:
    """Codes an account may ask for: a purse for its known devices, one for all others together (T-20).

    A demo node is generous: its invented people are walked through again and again.

    >>> codes(known_device=False, demo=False)
    ((3600, 3), (86400, 10))
    """
    factor = DEMO_FACTOR if demo else 1
    hour, day = (5, 20) if known_device else (3, 10)
    return ((HOUR, hour * factor), (DAY, day * factor))


def address_block(address: str) -> str:
    """/24 of an IPv4 and /48 of an IPv6 address, the unit in which addresses are counted.

    >>> address_block("203.0.113.77"), address_block("2001:db8:1:2::9")
    ('203.0.113', '2001:db8:1')
    """
    return address.rsplit(".", 1)[0] if "." in address else ":".join(address.split(":")[:3])


def pause_minutes(wrong_in_hour: int) -> int:
    """How long unknown devices wait after many wrong codes for one account: 2, 8, 30 minutes (identity.md 8).

    >>> [pause_minutes(n) for n in (14, 15, 30, 45, 90)]
    [0, 2, 8, 30, 30]
    """
    step = wrong_in_hour // WRONG_BEFORE_PAUSE
    return 0 if step == 0 else PAUSES_MINUTES[min(step, len(PAUSES_MINUTES)) - 1]
