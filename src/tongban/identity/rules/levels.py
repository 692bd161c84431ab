"""Levels 核验级别: how far a sign-in reaches, how it decays, how long a session lives (identity.md 4, 7). Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

FRESH_4 = timedelta(minutes=15)
IDLE_3 = timedelta(minutes=30)
FRESH_3 = timedelta(hours=2)
HOME_NEWS = timedelta(minutes=15)

CEILINGS = {"otp": 2, "passkey": 3, "scan": 2, "face": 3, "certificate": 4, "inperson": 4, "away": 1}
"""What each way of signing in reaches at most (identity.md 3)."""

PROOFS = {1: "自己填的", 2: "姓名和证件号核对过", 3: "本人刷脸核对过", 4: "窗口见过本人"}


def reached(proof: int, way: str, *, bound_acr: int = 3) -> int:
    """Acr = min(proof of the account, ceiling of this sign-in); a passkey counts no higher than what bound it (T-95).

    >>> reached(3, "passkey", bound_acr=2)
    2
    """
    ceiling = CEILINGS[way]
    if way == "passkey":
        ceiling = min(ceiling, bound_acr)
    return max(1, min(proof, ceiling))


def decayed(acr: int, *, raised_at: datetime, seen_at: datetime, now: datetime) -> int:
    """What a level reached at `raised_at` is worth `now` 级别衰减: 4 for 15 minutes, 3 for 2 hours or 30 idle minutes."""
    level = acr
    if level == 4 and now - raised_at > FRESH_4:
        level = 3
    if level == 3 and (now - raised_at > FRESH_3 or now - seen_at > IDLE_3):
        level = 2
    return level


def limits(kind: str, *, own_phone: bool, acr: int) -> tuple[timedelta, timedelta]:
    """(idle, absolute) life of a session of this kind (identity.md 7)."""
    if kind == "staff":
        return timedelta(minutes=30), timedelta(hours=10)
    if kind == "kiosk":
        return timedelta(seconds=60), timedelta(minutes=15)
    if own_phone:
        return timedelta(days=30), timedelta(days=180 if acr == 1 else 30)
    return timedelta(hours=2), timedelta(hours=12)


def home_news_wanted(level: int, home: str | None, news_at: datetime | None, now: datetime) -> bool:
    """Whether a visitor's level-3 act must first hear from the home (the 15-minute news rule, identity.md 6.4)."""
    return home is not None and level >= 3 and (news_at is None or now - news_at > HOME_NEWS)
