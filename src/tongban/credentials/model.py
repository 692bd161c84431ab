"""Nouns of electronic credentials 电子证照: types, credentials, cards in a wallet, presentations, verifiers, prints."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from functools import cached_property
from typing import Literal

import msgspec

from tongban.kernel.gm import Personal

State = Literal["valid", "suspended", "revoked", "cancelled", "expired", "moved", "withdrawn", "other"]
STATE_CODE: Mapping[State, int] = {
    # GB/T 36903 status values (standards.md 3); in the status list 0 is valid, as most are
    "valid": 1,
    "suspended": 2,
    "revoked": 3,
    "cancelled": 4,
    "expired": 5,
    "moved": 6,
    "withdrawn": 7,
    "other": 15,
}
STATE_OF_CODE: Mapping[int, State] = {code: state for state, code in STATE_CODE.items()}
STATE_WORD: Mapping[State, str] = {
    "valid": "有效",
    "suspended": "暂停使用",
    "revoked": "已作废",
    "cancelled": "已注销",
    "expired": "过期了",
    "moved": "已转出",
    "withdrawn": "已吊销",
    "other": "不能使用",
}

FieldKind = Literal["text", "name", "date", "number", "long_text", "money", "code"]


class TypeField(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One field of a credential type (证照字段). `label` is its number in presentations and never changes or is reused.

    `derive` makes a field from another one when it is shown: `last4:number`, `over18:birth`, `masked:name`.
    """

    key: str
    label: int
    name: str
    kind: FieldKind = "text"
    required: bool = True
    derive: str = ""
    personal: bool = True


