"""The nouns of identity 统一身份认证: person, account, session, authenticator, staff, register entry.

Amounts and times: levels are the numbers 1 … 4 of `urn:tongban:acr:N`; times are aware UTC datetimes.
Source: identity.md 1-4, 7, 9.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import msgspec

from tongban.kernel.gm import Personal

ACR_PREFIX = "urn:tongban:acr:"
DOCTYPE_ID_NUMBER = "111"


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """A person as this node knows one 本节点认识的人.

    `name`, `number` and `phone` are None at a visited node, which learns subject, home, level and masked name only.
    """

    subject: str
    home: str
    proof: int
    doctype: str = DOCTYPE_ID_NUMBER
    name: Personal | None = None
    name_masked: Personal | None = None
    number: Personal | None = None
    phone: Personal | None = None
    photo_held: bool = False
    matched_at: datetime | None = None


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """An account 账号 opened at this node; `id` never changes, `subject` does once, at the match."""

    id: str
    subject: str
    status: str
    proof: int
    proof_method: str
    proof_at: datetime
    opened_at: datetime


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """A session 会话 as its row says; `level` is what it is worth at the time it was read."""

    id: str
    subject: str
    kind: str
    acr: int
    proof: int
    amr: tuple[str, ...]
    auth_time: datetime
    raised_at: datetime
    seen_at: datetime
    idle_until: datetime
    ends_at: datetime
    rotated_at: datetime
    account: str | None = None
    device: str | None = None
    home: str | None = None
    home_sid: str | None = None
    home_news_at: datetime | None = None
    visited: tuple[str, ...] = ()
    revoked_at: datetime | None = None
    reason: str | None = None
    acting_for: str | None = None
    mandate: str | None = None
    elder: bool = False
    extended: int = 0
    locked_at: datetime | None = None
    away: bool = False
    new_device: bool = False
    started_at: datetime | None = None
    lock_after: int | None = None
    current: bool = True


class Device(msgspec.Struct, frozen=True, kw_only=True):
    """A browser seen before 用过的设备: proves only "seen before", never a level."""

    id: str
    label: str
    first_seen: datetime
    last_seen: datetime
    current: bool = False


class Authenticator(msgspec.Struct, frozen=True, kw_only=True):
    """A login secret 登录凭据 bound to a subject; `bound_acr` is the level of the session that bound it (T-95)."""

    id: str
    subject: str
    kind: str
    label: str
    bound_acr: int
    sign_count: int
    credential_id: bytes
    public_key: bytes
    created_at: datetime
    last_used: datetime | None = None


class SignIn(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the sign-in record 登录记录 shown to the person."""

    at: datetime
    what: str
    place: str
    acr: int
    device: str


class StaffMember(msgspec.Struct, frozen=True, kw_only=True):
    """A member of staff 工作人员 of a unit of this node, with an own account `s…`."""

    subject: str
    staff_no: str
    name: Personal
    unit: str
    org: str
    division: str
    department: str
    demo: bool
    roles: tuple[str, ...] = ()
    suspended: bool = False
    joined: bool = True


