"""Credentials as issued, the cards of a wallet, the status lists and what a visited node lists (证照、卡片、状态清单)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Literal

import msgspec

from tongban.credentials.model.types import STATE_OF_CODE, State
from tongban.kernel.gm import Personal


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
PrintState = Literal["ordered", "accepted", "printed", "spoilt", "handed_over", "expired", "returned", "cancelled"]


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
