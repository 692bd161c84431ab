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
]


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

    One seal may serve every approval of a department (一枚印章管审批): `kind` approval.
    """

    id: str
    es_id: str
    org_code: str
    org_name: str
    name: str
    kind: Literal["official", "approval"]
    key_name: str
    der: bytes
    certificate: bytes
    picture: bytes
    state: Literal["active", "revoked"]
    made_at: datetime
    valid_from: datetime
    valid_until: datetime
    revoked_at: datetime | None = None
    revoke_reason: str = ""


class SealUse(msgspec.Struct, frozen=True):
    """One use of a seal (用印记录): what for, about what, by whom, over which document digest, which log leaf."""

    id: str
    seal_id: str
    purpose: str
    about: str
    officer: str
    digest: str
    used_at: datetime
    leaf: str


class Anchors(msgspec.Struct, frozen=True):
    """What a verifier trusts (信任锚): roots of seal makers (DER certificates) and revoked seals (esID → moment)."""

    makers: tuple[bytes, ...]
    revoked: Mapping[str, datetime] = {}


class Signed(msgspec.Struct, frozen=True):
    """What is known of one seal on a document (一枚签章): readable even when it does not hold."""

    path: str
    es_id: str = ""
    seal_name: str = ""
    signed_at: datetime | None = None
    ok: bool = False


class Verdict(msgspec.Struct, frozen=True):
    """The outcome of verifying an OFD (验章结论): `ok`, or the first `step` that fails, in words, with the file.

    A document without a seal is not ok: step `format`, sentence says so.
    """

    ok: bool
    step: Step | None = None
    sentence: str = ""
    file: str = ""
    seals: tuple[Signed, ...] = ()
