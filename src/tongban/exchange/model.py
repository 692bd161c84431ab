"""Nouns of 数据共享: a resource, a grant for it, and what came of asking."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Literal

import msgspec

from tongban.consent import Line
from tongban.kernel.gm import Personal

SharingClass = Literal["unconditional", "conditional", "refused"]
CLASS_WORDS: dict[str, str] = {"unconditional": "无条件共享", "conditional": "有条件共享", "refused": "不予共享"}
GrantState = Literal["proposed", "active", "refused", "ended"]
ResourceState = Literal["draft", "active", "suspended", "withdrawn", "replaced", "refused"]
DemandState = Literal["sent", "reviewed", "granted", "refused", "disputed", "upheld", "withdrawn"]
LICENCE_USE = "licence.use"
"""The purpose of grants for licences (证照授权的用途代码)."""
AlarmKind = Literal["missing_here", "missing_there", "differs", "breadth", "late", "register"]
Reason = Literal["away", "busy", "no_grant", "no_consent", "quota", "not_found", "refused", "stopped"]


class Field(msgspec.Struct, frozen=True):
    """One field of a resource (数据项): its name on the wire and its word for people."""

    name: str
    words: str
    sensitive: bool = False


class Resource(msgspec.Struct, frozen=True):
    """A data resource (数据资源): who owns it, what it holds, how it may be shared (政务数据共享条例, 国令809号).

    The attributes of the catalogue are those of standards.md 7: sharing class with its condition or the reason against it,
    open or not, update cycle, related items, network, whether it is a licence, uses. `key`: asked about a person
    (`subject`), by a value (`asked`), as a list in parts (`list`), or through the services of the licences (`licence`). `per_day` is what its register bears over all grants.
    """

    id: str
    name: str
    owner: str
    owner_name: str
    sharing: SharingClass
    basis: str
    update_cycle: str
    fields: tuple[Field, ...]
    key: Literal["subject", "asked", "list", "licence"]
    consent: bool = False
    demo: bool = False
    sharing_reason: str = ""
    fallback: str = "typed_and_checked_later"
    summary: str = ""
    collector: str = ""
    open: bool = False
    network: str = "政务外网"
    is_licence: bool = False
    scenes: tuple[str, ...] = ()
    items: tuple[str, ...] = ()
    per_day: int | None = None

    def words(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """The Chinese words of fields named on the wire."""
        known = {one.name: one.words for one in self.fields}
        return tuple(known[name] for name in names)


class Record(msgspec.Struct, frozen=True):
    """What a register says (登记库的答复): values by field name, and as of when, if it tells."""

    values: Mapping[str, str]
    as_of: datetime | None = None


class Listed(msgspec.Struct, frozen=True):
    """One version of a resource as this node's catalogue has it (目录里的一版). `stopped_by` is who suspended it."""

    resource: Resource
    version: int
    state: ResourceState
    reason: str
    changed_at: datetime
    proposed_by: str = ""
    approved_by: str = ""
    stopped_by: str = ""
    rev: int = 1


class Demand(msgspec.Struct, frozen=True):
    """A demand for data (共享需求): who asks whom for what, on which basis, and where it stands.

    The same id at asker, owner and, when disputed, at the data administration (`side`). `due_on` is the last day of
    whoever has to act next. `given_*` is what the owner's first person proposes, and the grant once the second agreed.
    """

    id: str
    side: Literal["asker", "owner", "judge"]
    asker: str
    owner: str
    resource: str
    fields: tuple[str, ...]
    purpose: str
    purpose_words: str
    item: str
    basis: str
    volume_per_day: int
    until: date
    state: DemandState
    due_on: date
    sent_at: datetime
    changed_at: datetime
    asked_by: str = ""
    reviewed_by: str = ""
    verdict: Literal["", "grant", "refuse"] = ""
    given_fields: tuple[str, ...] = ()
    given_per_day: int | None = None
    given_until: date | None = None
    reason_code: str = ""
    reason: str = ""
    dispute: str = ""
    judgement: str = ""
    grant_id: str | None = None
    round: int = 1


class Permitted(msgspec.Struct, frozen=True):
    """What a grant lets a service give (许可的范围): field names of the resource; `grant` is None for this node's own use."""

    fields: tuple[str, ...]
    grant: str | None


class HeldGrant(msgspec.Struct, frozen=True):
    """A grant another node gave this one, as it told (得到的授权). `days_left` is from its last warning."""

    id: str
    owner: str
    resource: str
    purpose: str
    fields: tuple[str, ...]
    quota_per_day: int
    until: datetime
    state: Literal["active", "ended"]
    reason: str = ""
    days_left: int | None = None


class Correction(msgspec.Struct, frozen=True):
    """A request to correct a value at its owner (纠错申请), from whoever used it. The value is personal and stays sealed."""

    subject: str
    id: str
    side: Literal["asker", "owner"]
    peer: str
    resource: str
    field: str
    line: str | None
    claimed: Personal
    grounds: Personal
    state: Literal["sent", "checked", "corrected", "kept"]
    due_on: date
    sent_at: datetime
    asked_by: str = ""
    checked_by: str = ""
    verdict: Literal["", "corrected", "kept"] = ""
    answer: str = ""


