"""A part of a letter for one reader 信中信: inside a letter to everybody, a value that one node alone opens (federation.md 5.1)."""

from __future__ import annotations

from typing import Any

import msgspec

from tongban.federation.actions.office import encryption_key, office, own_decrypter
from tongban.federation.errors import UnknownNode
from tongban.federation.rules import wire
from tongban.kernel.gm import CannotOpen, jcs, parse_json
from tongban.kernel.node import Node

_LABEL = b"tongban part 1\x00"


async def seal_part(node: Node, to: str, value: dict[str, Any] | msgspec.Struct, *, about: str) -> dict[str, Any]:
    """`value` for `to` alone, tied to `about` 封好的一部分. Raises UnknownNode when the directory has no key of that node."""
    listed = (await office(node).need(node)).node(wire.node_id(to))
    key = encryption_key(listed) if listed is not None and listed.status != "gone" else None
    if key is None:
        raise UnknownNode
    sealed = wire.seal_body(jcs(msgspec.to_builtins(value)), _tied(to, about), {key[0]: key[1]})
    made = parse_json(sealed)
    assert isinstance(made, dict)
    return made


def open_part(node: Node, part: object, *, about: str) -> dict[str, Any]:
    """The value that `seal_part` sealed for this node 拆开的一部分. Raises CannotOpen for anything else."""
    if not isinstance(part, dict) or not wire.is_sealed(part):
        raise CannotOpen("federation.no_key_entry", "not a sealed part")

    def unwrap(kid: str, ek: bytes) -> bytes | None:
        key = own_decrypter(node, kid)
        return None if key is None else key.decrypt(ek)

    try:
        return wire.open_body(jcs(part), _tied(node.id, about), unwrap)
    except wire.Malformed:
        raise CannotOpen("federation.no_key_entry", "not a sealed part") from None


def _tied(to: str, about: str) -> bytes:
    return _LABEL + to.encode() + b"\x00" + about.encode()
