"""What an item is 事项身份: its canonical form and the digest over it."""

from __future__ import annotations

from typing import Any

import msgspec

from tongban.catalogue.model import Item
from tongban.kernel.gm import digest, jcs


def body_of(item: Item) -> dict[str, Any]:
    """The item as plain JSON values, without its digest (定义正文)."""
    body: dict[str, Any] = msgspec.to_builtins(item)
    body.pop("digest", None)
    return body


def digest_of(item: Item) -> str:
    """`sm3:…` of the canonical JSON (RFC 8785) of everything but the digest itself (定义摘要)."""
    return digest(jcs(body_of(item)))


def identified(item: Item) -> Item:
    """The item with its digest filled in (定身份)."""
    return msgspec.structs.replace(item, digest=digest_of(item))


def item_from(body: dict[str, Any]) -> Item:
    """The item of a stored or received body, its digest reckoned again; raises msgspec.ValidationError."""
    return identified(msgspec.convert(body, Item))
