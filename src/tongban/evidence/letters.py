"""The other nodes' door (材料互取): a node that was told of a material fetches its ciphertext."""

from __future__ import annotations

import asyncio
from typing import Any

from tongban import federation
from tongban.evidence import queries
from tongban.kernel.node import Node


async def content_get(node: Node, caller: str, body: dict[str, Any]) -> dict[str, Any]:
    """`evidence.content.get {address, offset}` → `{content, total}`: ciphertext, to nodes that hold its key by letter."""
    address, offset = str(body.get("address", "")), body.get("offset", 0)
    if not isinstance(offset, int) or offset < 0:
        raise federation.CallRefused(422, "refused", ("evidence.bad_offset",))
    async with node.db.reading() as tx:
        allowed = await tx.fetchval(
            "SELECT true FROM material m JOIN material_use u ON u.subject = m.subject AND u.material = m.id"
            " WHERE m.address = $1 AND m.held AND u.sent_to = $2 LIMIT 1",
            address,
            caller,
        )
    if not allowed:
        raise federation.CallRefused(404, "not_found", ("evidence.unknown",))
    ciphertext = await asyncio.to_thread(queries.content_store(node).get, address)
    if ciphertext is None:
        raise federation.CallRefused(404, "not_found", ("evidence.unknown",))
    return queries.piece_of(ciphertext, offset)


LETTERS: dict[tuple[str, int], Any] = {}
CALLS = {"evidence.content.get": content_get}
