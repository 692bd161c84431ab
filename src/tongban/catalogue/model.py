"""The nouns of the catalogue 事项清单: an item, its form, its flow, and the reference rows it leans on.

All are frozen and closed (`forbid_unknown_fields`), so a misspelt key in a definition is an error with a line
number and never a silently ignored wish. Lengths are in characters, money in fen 分, limits in days of the named unit.
Source of the elements: GB/T 39554.2-2020 as read in standards.md 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Literal, TypeAlias

import msgspec

Answer: TypeAlias = str | bool | Sequence[str | dict[str, str]]
"""What one field holds: text, a tick, several choices, or the rows of a table."""
Answers: TypeAlias = dict[str, Answer]
"""The answers of one form, by field name (the only loose mapping, because the form itself is data)."""

Audience: TypeAlias = Literal["person", "organisation"]
Channel: TypeAlias = Literal["h5", "webview", "pc", "kiosk", "counter", "third_party"]
Mode: TypeAlias = Literal["online", "hand_over", "joint"]
"""跨省通办: 全程网办, 异地代收代办, 多地联办."""
FieldKind: TypeAlias = Literal[
    "text", "textarea", "id_number", "credit_code", "mobile", "date", "money", "number", "select", "multiselect",
    "bool", "address", "region", "table", "bank_account", "declaration", "consent", "signature",
]
PrefillSource: TypeAlias = Literal["account", "register", "licence", "earlier_case", "earlier_result", "computed"]
Severity: TypeAlias = Literal["error", "warning", "note"]

NEVER_PREFILLED: frozenset[str] = frozenset({"declaration", "consent", "signature", "bank_account"})
"""Kinds a machine must never answer for a person (ux.md 1.4)."""


class Noun(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=False):
    """A closed, frozen value (值)."""


class Basis(Noun):
    """One legal ground 设定依据. `verified`: its text was read in a source, so it may be shown as official."""

    name: str
    article: str = ""
    says: str = ""
    verified: bool = False


class Limit(Noun):
    """A time limit 办结时限 of `days` in `unit`. 0 days = on the spot 当场."""

    days: int
    unit: Literal["working", "calendar"] = "working"
    note: str = ""
    verified: bool = False


class FeeLine(Noun):
    """What one case costs, `fen` 分."""

    what: str
    fen: int
    when: str = ""


class Fee(Noun):
    """收费: whether a fee is charged, on what ground, which amounts."""

    charged: bool
    lines: tuple[FeeLine, ...] = ()
    basis: str = ""
    pay_online: bool = False
    verified: bool = False


class Replacement(Noun):
    """What makes a material unnecessary 可替代: a licence, shared data, the form itself, a promise, a signature.

    `when` is CEL over the answers; empty means always.
    """

    kind: Literal["licence", "shared", "form", "promise", "signature"]
    name: str
    item: str = ""
    when: str = ""


class Material(Noun):
    """One material 申请材料. `when` says in words, `needed` in CEL over the answers, when it is asked."""

    name: str
    title: str
    kind: Literal["certificate", "form", "other"] = "other"
    necessity: Literal["needed", "if_applicable", "optional", "later"] = "needed"
    medium: Literal["paper", "electronic", "both"] = "electronic"
    when: str = ""
    needed: str = ""
    replaceable_by: tuple[Replacement, ...] = ()
    why: str = ""
    basis: str = ""
    accepts: tuple[str, ...] = ("image/jpeg", "image/png", "application/pdf")
    max_bytes: int = 10_000_000
    copies: int = 0


class Prefill(Noun):
    """Where an answer may come from 预填来源: `resource` is a register or licence name, `field` its column there."""

    source: PrefillSource
    resource: str = ""
    field: str = ""
    compute: str = ""


class Choice(Noun):
    """One option of a choice 选项."""

    value: str
    label: str
    hint: str = ""


class Column(Noun):
    """One column of a table field 表格列."""

    name: str
    label: str
    kind: FieldKind = "text"
    required: bool = True
    options: tuple[Choice, ...] = ()
    max_length: int = 100


class Field(Noun):
    """One question 表单字段. No field without `purpose` and `basis`: T-81, a gate rule."""

    name: str
    label: str
    kind: FieldKind
    purpose: str = ""
    basis: str = ""
    required: bool = True
    required_when: str = ""
    visible_when: str = ""
    valid_when: str = ""
    valid_says: str = ""
    hint: str = ""
    prefill: tuple[Prefill, ...] = ()
    kept: str = "case"
    locked: bool = False
    options: tuple[Choice, ...] = ()
    columns: tuple[Column, ...] = ()
    min_rows: int = 1
    max_rows: int = 50
    min_length: int = 0
    max_length: int = 200
    minimum: str = ""
    maximum: str = ""
    explain: str = ""


class FormStep(Noun):
    """One page of the form 填写步骤."""

    name: str
    title: str
    fields: tuple[Field, ...]
    lead: str = ""
    visible_when: str = ""


class Form(Noun):
    """The whole form 申请表: pages of questions, asked in order."""

    steps: tuple[FormStep, ...]

    @property
    def fields(self) -> tuple[Field, ...]:
        """Every field of every page, in order."""
        return tuple(field for step in self.steps for field in step.fields)

    def field(self, name: str) -> Field | None:
        """The field called `name`, or None."""
        return next((field for field in self.fields if field.name == name), None)

    def step(self, name: str) -> FormStep | None:
        """The page called `name`, or None."""
        return next((step for step in self.steps if step.name == name), None)


class Step(Noun):
    """One step of the work 办理环节: who does it, within how many days (None: not known from a source)."""

    name: str
    who: str
    days: int | None = None
    unit: Literal["working", "calendar"] = "working"
    note: str = ""


class Result(Noun):
    """What comes out 办理结果. `data` says which answer feeds which entry of the credential.

    A value of `data` is a field name, or `@decided_on`, `@credit_code`, `@applicant_name`, `@applicant_number`,
    `@organisation`, or a fixed text after `=`.
    """

    name: str
    credential_type: str = ""
    holder: Audience = "person"
    valid_days: int | None = None
    data: dict[str, str] = {}


class Place(Noun):
    """A counter 办理窗口."""

    name: str
    address: str
    hours: str
    division: str
    phone: str = ""
    verified: bool = False


class Contact(Noun):
    """Telephone numbers with area code 咨询和投诉电话."""

    consult: str
    complaint: str
    verified: bool = False


class Remedy(Noun):
    """How to object 救济途径: 行政复议 or 行政诉讼, to whom, within how long."""

    kind: Literal["review", "lawsuit"]
    body: str
    address: str = ""
    within: str = ""


class Question(Noun):
    """One question and its answer 常见问题."""

    q: str
    a: str


class Visits(Noun):
    """到办事现场次数 and, when not 0, why a visit is needed."""

    times: int
    reason: str = ""


class Organisation(Noun):
    """实施主体: name, 18-character code, kind. `demo` marks an invented body 演示."""

    code: str
    name: str
    kind: Literal["organ", "authorised", "entrusted"] = "organ"
    demo: bool = False


class Item(Noun):
    """One implementation item 政务服务事项实施清单, whole: what every page, channel and API is drawn from.

    `digest` (`sm3:…` of the canonical JSON of everything else) is its identity. `acr` is the level of proof of the
    person asked for. `verified` says per group how sure the facts are; only `yes` may be shown as official.
    `division_field` names the answer (a region code) that decides which county handles a case; empty = `division`.
    """

    task_code: str
    version: int
    name: str
    plain_name: str
    catalog_code: str
    item_type: str
    owner_node: str
    division: str
    organisation: Organisation
    department: str
    audience: tuple[Audience, ...]
    use_level: Literal["1", "2", "3", "4", "5"]
    acr: int
    channels: tuple[Channel, ...]
    form: Form
    steps: tuple[Step, ...]
    result: Result
    fee: Fee
    visits: Visits
    statutory_limit: Limit | None
    promised_limit: Limit | None
    legal_basis: tuple[Basis, ...]
    conditions: tuple[str, ...]
    materials: tuple[Material, ...]
    contact: Contact
    remedies: tuple[Remedy, ...]
    places: tuple[Place, ...] = ()
    aliases: tuple[str, ...] = ()
    themes: tuple[str, ...] = ()
    life_events: tuple[str, ...] = ()
    service: str = ""
    modes: tuple[Mode, ...] = ()
    scope: Literal["", "nation", "cross_province", "cross_city", "cross_county"] = ""
    project_type: Literal["instant", "promised"] = "promised"
    power_source: Literal["1", "2", "3", "4", "5", "6"] = "1"
    delivery: tuple[Literal["electronic", "post", "counter"], ...] = ("electronic",)
    online: bool = True
    online_depth: Literal["1", "2", "3", "4", "5", "6", "7"] = "5"
    apply_by_post: bool = False
    appointment: bool = False
    quantity_limit: str = ""
    special_procedures: tuple[str, ...] = ()
    correction_days: int = 30
    intermediary: str = ""
    local_catalog_code: str = ""
    local_task_code: str = ""
    codes_are_demo: bool = False
    division_field: str = ""
    faq: tuple[Question, ...] = ()
    deadlines: tuple[str, ...] = ()
    verified: dict[str, str] = {}
    sources: tuple[str, ...] = ()
    valid_from: date | None = None
    valid_until: date | None = None
    digest: str = ""

    @property
    def org_code(self) -> str:
        """统一社会信用代码 of the 实施主体, the first 18 characters of the task code."""
        return self.organisation.code

    @property
    def level(self) -> int:
        """The level of proof of the person this item asks for (acr 1-4)."""
        return self.acr

    @property
    def fees(self) -> tuple[FeeLine, ...]:
        """The fee lines, empty when nothing is charged."""
        return self.fee.lines

    def official(self, group: str) -> bool:
        """Whether the facts of `group` were read in a source and may be shown without 样例."""
        return self.verified.get(group) == "yes"


class BasicItem(Noun):
    """A row of the basic catalogue 基本目录, kept by the hub; no local item exists without one."""

    catalog_code: str
    name: str
    item_type: str
    department: str
    audience: tuple[Audience, ...]
    legal_basis: tuple[str, ...]
    codes_are_demo: bool = False
    verified: str = "no"
    source: str = ""


class Example(Noun):
    """A clerk's example 样例: given these answers on that day, the form says this."""

    name: str
    given: Answers
    step: str = ""
    today: date | None = None
    refused: dict[str, str] = {}
    visible: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    materials: tuple[str, ...] | None = None


