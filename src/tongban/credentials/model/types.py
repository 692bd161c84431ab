"""Types of credentials as the operator defines them (证照类型): fields, disclosure sets, prints; states and their codes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Literal

import msgspec

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
