"""What the pages of identity show 页面内容: one Struct a page, read by the template of the same name."""

from __future__ import annotations

import msgspec

from tongban.identity.actions.introduce import Place
from tongban.kernel.errors import Refusal


class LoginPage(msgspec.Struct, frozen=True, kw_only=True):
    """The first step 登录: one field."""

    title: str = "登录"
    next: str
    who: str = ""
    notice: str = ""
    opens_accounts: bool = True
    elsewhere: str
    here: str
    scan: str = "/scan"
    certificate: str = "/login/certificate"
    voice: str = "/login/voice"
    errors: tuple[Refusal, ...] = ()


class CodePage(msgspec.Struct, frozen=True, kw_only=True):
    """The second step 填验证码, and the number on a new device."""

    title: str = "填验证码"
    back: str = "/login"
    sent_to: str
    ask_number: bool
    number: str = ""
    demo_text: str = ""
    digits: int = 6
    errors: tuple[Refusal, ...] = ()


class NamePage(msgspec.Struct, frozen=True, kw_only=True):
    """The third step, the first time only 核对姓名."""

    title: str = "核对姓名和证号"
    name: str = ""
    number: str = ""
    errors: tuple[Refusal, ...] = ()


class LaterPage(msgspec.Struct, frozen=True, kw_only=True):
    """The register of persons does not answer 登记暂时查不到: signed in at level 1, asked again by a clock."""

    title: str = "登录好了，身份过一会儿再核对"
    sentence: str
    todo: str
    next: str


class PlacesPage(msgspec.Struct, frozen=True, kw_only=True):
    """Choosing where the account is 选择账号所在地."""

    title: str = "选择账号所在地"
    back: str = "/login"
    next: str
    places: tuple[Place, ...]
    hub_url: str = ""
    notice: str = ""


class DiscoverPage(msgspec.Struct, frozen=True, kw_only=True):
    """The hub's one question 账号在哪里."""

    title: str = "找到你的账号"
    visited: str
    to: str
    who: str = ""
    places: tuple[Place, ...]
    here: str
    errors: tuple[Refusal, ...] = ()


class StepUpPage(msgspec.Struct, frozen=True, kw_only=True):
    """Raising the level 提升核验: why, which ways, another way, the hall."""

    title: str = "核验是你本人"
    back: str = ""
    level: int
    next: str
    ways: tuple[str, ...]
    decline: str
    demo: bool
    word_digits: int
    why: str = ""
    only_hall: str = ""
    restricted: str = ""
    name: str = ""
    number: str = ""
    errors: tuple[Refusal, ...] = ()


class OnwardPage(msgspec.Struct, frozen=True, kw_only=True):
    """Something did not come about; where to go from here 没有办成，可以这样."""

    title: str
    text: str
    next: str
    again: str = ""


class DeviceRow(msgspec.Struct, frozen=True):
    """One browser or passkey in a list."""

    id: str
    text: str
    hint: str
    current: bool = False


class AccessPage(msgspec.Struct, frozen=True, kw_only=True):
    """My sign-in record 登录记录."""

    title: str = "登录记录"
    back: str = "/me"
    tab: str = "me"
    rows: tuple[DeviceRow, ...]
    level: int
    level_words: str
    home_name: str


class LeftPage(msgspec.Struct, frozen=True, kw_only=True):
    """Signed out 已退出."""

    title: str = "已经退出"
    text: str
    home: str = "/"


class KeyRow(msgspec.Struct, frozen=True):
    """A UKey to choose in the demo 演示 UKey."""

    value: str
    label: str
    hint: str


class StaffLoginPage(msgspec.Struct, frozen=True, kw_only=True):
    """Sign-in of staff 工作人员登录."""

    title: str = "工作人员登录"
    next: str
    keys: tuple[KeyRow, ...]
    notice: str = ""
    errors: tuple[Refusal, ...] = ()


class CounterPage(msgspec.Struct, frozen=True, kw_only=True):
    """A clerk sees a person at the counter 窗口现场核验."""

    title: str = "窗口现场核验"
    digits: int
    name: str = ""
    number: str = ""
    word: str = ""
    errors: tuple[Refusal, ...] = ()


class EndingPage(msgspec.Struct, frozen=True, kw_only=True):
    """The sign-in ends soon 快到时间."""

    title: str = "登录快到时间了"
    next: str
    left: int
    sentence: str


class JoinPage(msgspec.Struct, frozen=True, kw_only=True):
    """An invited newcomer types number and code 加入."""

    title: str = "用加入码加入"
    digits: int
    days: int
    staff_no: str = ""
    errors: tuple[Refusal, ...] = ()


class KeyPage(msgspec.Struct, frozen=True, kw_only=True):
    """Binding a key of a listed model 绑定工作密钥."""

    title: str = "绑定工作密钥"
    errors: tuple[Refusal, ...] = ()


class ScanPage(msgspec.Struct, frozen=True, kw_only=True):
    """The code on the computer 扫码登录."""

    title: str = "扫码登录"
    back: str = "/login"
    state: str
    pick: int
    left: int
    host: str
    svg: str
    again: str
    refresh: int
    expired: str
    errors: tuple[Refusal, ...] = ()


class ScanAskPage(msgspec.Struct, frozen=True, kw_only=True):
    """The question on the phone 有一台电脑要登录."""

    title: str = "有一台电脑要登录"
    back: str = "/me"
    ident: str
    site: str
    host: str
    city: str
    same_city: bool
    browser: str
    at: str
    offered: tuple[int, ...]
    over: bool
    errors: tuple[Refusal, ...] = ()


class ScanDonePage(msgspec.Struct, frozen=True, kw_only=True):
    """The phone agreed or refused 手机上办完了."""

    title: str = "扫码登录"
    back: str = "/me"
    agreed: bool
