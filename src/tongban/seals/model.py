"""Nouns of the electronic seal and of OFD documents (电子印章、版式文件)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

import msgspec

Step = Literal[
    "container",  # zip: size, count, names, ratio
    "format",  # XML and DER read strictly
    "maker_signature",  # the maker's signature on the seal 制章人签名
    "maker",  # the maker's certificate 制章人证书
    "seal_validity",  # the seal in force at signing, not revoked 印章有效期
    "signature",  # the signature value 签名值
    "signer",  # the signer's certificate is in certList and was valid 签章人证书
    "document",  # dataHash over Signature.xml, every reference, nothing left out 原文杂凑
    "time",  # the time stamp over the signature value, where there is one or one is needed 时间戳
]
Format = Literal["ofd", "pdf"]
Kind = Literal["official", "approval"]


class Text(msgspec.Struct, frozen=True):
    """One run of text (文字): `x`, `y` in mm, `y` is the baseline; `align` is about `x`; `size` is the em in mm."""

    x: float
    y: float
    text: str
    size: float = 4.2
    font: Literal["sans", "serif"] = "serif"
    align: Literal["left", "center", "right"] = "left"
    color: str = "#16202e"
    spread: float = 0.0


class Line(msgspec.Struct, frozen=True):
    """A straight line (线), mm."""

    x1: float
    y1: float
    x2: float
    y2: float
    width: float = 0.3
    color: str = "#16202e"


class Box(msgspec.Struct, frozen=True):
    """A rectangle, stroked and perhaps filled (框), mm."""

    x: float
    y: float
    w: float
    h: float
    width: float = 0.5
    color: str = "#16202e"
    fill: str = ""


class Image(msgspec.Struct, frozen=True):
    """A PNG picture (图像) at `x`, `y` with size `w`×`h`, mm."""

    x: float
    y: float
    w: float
    h: float
    png: bytes


Mark = Text | Line | Box | Image


class Page(msgspec.Struct, frozen=True):
    """A page (页): marks in drawing order, then `stamps`, which become stamp annotations (图章注释)."""

    marks: tuple[Mark, ...]
    stamps: tuple[Mark, ...] = ()
    width: float = 210.0
    height: float = 297.0


class Document(msgspec.Struct, frozen=True):
    """A document to be written as OFD (GB/T 33190-2016). `keywords` are the CustomDatas of DocInfo."""

    id: str
    title: str
    author: str
    created: datetime
    pages: tuple[Page, ...]
    keywords: Mapping[str, str] = {}


class Placement(msgspec.Struct, frozen=True):
    """Where a seal goes (用印位置): page from 0, left upper corner and size in mm."""

    page: int
    x: float
    y: float
    w: float = 40.0
    h: float = 40.0


class Seal(msgspec.Struct, frozen=True):
    """An electronic seal (电子印章) kept at this node: its DER (SESeal), never its key.

    One seal may serve every approval of a department (一枚印章管审批): `kind` approval. `keeper` is the staff number of who
    keeps it; empty: only the system uses it, for decisions of the department. `end_kind`: revoked, lost or expired.
    """

    id: str
    es_id: str
    org_code: str
    org_name: str
    name: str
    kind: Kind
    key_name: str
    der: bytes
    certificate: bytes
    picture: bytes
    state: Literal["active", "suspended", "revoked"]
    made_at: datetime
    valid_from: datetime
    valid_until: datetime
    revoked_at: datetime | None = None
    revoke_reason: str = ""
    purpose: str = ""
    basis: str = ""
    two_persons: bool = False
    keeper: str = ""
    suspended_at: datetime | None = None
    suspended_by: str = ""
    end_kind: str = ""


class SealUse(msgspec.Struct, frozen=True):
    """One use of a seal (用印记录): what for, about what, by whom, over which document digest, which log leaf.

    `digest` is the document before, `sealed_digest` after; `second` the second person, where one was asked for.
    """

    id: str
    seal_id: str
    purpose: str
    about: str
    officer: str
    digest: str
    used_at: datetime
    leaf: str
    format: Format = "ofd"
    second: str = ""
    sealed_digest: str = ""


class Application(msgspec.Struct, frozen=True):
    """An application for a seal (印章申请): `digest` pins all that is applied for, another officer reviews that."""

    id: str
    org_code: str
    org_name: str
    kind: Kind
    name: str
    purpose: str
    basis: str
    two_persons: bool
    keeper: str
    digest: str
    state: Literal["applied", "approved", "refused", "made"]
    applied_by: str
    applied_at: datetime
    reviewed_by: str = ""
    reviewed_at: datetime | None = None
    refusal: str = ""
    made_by: str = ""
    seal_id: str | None = None


class HandOver(msgspec.Struct, frozen=True):
    """A hand-over of a seal to its next keeper (印章交接): offered by one, accepted by the other.

    `between_units`: a transfer 移交 to another unit, which a third officer agrees to before it is offered.
    """

    id: str
    seal_id: str
    giver: str
    keeper: str
    keeper_unit: str
    reason: str
    between_units: bool
    digest: str
    state: Literal["to_review", "offered", "held", "ended", "declined"]
    offered_at: datetime
    reviewed_by: str = ""
    accepted_at: datetime | None = None
    ended_at: datetime | None = None


class Act(msgspec.Struct, frozen=True):
    """One thing that happened to a seal (印章经过)."""

    id: str
    act: str
    officer: str
    words: str
    at: datetime
    leaf: str


class UseRequest(msgspec.Struct, frozen=True):
    """A document somebody asks to seal (用印申请). The digest is what the second person agrees to."""

    id: str
    seal_id: str
    format: Format
    title: str
    purpose: str
    about: str
    digest: str
    page: int
    x: float
    y: float
    state: Literal["asked", "sealed", "refused"]
    asked_by: str
    asked_at: datetime
    second: str = ""
    decided_at: datetime | None = None
    refusal: str = ""
    sealed_digest: str = ""


class Period(msgspec.Struct, frozen=True):
    """A time in which a seal cannot be used (停用期间): from `begins`, before `ends`, or for ever."""

    state: Literal["suspended", "revoked", "lost", "expired"]
    begins: datetime
    ends: datetime | None = None


class Anchors(msgspec.Struct, frozen=True):
    """What a verifier trusts (信任锚): roots of seal makers (DER certificates) and what is known of seals (esID → …).

    `makers` are SM2 roots, for OFD; `pdf_makers` P-256 roots, for PDF and for every time stamp. `revoked` gives the moment
    a seal ended, `periods` everything the status lists say of it. `owners` says whose root each is: a node vouches for its own
    seals and no others; a root without an owner is taken for all.
    """

    makers: tuple[bytes, ...]
    revoked: Mapping[str, datetime] = {}
    periods: Mapping[str, tuple[Period, ...]] = {}
    pdf_makers: tuple[bytes, ...] = ()
    owners: Mapping[bytes, str] = {}

    def roots_for(self, roots: tuple[bytes, ...], es_id: str) -> tuple[bytes, ...]:
        """Those of `roots` that may vouch for the seal of that esID, which begins with its node's id (可以为它作证的根)."""
        return tuple(one for one in roots if one not in self.owners or es_id.startswith(self.owners[one] + "-"))


class Signed(msgspec.Struct, frozen=True):
    """What is known of one seal on a document (一枚签章): readable even when it does not hold.

    `signed_at` is the signer's own word, `stamped_at` the time stamp's; `ended_at`: the seal has ended since, and this
    document was sealed before.
    """

    path: str
    es_id: str = ""
    seal_name: str = ""
    signed_at: datetime | None = None
    ok: bool = False
    stamped_at: datetime | None = None
    ended_at: datetime | None = None


class Verdict(msgspec.Struct, frozen=True):
    """The outcome of verifying an OFD or a PDF (验章结论): `ok`, or the first `step` that fails, in words, with the file.

    A document without a seal is not ok: step `format`, sentence says so. An `ok` with a sentence: a seal on it has ended since.
    """

    ok: bool
    step: Step | None = None
    sentence: str = ""
    file: str = ""
    seals: tuple[Signed, ...] = ()
