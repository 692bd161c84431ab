"""What the pages of mandates show 代办的页面内容: one Struct a page."""

from __future__ import annotations

import msgspec

from tongban.identity.rules.mandates import ItemSet
from tongban.kernel.errors import Refusal
from tongban.ui import Option


class MandateRow(msgspec.Struct, frozen=True, kw_only=True):
    """One mandate in a list 一份代办: `state` in words."""

    id: str
    title: str
    hint: str
    state: str
    alive: bool = False
    waiting: bool = False


class AgentsPage(msgspec.Struct, frozen=True, kw_only=True):
    """Mandates given and received 代办."""

    title: str = "代办"
    back: str = "/me"
    back_label: str = "返回我的"
    tab: str = "me"
    waiting: tuple[MandateRow, ...]
    given: tuple[MandateRow, ...]
    received: tuple[MandateRow, ...]
    over: tuple[MandateRow, ...]
    company: str = ""
    may_grant: bool = True
    here: bool = True
    done: str = ""
    home_url: str = ""
    home_name: str = ""


class MandatePage(msgspec.Struct, frozen=True, kw_only=True):
    """One mandate 一份代办: what, how long, what was done, what one can do with it."""

    title: str
    back: str = "/me/agents"
    back_label: str = "返回代办"
    id: str
    state: str
    facts: tuple[tuple[str, str], ...]
    done: tuple[tuple[str, str], ...]
    may_accept: bool = False
    may_refuse: bool = False
    may_stop: bool = False
    may_act: bool = False
    needs: int = 0


class StopPage(msgspec.Struct, frozen=True, kw_only=True):
    """Stopping a mandate 停止授权: what it means, then the act."""

    title: str = "停止授权"
    back: str = "/me/agents"
    back_label: str = "返回代办"
    id: str
    agent: str
    grantor: str
    done: tuple[tuple[str, str], ...]
    over: bool = False


class NewPage(msgspec.Struct, frozen=True, kw_only=True):
    """A new mandate, one step a page 新授权: `who`, `what`, `term`, `check`; `carried` goes along as hidden fields."""

    title: str
    back: str = "/me/agents"
    back_label: str = "返回代办"
    step: str
    step_line: str
    company: str = ""
    carried: tuple[tuple[str, str], ...] = ()
    name: str = ""
    number: str = ""
    agent: str = ""
    sets: tuple[ItemSet, ...] = ()
    set_name: str = ""
    items: tuple[Option, ...] = ()
    chosen: tuple[str, ...] = ()
    acts: tuple[Option, ...] = ()
    chosen_acts: tuple[str, ...] = ()
    days: str = ""
    terms: tuple[Option, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    never: tuple[tuple[str, str], ...] = ()
    wait: str = ""
    errors: tuple[Refusal, ...] = ()


class SwitchRow(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody one can act for 可以替谁办."""

    id: str
    name: str
    hint: str
    current: bool = False
    needs_consent: bool = False


class SwitchPage(msgspec.Struct, frozen=True, kw_only=True):
    """Whom to act for 现在替谁办: oneself, a company, a family member."""

    title: str = "现在替谁办"
    back: str = "/me"
    back_label: str = "返回我的"
    tab: str = "me"
    self_name: str
    acting: str = ""
    ended: bool = False
    companies: tuple[SwitchRow, ...] = ()
    family: tuple[SwitchRow, ...] = ()
    next: str = "/me"
    asked: str = ""
    home_url: str = ""
    home_name: str = ""
    home_away: bool = False
    errors: tuple[Refusal, ...] = ()


class ConfirmPage(msgspec.Struct, frozen=True, kw_only=True):
    """A guardian confirms an act of a minor 监护人确认."""

    title: str = "要不要同意"
    back: str = "/messages"
    back_label: str = "返回消息"
    id: str
    name: str
    what: str
    until: str
    answer: str = ""


class HallPage(msgspec.Struct, frozen=True, kw_only=True):
    """A clerk makes a mandate with both persons present 大厅当面办代办, and sees alerts."""

    title: str = "当面办代办"
    sets: tuple[ItemSet, ...]
    items: tuple[Option, ...]
    acts: tuple[Option, ...]
    terms: tuple[Option, ...]
    typed: dict[str, str]
    chosen: tuple[str, ...] = ()
    chosen_acts: tuple[str, ...] = ("view", "draft", "submit", "receive")
    made: str = ""
    given: tuple[MandateRow, ...] = ()
    looked: bool = False
    errors: tuple[Refusal, ...] = ()


class AlertRow(msgspec.Struct, frozen=True, kw_only=True):
    """One agent for many 一条提醒."""

    id: str
    name: str
    words: str
    at: str


class AlertsPage(msgspec.Struct, frozen=True, kw_only=True):
    """Agents for unusually many people 代办异常提醒."""

    title: str = "代办提醒"
    rows: tuple[AlertRow, ...]
