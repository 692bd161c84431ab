"""Types of credentials as the operator defines them (证照类型): fields, disclosure sets, validity, paper, acts, prints; states."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Literal

import msgspec

State = Literal["valid", "suspended", "revoked", "cancelled", "expired", "moved", "withdrawn", "superseded", "other"]
STATE_CODE: Mapping[State, int] = {
    # status values of a public licence interface, one source (standards.md 3); 8 is our own: replaced by a newer one, told
    # outside as 05 失效. In the status list 0 is valid, as most are
    "valid": 1,
    "suspended": 2,
    "revoked": 3,
    "cancelled": 4,
    "expired": 5,
    "moved": 6,
    "withdrawn": 7,
    "superseded": 8,
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
    "superseded": "已换新",
    "other": "不能使用",
}
FieldKind = Literal["text", "name", "date", "number", "long_text", "money", "code"]


class TypeField(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One field of a credential type (证照字段). `label` is its number in presentations and never changes or is reused.

    `derive` makes a field from another one when it is shown: `last4:number`, `over18:birth`, `masked:name`.
    `holder`: it is about this holder, so it does not go along when the licence is moved to another one.
    """

    key: str
    label: int
    name: str
    kind: FieldKind = "text"
    required: bool = True
    derive: str = ""
    personal: bool = True
    holder: bool = False


class Attributes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How sure we are of a template's list of fields (照面要素的依据). Only `yes` may be shown as official."""

    verified: Literal["yes", "partly", "no"]
    source: str


class Band(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Good for `years` for a holder below `below` years of age (年龄段); 0 years is long-term, 0 `below` is everybody else."""

    below: int = 0
    years: int = 0


class Validity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long a credential of the type is good (有效期规则): long-term, so many days or years, by age, or as a field says."""

    kind: Literal["long_term", "days", "years", "age", "field"] = "long_term"
    days: int = 0
    years: int = 0
    field: str = ""
    bands: tuple[Band, ...] = ()
    verified: Literal["yes", "partly", "no"] = "no"


class Paper(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How it looks on paper (版式): size, columns (0: by size), colours, the fields printed large, a line under them."""

    size: Literal["a4", "a4_wide", "a5_wide"] = "a4"
    columns: int = 0
    colour: str = "#8a6d3b"
    ground: str = "#fffdf6"
    large: tuple[str, ...] = ()
    note: str = ""

    @property
    def wide(self) -> bool:
        """Whether it lies on its long side."""
        return self.size != "a4"

    @property
    def millimetres(self) -> tuple[float, float]:
        """Width and height."""
        return {"a4": (210.0, 297.0), "a4_wide": (297.0, 210.0), "a5_wide": (210.0, 148.0)}[self.size]


class TypeAct(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How one act is for one type (这类证照的操作): the word its law uses, the law, whether two persons are asked."""

    words: str = ""
    basis: str = ""
    four_eyes: bool | None = None
    allowed: bool = True


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
    """A credential type (证照类型), data in items/credentials/*.yaml; docs/licences.md says how to write one.

    `code` is 21 characters: the defining body's 统一社会信用代码 and a serial. `code_status` is `sourced` (several public
    sources show it), `single_source`, `inferred`, or `demo` (an invented defining body: refused on production nodes,
    decisions D-9). `template` is `general` for a type of the list that has no fields of its own yet. `words` say in plain
    words what it is for. `gathered_from` are the nodes whose registers know who has one.
    """

    code: str
    code_status: Literal["sourced", "single_source", "inferred", "demo"]
    name: str
    title: str
    defined_by: str
    holder: Literal["natural", "legal", "both"]
    fields: tuple[TypeField, ...]
    disclosures: tuple[Disclosure, ...]
    words: str
    attributes: Attributes
    version: int = 1
    validity: Validity = Validity()
    paper: Paper = Paper()
    acts: Mapping[str, TypeAct] = {}
    multiple: bool = False
    on_request: str = ""
    gathered_from: tuple[str, ...] = ()
    icon: str = "id"
    source: str = ""
    print: PrintRule = PrintRule()
    renew: str = ""
    template: Literal["own", "general"] = "own"

    def field(self, key: str) -> TypeField | None:
        """The field of that key, or None."""
        return self._by_key.get(key)

    @cached_property
    def _by_key(self) -> dict[str, TypeField]:
        return {one.key: one for one in self.fields}

    def disclosure(self, id: str) -> Disclosure | None:  # noqa: A002  # the word of the template
        """The disclosure set of that id, or None."""
        return next((one for one in self.disclosures if one.id == id), None)

    @property
    def official(self) -> bool:
        """Whether code and fields are sure enough to be shown as official (可否作为官方内容)."""
        return self.code_status == "sourced" and self.attributes.verified == "yes"


class ListedType(msgspec.Struct, frozen=True):
    """One row of the list of licence types (证照类型目录的一行), reference/license_types.csv: `code` is empty when not found."""

    name: str
    holder: Literal["natural", "legal", "both"]
    department: str
    domain: str
    code: str
    code_status: str
