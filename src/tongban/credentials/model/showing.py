"""Showing and looking (亮证、核对): presentations, what a code says, verdicts, verifiers and their purposes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Literal

import msgspec

from tongban.credentials.model.types import State
from tongban.kernel.gm import Personal


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

    `attributes` are by field number; `state_at` is the time of the status list that the home used. `offline`: made by a
    phone without network, from an entry that its home signed at `signed_at`; `mark` is what lists of ended cards know.
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
    mark: bytes = b""
    signed_at: datetime | None = None


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
    offline: bool = False
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
    node: str = ""
    way: str = ""
    report: Personal | None = None
    answer: Personal | None = None
    answered_at: datetime | None = None


class Entry(msgspec.Struct, frozen=True):
    """One entry for a key of the holder's phone (离线出示条目): COSE bytes, and until when it is good."""

    id: str
    cose: bytes
    expires_at: datetime


class Report(msgspec.Struct, frozen=True):
    """A report of abuse about a verifier unit of this node (举报): what was looked at when, and what the holder wrote; no name."""

    home: str
    id: str
    unit: str
    looked_at: datetime
    purpose: str
    fields: tuple[str, ...]
    words: Personal
    reported_at: datetime
    answer: Personal | None = None
    answered_at: datetime | None = None


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
    state: Literal["active", "suspended", "stopped"]
    reason: str = ""


class Browser(msgspec.Struct, frozen=True):
    """A browser bound to a verifier unit by its unit key (登记过的查验窗口)."""

    id: str
    verifier: Verifier
    label: str
    purpose: str
