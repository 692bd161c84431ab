"""Writing a letter 写信: a row in the outbox, in the transaction of the fact (federation.md 5.2)."""

from __future__ import annotations

from typing import Any

import msgspec

from tongban.federation.actions.office import LETTERS_BELL, STAMPER_BELL, encryption_key, office, own_decrypter
from tongban.federation.errors import LetterTooLarge, NotMember, UnknownNode
from tongban.federation.rules import wire
from tongban.kernel.db import Tx, ring
from tongban.kernel.gm import Sm2PublicKey, digest, jcs
from tongban.kernel.ids import uuid7
from tongban.kernel.node import Node

HEAD_ROOM = 2048


async def send(
    tx: Tx,
    node: Node,
    *,
    to: str,
    kind: str,
    about: str,
    body: dict[str, Any] | msgspec.Struct,
    kind_version: int = 1,
    id: str | None = None,  # noqa: A002  the letter's id, as the protocol calls it
    open: bool = False,  # noqa: A002  readable on the way, as the protocol calls it
) -> str:
    """Promise that `to` will learn this fact, once and in order for `about` (发信); gives the letter's id.

    Call it in the transaction of the fact, *after* the row of the thing written about is locked: the order of tickets
    is then the order of the facts. `to` is a node id or `*`; a letter to one node is encrypted for it and for this node,
    unless `open`. `id`: for a reaction `derived_id(kind, to, cause)`; the same id sent twice is one letter.

    Raises UnknownNode, LetterTooLarge, NotMember; ValueError for a kind, `about` or receiver that no letter may have.
    """
    wire.check_kind(kind)
    if not 0 < len(about) <= wire.ABOUT_LONGEST or not about.isprintable():
        raise ValueError("about is an opaque key of 1 to 80 characters")
    if to == node.id:
        raise ValueError("a node does not write to itself: call the verb")
    letter_id = id or uuid7()
    content = await _content(node, letter_id, to, kind, kind_version, about, jcs(msgspec.to_builtins(body)), open)
    if len(content) + HEAD_ROOM > wire.LETTER_BYTES:
        raise LetterTooLarge
    await tx.execute(
        'INSERT INTO outbox (id, "to", kind, kind_version, about, at, body, body_digest, ticket)'
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, nextval('outbox_ticket')) ON CONFLICT (id) DO NOTHING",
        letter_id, to, kind, kind_version, about, node.clock.ms(), content, digest(content),
    )  # fmt: skip
    await ring(tx, STAMPER_BELL)
    return letter_id


async def _content(
    node: Node, letter_id: str, to: str, kind: str, kind_version: int, about: str, plain: bytes, is_open: bool
) -> bytes:
    """The body as it travels: JCS, for one reader under its encryption key and ours."""
    if to == "*":
        return plain
    found = await office(node).need(node)
    listed = found.node(wire.node_id(to))
    if listed is None or listed.status == "gone":
        raise UnknownNode
    if is_open:
        return plain
    readers: dict[str, Sm2PublicKey] = {}
    for one in (listed, found.node(node.id)):
        key = encryption_key(one) if one is not None else None
        if key is None:
            raise UnknownNode if one is listed else NotMember
        readers[key[0]] = key[1]
    associated = wire.aad(id=letter_id, origin=node.id, to=to, kind=kind, kind_version=kind_version, about=about)
    return wire.seal_body(plain, associated, readers)


def read_body(node: Node, head: wire.Head, body: bytes) -> dict[str, Any]:
    """The real body of a letter for this node. Raises CannotOpen, Malformed."""

    def unwrap(kid: str, ek: bytes) -> bytes | None:
        key = own_decrypter(node, kid)
        return None if key is None else key.decrypt(ek)

    return wire.open_body(body, wire.letter_aad(head), unwrap)


__all__ = ["LETTERS_BELL", "STAMPER_BELL", "read_body", "send"]
