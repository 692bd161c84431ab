"""Levels 核验级别: how far a sign-in reaches, how it decays, how long a session lives (identity.md 4, 7). Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from tongban.identity.rules.factors import FACTORS

FRESH_4 = timedelta(minutes=FACTORS.levels.four_minutes)
IDLE_3 = timedelta(minutes=FACTORS.levels.three_idle_minutes)
FRESH_3 = timedelta(minutes=FACTORS.levels.three_minutes)
STAFF_LOCK = timedelta(seconds=FACTORS.sessions.staff.lock)
HOME_NEWS = timedelta(minutes=FACTORS.levels.home_news_minutes)

CEILINGS = {"otp": 2, "passkey": 3, "scan": 2, "face": 3, "certificate": 4, "inperson": 4, "voice": 2, "away": 1}
"""What each way of signing in reaches at most (identity.md 3)."""

PROOFS = {1: "自己填的", 2: "姓名和证件号核对过", 3: "本人刷脸核对过", 4: "窗口见过本人"}
ACCOUNTS = {"open": "正常", "restricted": "挂失中", "closed": "已注销", "moved": "搬走了", "stopped": "停用了"}
"""The states of an account in words 账号状态."""


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


def limits(kind: str, *, own_phone: bool, acr: int, elder: bool = False) -> tuple[timedelta, timedelta]:
    """(idle, absolute) life of a session of this kind (identity.md 7).

    `own_phone` is a phone seen before with this account. Elder mode doubles level 1 and 2 there, never on kiosks or
    shared computers.

    >>> limits("citizen", own_phone=False, acr=2, elder=True) == limits("citizen", own_phone=False, acr=2)
    True
    """
    data = FACTORS.sessions
    life = {"staff": data.staff, "kiosk": data.kiosk}.get(kind) or (data.own_phone if own_phone else data.other)
    absolute = life.absolute_level_1 if acr == 1 and life.absolute_level_1 else life.absolute
    factor = data.elder_factor if elder and life is data.own_phone and acr <= data.elder_highest_level else 1
    return timedelta(seconds=life.idle * factor), timedelta(seconds=absolute * factor)


def warn_seconds(kind: str) -> int:
    """How many seconds before its end a session of this kind says so 提前多久提醒."""
    return FACTORS.sessions.kiosk.warn if kind == "kiosk" else FACTORS.sessions.warn_seconds


def kept_on(
    kind: str, *, now: datetime, idle: timedelta, ends_at: datetime, acr: int, extended: int
) -> tuple[datetime, datetime, int]:
    """(idle_until, ends_at, extended) after 继续用: the idle time anew, and the absolute end put off by it, ten times at most.

    A level above 2 and a kiosk are never put off: their absolute end stands.
    """
    until, absolute = now + idle, ends_at
    near = ends_at - now <= timedelta(seconds=FACTORS.sessions.warn_seconds)
    if near and kind == "citizen" and acr <= FACTORS.sessions.elder_highest_level and extended < FACTORS.sessions.extensions:
        absolute, extended = now + min(idle, timedelta(seconds=FACTORS.sessions.other.idle)), extended + 1
    return min(until, absolute), absolute, extended


def may_change_factors(*, new_device: bool, acr: int, started_at: datetime | None, opened_at: datetime | None, now: datetime) -> bool:
    """Whether this session may change how the account signs in: on a new device not in the first day, unless at level 3.

    The very first day of an account is free: there is nothing yet to be taken over (identity.md 3, analysis (a); T-95).
    """
    day = timedelta(hours=FACTORS.new_device.hours)
    if not new_device or acr >= 3 or started_at is None or now - started_at > day:
        return True
    return opened_at is not None and started_at - opened_at < day


def home_news_wanted(level: int, home: str | None, news_at: datetime | None, now: datetime) -> bool:
    """Whether a visitor's level-3 act must first hear from the home (the 15-minute news rule, identity.md 6.4)."""
    return home is not None and level >= 3 and (news_at is None or now - news_at > HOME_NEWS)

RECORD_WORDS = {
    "signed_in": "登录", "roamed_in": "用别处的账号登录", "stepped_up": "提升核验", "visited": "去了别的节点", "app_signed_in": "登录了应用", "signed_out": "退出",
    "face_refused": "人脸没有通过", "passkey_bound": "绑定通行密钥", "passkey_removed": "删除通行密钥", "scan_wrong": "扫码选错数字，没有登录",
    "scan_refused": "扫码点了不是我，没有登录", "gesture_set": "设了手势", "gesture_gone": "手势错 5 次，已删除", "voice_kept": "开始用声纹",
    "voice_forgotten": "停用声纹", "phone_changed": "换了手机号", "phone_stopped": "停止换手机号", "device_removed": "删除设备",
}  # fmt: skip
"""What a line of the sign-in record 登录记录 says was done."""