class Complaint(msgspec.Struct, frozen=True, kw_only=True):
    """What a person says about one use of their data (投诉: 这不是我办的). Words, line and answer are personal and stay sealed."""

    subject: str
    id: str
    side: Literal["person", "owner"]
    peer: str
    line: str
    told: Personal
    words: Personal
    state: Literal["sent", "answered"]
    due_on: date
    sent_at: datetime
    answer: Personal | None = None
    answered_at: datetime | None = None


class Message(msgspec.Struct, frozen=True):
    """One call in the message log (交换日志的一行): digests and codes, nobody is named."""

    id: str
    side: Literal["owner", "caller"]
    peer: str
    resource: str
    purpose: str
    fields: tuple[str, ...]
    request: str
    answer: str
    outcome: str
    at: datetime
    ms: int | None = None


class Alarm(msgspec.Struct, frozen=True):
    """Something between two nodes that a person must look at (交换告警)."""

    id: str
    kind: AlarmKind
    peer: str
    about: str
    count: int
    raised_at: datetime
    closed_at: datetime | None = None
    note: str = ""


class Checked(msgspec.Struct, frozen=True):
    """How far two message logs have been compared (对账进度)."""

    peer: str
    until: datetime
    calls: int
    lost: int
    checked_at: datetime


class Grant(msgspec.Struct, frozen=True):
    """A permission to call (共享授权): caller, purpose, fields, quota a day, until. Approved by a second person."""

    id: str
    resource: str
    caller: str
    purpose: str
    fields: tuple[str, ...]
    quota_per_day: int
    starts_at: datetime
    until: datetime
    state: GrantState
    proposed_by: str
    approved_by: str
    used_today: int = 0
    reason: str = ""
    quota_per_hour: int | None = None
    demand: str | None = None


class Fetched(msgspec.Struct, frozen=True):
    """What a resource answered (取到的数据). `source` and `at` go beside each field on the page.

    `values` are text by field name; `line_id` is the ledger line of this access, the same at both ends. `disputed` names the
    fields whose value the person disputes at the register now: to be shown as 待核验, never waited for (R-304). `as_of` is
    the register's own date of the values, when it tells one.
    """

    values: Mapping[str, Personal]
    source: str
    at: datetime
    resource: str
    line_id: str
    disputed: tuple[str, ...] = ()
    as_of: datetime | None = None


class Unavailable(msgspec.Struct, frozen=True):
    """Why there is no answer, and what the form does instead (取不到): a value, never an exception.

    `reason`: away | busy | no_grant | no_consent | quota | not_found | stopped | refused. `retryable`: asking later may help.
    """

    resource: str
    source: str
    reason: Reason
    sentence: str
    retryable: bool
    fallback: str = "typed_and_checked_later"


class Gathered(msgspec.Struct, frozen=True):
    """One node's part of a person's ledger, or the name of a node that is silent (一个节点的台账). `more`: it has older lines too."""

    node: str
    name: str
    reached: bool
    lines: tuple[Line, ...] = ()
    more: bool = False


class Use(msgspec.Struct, frozen=True):
    """One use of a person's data, told once although both ends wrote it down (一次使用).

    `agrees` is True when every end that could be asked tells the same, False when an end differs or has no line,
    None when the other end is silent at the moment, or the access is so young that it may still be on its way there.
    """

    line: Line
    agrees: bool | None


Before = tuple[datetime, str]
"""Time and number of a line: what is older than it is asked for (从哪一行往前)."""


class DataUse(msgspec.Struct, frozen=True):
    """Who used a person's data, over all nodes (谁用过我的数据). `silent` are nodes that did not answer.

    `home` and `home_url` name the place with the whole ledger when this node is only visited. `older`: there are more uses
    before this one; None when these are the first there were.
    """

    uses: tuple[Use, ...]
    silent: tuple[str, ...]
    home: str = ""
    home_url: str = ""
    older: Before | None = None


class Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=False):
    """The body of the call `exchange.get` (取用请求). `id` is minted by the caller; both ledgers carry it."""

    v: int
    id: str
    resource: str
    fields: tuple[str, ...]
    purpose: str
    who: str
    purpose_words: str = ""
    subject: str = ""
    asked: dict[str, str] = {}
    case: str = ""
    consent: ShownConsent | None = None
    after: str = ""


class ShownConsent(msgspec.Struct, frozen=True):
    """The consent a caller rests on (所凭授权), as it tells the owner: its words by digest, fields, until (Unix ms)."""

    id: str
    text: str
    fields: tuple[str, ...]
    until: int


class Given(msgspec.Struct, frozen=True):
    """The answer of `exchange.get` (取用答复). `digest` is the owner's ledger line, to be equal to the caller's.

    `as_of` (Unix ms) is how old the register says its values are; 0 = as of `at`. A list comes in parts: `rows`, and in
    `next` where the following part begins.
    """

    id: str
    at: int
    source: str
    values: dict[str, str]
    digest: str
    basis: str
    disputed: tuple[str, ...] = ()
    v: int = 1
    as_of: int = 0
    rows: tuple[dict[str, str], ...] = ()
    next: str = ""


class Refused(msgspec.Struct, frozen=True):
    """Why the owner gives nothing (不给的原因): HTTP status and code of the problem (federation.md 4), and its reason.

    The quota of a day is `refused` with the reason `quota`, not 429: waiting a second and asking again is no help.
    """

    status: int
    code: str
    reasons: tuple[str, ...] = ()

    @property
    def reason(self) -> str:
        """The stable word for what is missing."""
        return self.reasons[0] if self.reasons else self.code
