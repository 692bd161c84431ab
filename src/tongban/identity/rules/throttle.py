"""Limits 限次 of identity.md 8 from factors.toml: (seconds, how many). Pure; `actions/throttle.py` counts."""

from __future__ import annotations

from tongban.identity.rules.factors import FACTORS

Purse = tuple[tuple[int, int], ...]

HOUR = 3600
DAY = 86400
WEEK = 7 * DAY

DEMO_FACTOR = FACTORS.codes.demo_factor
LOOKUPS_BROWSER: Purse = ((HOUR, FACTORS.lookups.browser_hour),)
LOOKUPS_BLOCK: Purse = ((HOUR, FACTORS.lookups.block_hour),)
LOOKUPS_ADDRESS: Purse = ((HOUR, FACTORS.lookups.address_hour),)
MATCH_NODE: Purse = ((60, FACTORS.lookups.match_minute), (HOUR, FACTORS.lookups.match_hour))
WRONG_NAMES_A_DAY = FACTORS.lookups.wrong_names_a_day
TRIES = FACTORS.codes.tries
CODE_SECONDS = FACTORS.codes.seconds
TRANSACTION_SECONDS = FACTORS.codes.transaction_seconds
PAUSES_MINUTES = FACTORS.pauses.minutes
WRONG_BEFORE_PAUSE = FACTORS.pauses.wrong_before


def addresses(per_hour: int, address: str = "", *, known_device: bool = True) -> Purse:
    """Sign-in transactions an hour from one address block; `per_hour` is the setting `login_per_hour`.

    Unknown devices have a purse of their own, a third as large; a shared gateway's purses are larger by data.

    >>> addresses(60, "203.0.113.7"), addresses(60, "203.0.113.7", known_device=False), addresses(60, "100.64.3.3")
    (((3600, 60),), ((3600, 20),), ((3600, 1200),))
    """
    most = per_hour if known_device else max(1, per_hour // FACTORS.addresses.unknown_share)
    return widened(((HOUR, most),), address)


def _shared(address: str) -> int:
    return max((one.factor for one in FACTORS.addresses.gateways if address.startswith(one.block + ".")), default=1)


def widened(purse: Purse, address: str) -> Purse:
    """The purse of an address block; a shared gateway's is larger by data, so that one of its people empties it for no other (T-20).

    >>> widened(((3600, 120),), "203.0.113.7"), widened(((3600, 120),), "100.64.3.3")
    (((3600, 120),), ((3600, 2400),))
    """
    return tuple((seconds, most * _shared(address)) for seconds, most in purse)


def a_day(most: int, address: str, *, demo: bool) -> Purse:
    """What one address block may begin a day for people who are not signed in; a shared gateway more, by data (T-20).

    >>> a_day(5, "203.0.113.7", demo=False), a_day(5, "100.64.3.3", demo=False)
    (((86400, 5),), ((86400, 100),))
    """
    return ((DAY, most * max(_shared(address), DEMO_FACTOR if demo else 1)),)


def codes(*, known_device: bool, demo: bool) -> Purse:
    """Codes an account may ask for: a purse for its known devices, one for all others together (T-20).

    A demo node is generous: its invented people are walked through again and again.

    >>> codes(known_device=False, demo=False)
    ((3600, 3), (86400, 10))
    """
    factor, data = DEMO_FACTOR if demo else 1, FACTORS.codes
    hour, day = (data.known_hour, data.known_day) if known_device else (data.unknown_hour, data.unknown_day)
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


def spread_guessing(entered: int, wrong: int, week: list[float]) -> bool:
    """Whether an hour's share of wrong codes stands out from its week, as when many accounts are tried (T-17).

    `week` are the shares of the hours before; a week without any code has median 0 and only the least share counts.

    >>> spread_guessing(1000, 400, [0.05, 0.08, 0.06]), spread_guessing(1000, 100, [0.05, 0.08, 0.06]), spread_guessing(10, 10, [])
    (True, False, False)
    """
    data = FACTORS.spread
    if entered < data.least_entered:
        return False
    ordered = sorted(week)
    median = ordered[len(ordered) // 2] if ordered else 0.0
    return wrong / entered > max(data.least_share, data.times_median * median)
