"""Numbers of signing in 登录参数: factors.toml as Structs, read once. Values marked [K] in the design live there (pure)."""

from __future__ import annotations

import tomllib
from pathlib import Path

import msgspec

_FILE = Path(__file__).resolve().parent.parent / "factors.toml"


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    source: str


class Codes(_Table, frozen=True, kw_only=True):
    """One-time codes 验证码."""

    digits: int
    digits_guarded: int
    seconds: int
    tries: int
    known_hour: int
    known_day: int
    unknown_hour: int
    unknown_day: int
    demo_factor: int
    transaction_seconds: int


class Pauses(_Table, frozen=True, kw_only=True):
    """Pauses for unknown devices 暂停."""

    wrong_before: int
    minutes: tuple[int, ...]


class Gateway(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A shared way out to the net 共用出口, known by the beginning of its addresses."""

    block: str
    factor: int


class Addresses(_Table, frozen=True, kw_only=True):
    """Sign-ins from one address block 网段."""

    unknown_share: int
    gateways: tuple[Gateway, ...]


class Lookups(_Table, frozen=True, kw_only=True):
    """Questions to the hub and to the register 查询."""

    browser_hour: int
    address_hour: int
    block_hour: int
    match_minute: int
    match_hour: int
    wrong_names_a_day: int


class Spread(_Table, frozen=True, kw_only=True):
    """Guessing spread over many accounts 撒网猜码."""

    times_median: float
    least_entered: int
    least_share: float


class Levels(_Table, frozen=True, kw_only=True):
    """Decay of levels 级别衰减."""

    four_minutes: int
    three_idle_minutes: int
    three_minutes: int
    home_news_minutes: int


class Life(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Life of one kind of session in seconds 会话时长; `absolute_level_1` 0 means as `absolute`."""

    idle: int
    absolute: int
    absolute_level_1: int = 0
    lock: int = 0
    warn: int = 0


class Sessions(_Table, frozen=True, kw_only=True):
    """Sessions 会话."""

    cache_seconds: float
    revoked_seconds: float
    turn_hours: int
    old_value_seconds: int
    warn_seconds: int
    extensions: int
    elder_factor: int
    elder_highest_level: int
    own_phone: Life
    other: Life
    kiosk: Life
    staff: Life


class Scan(_Table, frozen=True, kw_only=True):
    """Scan to log in 扫码登录."""

    seconds: int
    numbers: int
    ceiling: int
    refresh_seconds: int


class Gesture(_Table, frozen=True, kw_only=True):
    """Gesture 手势 and its Argon2id."""

    least_points: int
    tries: int
    lock_after_seconds: int
    iterations: int
    memory_kib: int
    lanes: int
    threads: int
    queue: int


class Providers(_Table, frozen=True, kw_only=True):
    """How long an outside system may take 等外部系统多久, in seconds."""

    face_seconds: float
    voice_seconds: float
    certificate_seconds: float
    phone_status_seconds: float
    city_seconds: float


class Phone(_Table, frozen=True, kw_only=True):
    """Phone numbers given to somebody else 二次放号."""

    silent_days: int


class Recovery(_Table, frozen=True, kw_only=True):
    """Recovery 找回."""

    wait_hours: int
    limits_hours: int
    word_minutes: int
    ways_needed: int
    begins_address_day: int
    begins_account_day: int
    waits_number_week: int


class Paper(_Table, frozen=True, kw_only=True):
    """Words printed on paper 纸上的码."""

    tries_second: int
    one_in: int


class Joining(_Table, frozen=True, kw_only=True):
    """Invitations of staff 加入码."""

    code_days: int
    block_hour: int


class Passkey(_Table, frozen=True, kw_only=True):
    """Passkeys and keys of staff 通行密钥."""

    most: int
    fresh_minutes: int
    challenge_seconds: int


class Theft(_Table, frozen=True, kw_only=True):
    """Report of theft 手机丢了."""

    hours: int
    web_reports_week: int
    seen_days: int
    address_day: int


class NewDevice(_Table, frozen=True, kw_only=True):
    """After a sign-in on a device not seen before 新设备."""

    hours: int


class Factors(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All of factors.toml."""

    codes: Codes
    pauses: Pauses
    addresses: Addresses
    lookups: Lookups
    spread: Spread
    levels: Levels
    sessions: Sessions
    scan: Scan
    gesture: Gesture
    providers: Providers
    phone: Phone
    recovery: Recovery
    paper: Paper
    joining: Joining
    passkey: Passkey
    theft: Theft
    new_device: NewDevice


def load(path: Path = _FILE) -> Factors:
    """Read factors.toml. Raises msgspec.ValidationError naming the key that is wrong."""
    return msgspec.convert(tomllib.loads(path.read_text("utf-8")), Factors)


FACTORS = load()