class PopulationAttributes(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the population register 人口登记 at the register's node; every value an invented one in the demo.

    `sex` is 男 or 女, `nationality` the 民族 in words, `division` the county of the address (GB/T 2260).
    """

    subject: str
    doctype: str
    number: Personal
    name: Personal
    sex: Personal
    birth: date
    nationality: Personal
    address: Personal
    division: str
    photo_held: bool
    since: date
    version: int = 1


class MatchAsked(msgspec.Struct, frozen=True, kw_only=True):
    """What a node asks the register: does this name belong to this number? 核对姓名和证件号"""

    number: str
    name: str
    doctype: str = DOCTYPE_ID_NUMBER
    purpose: str = "sign_in"
    home: str | None = None
    phone_known: bool = False


class Match(msgspec.Struct, frozen=True, kw_only=True):
    """The register's answer 核对结果; `why` is `name_differs`, `not_found`, `quota` or empty when matched.

    `home` is set when the person already has an account elsewhere; `statement` is the register's home statement (JWS).
    `line`, `line_at` (Unix ms) and `line_who` are the ledger line that both ends write (台账).
    """

    matched: bool
    why: str = ""
    subject: str | None = None
    photo_held: bool = False
    since: str = ""
    home: str | None = None
    statement: str | None = None
    line: str = ""
    line_at: int = 0
    line_who: str = ""


class OpenedSession(msgspec.Struct, frozen=True, kw_only=True):
    """A session just opened or turned, with the cookie value that only the browser may keep."""

    session: Session
    cookie: str
    device_cookie: str | None = None


class LoginStep(msgspec.Struct, frozen=True, kw_only=True):
    """Where a login transaction 登录事务 stands: `code`, `name`, `done`; `next` is a path of this node."""

    id: str
    step: str
    next: str
    phone_masked: str
    ask_number: bool
    number_typed: bool
    level: int
    expires_at: datetime
    tries_left: int = 5
    digits: int = 6


class PendingNavigation(msgspec.Struct, frozen=True, kw_only=True):
    """A top-level redirect to another node 跳到另一个节点, with the transaction cookie that must come back with it."""

    url: str
    cookie: str
    node: str


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """Something that needs another pair of eyes 提议; `digest` pins what is approved, the body stays sealed."""

    id: str
    kind: str
    division: str
    org: str
    words: str
    digest: str
    state: str
    proposed_by: str
    proposed_at: datetime
    expires_at: datetime
    decided_by: str | None = None
    decided_at: datetime | None = None
    reason: str = ""


class StaffNotice(msgspec.Struct, frozen=True, kw_only=True):
    """One notice to a member of staff 给工作人员的通知."""

    id: str
    kind: str
    words: str
    link: str
    at: datetime
    seen_at: datetime | None = None


class Visit(msgspec.Struct, frozen=True, kw_only=True):
    """A person at a counter now 窗口接待."""

    id: str
    subject: str
    until: datetime


class DisputeOpened(msgspec.Struct, frozen=True, kw_only=True):
    """The body of the letter `dispute.opened` 提出的纠错, encrypted to the register's owner.

    `subject` is empty for a person not matched yet, who is named by `document`; `evidence` are materials by digest and key.
    `opened_at` is Unix ms, `level` that of the session.
    """

    id: str
    number: str
    subject: str
    document: str
    attribute: str
    claimed: str
    note: str
    level: int
    opened_at: int
    due_on: date
    visit_on: date | None = None
    evidence: tuple[dict[str, Any], ...] = ()
    v: int = 1


class Decided(msgspec.Struct, frozen=True, kw_only=True):
    """The body of the letter `dispute.decided` 纠错结果: what two clerks decided and why, for the person to read."""

    id: str
    upheld: bool
    first_reason: str
    second_reason: str
    unit: str
    v: int = 1


class Corrected(msgspec.Struct, frozen=True, kw_only=True):
    """A register row was corrected 登记更正, as `register.corrected` tells every node.

    `value` and, when the document number changed, `successor` (the subject that follows) come sealed to the nodes that hold
    the person; both are empty for all others.
    """

    subject: str
    attribute: str
    version: int
    effective: date
    dispute: str
    value: str = ""
    successor: str = ""


class Dispute(msgspec.Struct, frozen=True, kw_only=True):
    """A dispute 纠错 as the person sees it. `state` is open, upheld, refused or withdrawn."""

    id: str
    number: str
    attribute: str
    claimed: Personal
    note: Personal
    evidence: tuple[str, ...]
    opened_at: datetime
    due_on: date
    state: str
    register: str
    unit: str = ""
    visit_on: date | None = None
    decided_at: datetime | None = None
    first_reason: Personal | None = None
    second_reason: Personal | None = None


class DeskDispute(msgspec.Struct, frozen=True, kw_only=True):
    """A dispute on the desk of the register's owner 待核实的纠错; `subject` begins with x when no row was found."""

    subject: str
    id: str
    number: str
    origin: str
    attribute: str
    claimed: Personal
    note: Personal
    document: Personal
    evidence: tuple[str, ...]
    level: int
    opened_at: datetime
    due_on: date
    state: str
    visit_on: date | None = None
    division: str = ""
    current: Personal | None = None
    home: str = ""
    proposed_by: str = ""
    proposed_uphold: bool = False
    proposed_reason: Personal | None = None
    decided_reason: Personal | None = None
    decided_by: str = ""
    returned: int = 0


class UsedBefore(msgspec.Struct, frozen=True, kw_only=True):
    """A thing that used a value before its correction 用过旧信息的事项: `kind` case, draft, credential or mandate."""

    kind: str
    ref: str
    title: str
    link: str


class Glass(msgspec.Struct, frozen=True, kw_only=True):
    """One break-glass access 一次紧急访问; `verdict` is `in_order`, `not_in_order` or None while nobody reviewed it."""

    id: str
    staff: str
    unit: str
    division: str
    org: str
    reason: str
    told: str
    opened_at: datetime
    until: datetime
    ended_at: datetime | None
    review_by: date
    reviewed_by: str | None = None
    reviewed_at: datetime | None = None
    verdict: str | None = None
    review_words: str = ""
    delayed_by: str | None = None
    delayed_until: datetime | None = None
    delay_basis: str = ""


class GlassPerson(msgspec.Struct, frozen=True, kw_only=True):
    """A person named in an access; `place` counts from 1."""

    place: int
    subject: str
    way: str
    named_at: datetime