class Disclosure(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A set the holder may choose to show (出示范围). The first one of a type is the default and the least."""

    id: str
    name: str
    fields: tuple[str, ...]


class PrintRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whether a hall may print it on a numbered blank (异地互发)."""

    allowed: bool = False
    blank: str = ""
    days: int = 30


class CredentialType(msgspec.Struct, frozen=True, forbid_unknown_fields=True, dict=True):
    """A credential type (证照类型), data in items/credentials/*.yaml.

    `code` is 21 characters: the defining body's 统一社会信用代码 and a serial. `code_status` is `sourced` (a public source
    shows it), `single_source`, or `demo` (an invented defining body: refused on production nodes, decisions D-9).
    """

    code: str
    code_status: Literal["sourced", "single_source", "demo"]
    name: str
    title: str
    defined_by: str
    holder: Literal["natural", "legal"]
    fields: tuple[TypeField, ...]
    disclosures: tuple[Disclosure, ...]
    version: int = 1
    valid_days: int | None = None
    landscape: bool = False
    multiple: bool = False
    on_request: str = ""
    icon: str = "id"
    source: str = ""
    print: PrintRule = PrintRule()
    renew: str = ""

    def field(self, key: str) -> TypeField | None:
        """The field of that key, or None."""
        return self._by_key.get(key)

    @cached_property
    def _by_key(self) -> dict[str, TypeField]:
        return {one.key: one for one in self.fields}

    def disclosure(self, id: str) -> Disclosure | None:  # noqa: A002  # the word of the template
        """The disclosure set of that id, or None."""
        return next((one for one in self.disclosures if one.id == id), None)


class Holder(msgspec.Struct, frozen=True):
    """Whose credential it is (持证主体): the wallet's `subject` at the node `home`, and what stands on the paper.

    A company's licence has `kind` legal, the company's `name` and credit code as `number`, and lies in the wallet of
    `subject`, its legal representative. `number` of a person is never part of the identifier.
    """

    subject: str
    home: str
    name: Personal
    number: Personal | None = None
    kind: Literal["natural", "legal"] = "natural"


class Issuer(msgspec.Struct, frozen=True):
    """The department that issues (颁发机构): its 统一社会信用代码 and name; the node is the one that runs."""

    org_code: str
    org_name: str


class Credential(msgspec.Struct, frozen=True):
    """A credential at its issuer (颁发的证照). `data` are the fields by key; `number` the licence number on it."""

    id: str
    subject: str
    identifier: str
    type_code: str
    type_version: int
    issuer: str
    org_code: str
    org_name: str
    holder_kind: str
    holder_name: Personal
    number: str
    data: Mapping[str, Personal]
    digest: str
    issued_at: datetime
    valid_from: date
    valid_until: date | None
    list_no: int
    list_index: int
    state: State
    state_at: datetime
    case: str
    home: str
    leaf: str
    division: str = ""


class Card(msgspec.Struct, frozen=True):
    """A credential in a wallet (钱包里的证照), with its state by the newest status list the home node holds."""

    id: str
    subject: str
    identifier: str
    type_code: str
    type_name: str
    issuer: str
    org_code: str
    org_name: str
    holder_kind: str
    holder_name: Personal
    number: str
    data: Mapping[str, Personal]
    digest: str
    issued_at: datetime
    valid_from: date
    valid_until: date | None
    list_no: int
    list_index: int
    state: State
    state_at: datetime
    list_at: datetime
    used_at: datetime | None = None
    demo: bool = True


class Presentation(msgspec.Struct, frozen=True):
    """One showing (一次出示): the QR text `GZ1:…`, the 8 digits, and until when both work."""

    id: str
    card: str
    disclosure: str
    fields: tuple[str, ...]
    token: str
    digits: str
    issued_at: datetime
    expires_at: datetime


class Shown(msgspec.Struct, frozen=True):
    """What a `GZ1:` code says once its signature holds (出示内容); docs/presentation.md has the labels.

    `attributes` are by field number; `state_at` is the time of the status list that the home used.
    """

    home: str
    kid: str
    issuer: str
    org_code: str
    org_name: str
    type_code: str
    opaque: bytes
    attributes: Mapping[int, str]
    state: State
    state_at: datetime
    valid_until: date | None
    issued_at: datetime
    expires_at: datetime
    jti: bytes
    purpose: str
    offline: bool = False


class Unreadable(msgspec.Struct, frozen=True):
    """Why a code was not taken (读不出的原因): `reason` is stable, `home` when it could be read."""

    reason: Literal["malformed", "unknown_key", "bad_signature", "not_yet", "too_old", "not_ours"]
    home: str = ""


class Line(msgspec.Struct, frozen=True):
    """One line of a verdict (核对结果的一行)."""

    name: str
    value: str
    small: bool = False


class Verdict(msgspec.Struct, frozen=True):
    """What the verifier sees (核对结果). `kind`: valid, expired, used, revoked, unknown (现在不能确认), false (不是真的).

    `lines` holds only fields the holder chose and the purpose allows. `say` is what the clerk may say.
    """

    kind: Literal["valid", "expired", "used", "revoked", "unknown", "false"]
    code: str
    headline: str
    reason: str
    type_name: str = ""
    type_code: str = ""
    issuer: str = ""
    lines: tuple[Line, ...] = ()
    fields: Mapping[str, str] = {}
    say: str = ""
    online: bool = False
    checked_at: datetime | None = None
    state_at: datetime | None = None
    registered: bool = False


class View(msgspec.Struct, frozen=True):
    """One look at a credential, for its holder (谁看过)."""

    id: str
    card: str
    type_name: str
    at: datetime
    unit: str
    registered: bool
    purpose: str
    fields: tuple[str, ...]
    result: str
    reported_at: datetime | None = None


class Purpose(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A registered purpose of verifying (核对用途): which fields of which types may be asked, with the law behind it."""

    id: str
    name: str
    basis: str
    fields: Mapping[str, tuple[str, ...]]
    required: Mapping[str, tuple[str, ...]] = {}


class Verifier(msgspec.Struct, frozen=True):
    """A verifier unit (查验方), registered with its purposes."""

    id: str
    name: str
    org_code: str
    purposes: tuple[str, ...]
    state: Literal["active", "stopped"]


class Browser(msgspec.Struct, frozen=True):
    """A browser bound to a verifier unit by its unit key (登记过的查验窗口)."""

    id: str
    verifier: Verifier
    label: str
    purpose: str


class Hall(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A service hall that prints and hands over (政务大厅), data in items/credentials/halls.yaml."""

    code: str
    node: str
    division: str
    name: str
    address: str
    hours: str


PrintState = Literal["ordered", "accepted", "printed", "spoilt", "handed_over", "expired", "returned", "cancelled"]


class PrintOrder(msgspec.Struct, frozen=True):
    """An order to print at a hall, at its issuer (异地互发打印单)."""

    id: str
    subject: str
    credential: str
    type_code: str
    hall_node: str
    hall_code: str
    hall_name: str
    state: PrintState
    ordered_at: datetime
    valid_until: date
    blank_no: str = ""
    changed_at: datetime | None = None


class PrintJob(msgspec.Struct, frozen=True):
    """The same order at the hall's node (待打印), with what the desk needs; `term` grows with every change told."""

    id: str
    issuer: str
    org_name: str
    type_code: str
    type_name: str
    holder_name: Personal
    identifier: str
    hall_code: str
    hall_name: str
    state: PrintState
    ordered_at: datetime
    valid_until: date
    blank_no: str
    list_no: int
    list_index: int
    changed_at: datetime
    officer: str = ""
    wrong_codes: int = 0
    spoil_by: str = ""


class Pickup(msgspec.Struct, frozen=True):
    """A print order as the holder sees it (领证单): where, with which code, how far."""

    id: str
    card: str
    hall_name: str
    code: Personal
    state: str
    valid_until: date
    changed_at: datetime


class StatusList(msgspec.Struct, frozen=True):
    """A status list as pulled (状态清单): four bits a credential, 0 for valid; `at` is when its issuer signed it."""

    issuer: str
    list_no: int
    at: datetime
    bits: bytes

    def state(self, index: int) -> State:
        """The state at `index`; beyond the end is valid, as only exceptions are written."""
        if index < 0 or index >> 1 >= len(self.bits):
            return "valid"
        nibble = self.bits[index >> 1] >> (4 if index & 1 else 0) & 15
        return "valid" if nibble == 0 else STATE_OF_CODE.get(nibble, "other")


class HomeCard(msgspec.Struct, frozen=True):
    """One card as a list shows it, here and at a visited node (列表里的一张证): `hint` is the masked holder and the validity."""

    id: str
    type_code: str
    name: str
    hint: str
    state: str
    issuer: str


class HomeCards(msgspec.Struct, frozen=True):
    """The cards of a person at home, as `credentials.mine` answers (归属地的证照)."""

    cards: tuple[HomeCard, ...]
