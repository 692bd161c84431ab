"""Paper at a hall (异地互发): halls, orders, the hall's jobs, what the holder is told."""

from __future__ import annotations

from datetime import date, datetime

import msgspec

from tongban.credentials.model.cards import PrintState
from tongban.kernel.gm import Personal


class Hall(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A service hall that prints and hands over (政务大厅), data in items/credentials/halls.yaml."""

    code: str
    node: str
    division: str
    name: str
    address: str
    hours: str


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