class Definition(Noun):
    """A definition read from its folder 事项定义: the item, its examples, and where each part stands on disk."""

    item: Item
    folder: str = ""
    examples: tuple[Example, ...] = ()
    lines: dict[str, str] = {}


class Finding(Noun):
    """One thing a rule found 检查发现: rule id, how grave, where, what is wrong, how to mend it."""

    rule: str
    severity: Severity
    where: str
    what: str
    fix: str


class Listing(Noun):
    """A published item as lists show it 清单条目: enough to choose by, without the form."""

    task_code: str
    version: int
    digest: str
    name: str
    plain_name: str
    owner_node: str
    division: str
    department: str
    organisation: str
    audience: tuple[str, ...]
    channels: tuple[str, ...]
    themes: tuple[str, ...]
    status: str
    rev: int
    changed_at: datetime


class Division(Noun):
    """行政区划: six-digit code, name, level, parent, kind (official, statistical, grouping)."""

    code: str
    name: str
    level: str
    parent_code: str
    kind: str


class ReferenceRow(Noun):
    """A row of a national list as imported 参考数据, with how sure it is."""

    list: str
    code: str
    name: str
    parent: str
    note: str
    verified: str
    official: bool
    source: str


class Entry(Noun):
    """目录信息: a service known by name and general facts, not handled here; never shown as official."""

    id: str
    kind: Literal["service", "kuasheng"]
    name: str
    plain_name: str
    aliases: tuple[str, ...]
    audience: tuple[Audience, ...]
    department: str
    conditions: tuple[str, ...] = ()
    materials: tuple[str, ...] = ()
    steps: tuple[str, ...] = ()
    legal_basis: tuple[Basis, ...] = ()
    statutory: str = ""
    fee: str = ""
    result: str = ""
    faq: tuple[Question, ...] = ()
    modes: tuple[str, ...] = ()
    batch: str = ""
    document: str = ""
    verified: dict[str, str] = {}
    sources: tuple[str, ...] = ()


class Loaded(Noun):
    """What a reference import did: rows written per list, lists left alone because nothing changed."""

    written: dict[str, int]
    unchanged: tuple[str, ...]
