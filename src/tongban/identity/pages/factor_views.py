"""What the pages of devices, gestures, voice, recovery and theft show 页面内容: one Struct a page."""

from __future__ import annotations

import msgspec

from tongban.kernel.errors import Refusal, Refusals


class LockPage(msgspec.Struct, frozen=True, kw_only=True):
    """Setting the gesture of this device 设手势."""

    title: str = "手势解锁"
    back: str = "/me/devices"
    challenge: str
    has: bool
    minutes: int
    points: tuple[int, ...] = tuple(range(1, 10))
    errors: tuple[Refusal, ...] = ()


class UnlockPage(msgspec.Struct, frozen=True, kw_only=True):
    """The session waits for the gesture 解锁."""

    title: str = "解锁"
    next: str
    challenge: str
    gone: bool = False
    points: tuple[int, ...] = tuple(range(1, 10))
    errors: tuple[Refusal, ...] = ()


class VoicePage(msgspec.Struct, frozen=True, kw_only=True):
    """My voice print 声纹."""

    title: str = "声纹"
    back: str = "/me/devices"
    has: bool
    demo: bool
    errors: tuple[Refusal, ...] = ()


class WayPage(msgspec.Struct, frozen=True, kw_only=True):
    """Signing in by voice or by certificate 换一种方式登录."""

    title: str
    back: str
    next: str
    who: str = ""
    demo: bool = False
    errors: tuple[Refusal, ...] = ()


class LevelRow(msgspec.Struct, frozen=True):
    """One level in words."""

    level: int
    name: str
    how: str
    enough: str
    lasts: str


class LevelsPage(msgspec.Struct, frozen=True, kw_only=True):
    """What the levels are 核验级别."""

    title: str = "核验级别"
    back: str = "/me"
    level: int
    rows: tuple[LevelRow, ...]
    signed_in: bool


class OwnDevice(msgspec.Struct, frozen=True):
    """A device in the list, with the number of sessions open on it."""

    id: str
    text: str
    hint: str
    current: bool
    open_sessions: int


class RecoverPage(msgspec.Struct, frozen=True, kw_only=True):
    """Finding the account again 找回账号: which way."""

    title: str = "找回账号"
    back: str = "/login"
    hours: int


class WaitPage(msgspec.Struct, frozen=True, kw_only=True):
    """Recovery by waiting 等 72 小时找回."""

    title: str = "等 72 小时找回"
    back: str = "/recover"
    name: str = ""
    number: str = ""
    phone: str = ""
    hours: int
    errors: tuple[Refusal, ...] = ()


class WaitingNumber(msgspec.Struct, frozen=True):
    """A new number that waits out its 72 hours 在等的新号码, masked, with a 停止 of its own."""

    id: str
    phone: str
    until: str


class PhonePage(msgspec.Struct, frozen=True, kw_only=True):
    """A new phone number 换手机号."""

    title: str = "换手机号"
    back: str = "/me/devices"
    phone: str = ""
    now: str
    waiting: tuple[WaitingNumber, ...] = ()
    errors: tuple[Refusal, ...] = ()


class ConfirmPage(msgspec.Struct, frozen=True, kw_only=True):
    """The codes and the other proofs of a new number 核对新号码."""

    title: str = "核对新手机号"
    back: str
    phone: str
    action: str
    shown: tuple[str, ...]
    ways: tuple[str, ...]
    missing: int
    hours: int
    demo: bool
    demo_text: str = ""
    errors: tuple[Refusal, ...] = ()


class SaidPage(msgspec.Struct, frozen=True, kw_only=True):
    """Something was done or begun 办了什么; `act` is the one thing that can be done next."""

    title: str
    back: str = "/login"
    text: str
    link: str = ""
    link_words: str = ""
    action: str = ""
    action_words: str = ""


class HallPage(msgspec.Struct, frozen=True, kw_only=True):
    """The binding code from a hall 大厅给的绑定码."""

    title: str = "用大厅给的绑定码"
    digits: int
    back: str = "/recover"
    number: str = ""
    word: str = ""
    errors: tuple[Refusal, ...] = ()


class TheftPage(msgspec.Struct, frozen=True, kw_only=True):
    """Report of theft 手机丢了."""

    title: str = "手机丢了"
    back: str = "/login"
    away: tuple[tuple[str, str], ...] = ()
    name: str = ""
    number: str = ""
    hours: int
    web: int
    errors: tuple[Refusal, ...] = ()


class Waiting(msgspec.Struct, frozen=True):
    """A recovery that waits for a second clerk 等第二位确认."""

    id: str
    name: str
    by: str
    at: str


class HallDeskPage(msgspec.Struct, frozen=True, kw_only=True):
    """A clerk recovers an account or reports a lost phone 窗口找回、代报丢失."""

    title: str = "找回账号和报丢失"
    name: str = ""
    number: str = ""
    word: str = ""
    proposed: bool = False
    waiting: tuple[Waiting, ...] = ()
    may_recover: bool
    may_report: bool
    lost_name: str = ""
    lost_number: str = ""
    reported: bool = False
    demo: bool = False
    errors: tuple[Refusal, ...] = ()


class PlanRow(msgspec.Struct, frozen=True):
    """One time a plan was on."""

    words: str
    hint: str


class PlansPage(msgspec.Struct, frozen=True, kw_only=True):
    """Emergency plans of signing in 登录应急预案."""

    title: str = "登录应急预案"
    plan: str
    words: str
    on: bool
    may: bool
    rows: tuple[PlanRow, ...]
    errors: Refusals = ()


class TwinRow(msgspec.Struct, frozen=True):
    """One demo twin and how it behaves."""

    name: str
    label: str
    way: str


class TwinsPage(msgspec.Struct, frozen=True, kw_only=True):
    """How the demo's outside systems behave 演示外部系统."""

    title: str = "演示外部系统"
    back: str = "/"
    rows: tuple[TwinRow, ...]


class DevicesPage(msgspec.Struct, frozen=True, kw_only=True):
    """My devices and ways to sign in 设备和登录方式."""

    title: str = "设备和登录方式"
    back: str = "/me"
    tab: str = "me"
    devices: tuple[OwnDevice, ...]
    passkeys: tuple[OwnDevice, ...]
    here: bool
    home_name: str
    gesture: bool
    voice: bool
    phone: str
    home_url: str = ""
    waiting: tuple[WaitingNumber, ...] = ()
    errors: tuple[Refusal, ...] = ()
