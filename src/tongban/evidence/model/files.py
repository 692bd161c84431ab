"""Nouns of 材料: a file handed in, where it was used, and what travels to the node that judges it."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, Protocol

import msgspec

from tongban.kernel.gm import Personal

Origin = Literal["upload", "letter", "document"]
Scan = Literal["none", "waiting", "clean", "infected"]

KINDS: dict[str, str] = {
    "image/jpeg": "JPG 照片",
    "image/png": "PNG 图片",
    "application/pdf": "PDF 文件",
    "application/ofd": "OFD 文件",
}
"""Every type that can be told by its content, with its word for people."""

LARGEST = 10_000_000
"""Bytes of an upload; an item may ask for less, never for more. A stream carries more than that (docs/adr/0013)."""


class Sent(Protocol):
    """What a form brings (上传): the sender's name and type are claims. `ui.Upload` is one."""

    @property
    def name(self) -> str: ...
    @property
    def content_type(self) -> str: ...
    @property
    def data(self) -> bytes: ...


class Material(msgspec.Struct, frozen=True):
    """One file of a person (材料). `address` is the digest of the ciphertext, the same in every node.

    `held`: the content is in this node's store; a material that came by letter is fetched soon after.
    """

    subject: str
    id: str
    kind: str
    name: Personal
    media_type: str
    byte_count: int
    address: str
    origin: Origin
    origin_node: str
    held: bool
    made_at: datetime
    scan: Scan = "none"

    @property
    def type_words(self) -> str:
        """What sort of file it is, in words."""
        return KINDS.get(self.media_type, "文件")

    @property
    def size_words(self) -> str:
        """Its size as people say it."""
        if self.byte_count < 1_000_000:
            return f"{max(1, self.byte_count // 1000)} KB"
        return f"{self.byte_count / 1_000_000:.1f} MB"


class Travelling(msgspec.Struct, frozen=True):
    """A material as a letter carries it (随信材料): address and key; the ciphertext is fetched by call.

    `key` is base64url of key and nonce; it stands only inside a body encrypted to its reader (federation.md 5.1).
    """

    id: str
    kind: str
    name: str
    media_type: str
    byte_count: int
    address: str
    key: str
    origin_node: str


class Use(msgspec.Struct, frozen=True):
    """Where a material is used (用在哪里). `used_in` is `case:<id>`."""

    used_in: str
    sent_to: str
    at: datetime


class Opened(msgspec.Struct, frozen=True):
    """A material with its plain content, for one answer (打开的材料)."""

    material: Material
    content: bytes
