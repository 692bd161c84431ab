"""An implementation item 实施清单, whole. Source of the elements: GB/T 39554.2-2020 as read in standards.md 1."""

from __future__ import annotations

from datetime import date
from typing import Literal

import msgspec

from tongban.catalogue.model.form import Form
from tongban.catalogue.model.words import Audience, Channel, Mode


class Basis(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One legal ground 设定依据. `verified`: its text was read in a source, so it may be shown as official."""

    name: str
    article: str = ""
    says: str = ""
    verified: bool = False


class Limit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A time limit 办结时限 of `days` in `unit`. 0 days = on the spot 当场."""

    days: int
    unit: Literal["working", "calendar"] = "working"
    note: str = ""
    verified: bool = False


class FeeLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one case costs, `fen` 分."""

    what: str
    fen: int
    when: str = ""


class Fee(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """收费: whether a fee is charged, on what ground, which amounts."""

    charged: bool
    lines: tuple[FeeLine, ...] = ()
    basis: str = ""
    pay_online: bool = False
    verified: bool = False


class Replacement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What makes a material unnecessary 可替代: a licence, shared data, the form itself, a promise, a signature.

    `when` is CEL over the answers; empty means always.
    """

    kind: Literal["licence", "shared", "form", "promise", "signature"]
    name: str
    item: str = ""
    when: str = ""


class Material(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
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


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One step of the work 办理环节: who does it, within how many days (None: not known from a source)."""

    name: str
    who: str
    days: int | None = None
    unit: Literal["working", "calendar"] = "working"
    note: str = ""


class Result(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What comes out 办理结果. `data` says what each entry of the credential is made of, as text with `{…}` in it.

    Inside the braces: a field (`{capital} 万元`), its option's words (`{company_type|label}`), a division's name
    (`{city|place}`), the first that is not empty (`{new_address|or:address}`), or what the deciding office knows:
    `{@decided_on}`, `{@credit_code}`, `{@organisation}`, `{@applicant_name}`, `{@applicant_number}`, `{@previous}`
    (the same entry of the credential this one replaces).
    """

    name: str
    credential_type: str = ""
    holder: Audience = "person"
    valid_days: int | None = None
    data: dict[str, str] = msgspec.field(default_factory=dict)


class Place(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A counter 办理窗口."""

    name: str
    address: str
    hours: str
    division: str
    phone: str = ""
    verified: bool = False


class Contact(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Telephone numbers with area code 咨询和投诉电话."""

    consult: str
    complaint: str
    verified: bool = False


class Remedy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How to object 救济途径: 行政复议 or 行政诉讼, to whom, within how long."""

    kind: Literal["review", "lawsuit"]
    body: str
    address: str = ""
    within: str = ""


class Question(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One question and its answer 常见问题."""

    q: str
    a: str


class Visits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """到办事现场次数 and, when not 0, why a visit is needed."""

    times: int
    reason: str = ""


class Organisation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """实施主体: name, 18-character code, kind. `demo` marks an invented body 演示."""

    code: str
    name: str
    kind: Literal["organ", "authorised", "entrusted"] = "organ"
    demo: bool = False


class Item(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
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
    verified: dict[str, str] = msgspec.field(default_factory=dict)
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
