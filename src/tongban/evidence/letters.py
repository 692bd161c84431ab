"""The other nodes' door (材料互取): a node that was told of a material fetches its ciphertext."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

from tongban import exchange, federation
from tongban.evidence import queries
from tongban.kernel.node import Node


async def content(node: Node, caller: str, body: dict[str, Any]) -> AsyncGenerator[dict[str, Any], None]:
    """`evidence.content {address}`: the ciphertext as a stream, to nodes that hold its key by letter. Fallback there: it is asked again."""

    async def find(about: Mapping[str, str]) -> exchange.File | None:
        address = about.get("address", "")
        return await queries.file_at(node, address) if await _allowed(node, caller, address) else None

    async with aclosing(exchange.give_file(node, caller, body, service="evidence.content", find=find)) as frames:
        async for frame in frames:
            yield frame


async def content_get(node: Node, caller: str, body: dict[str, Any]) -> dict[str, Any]:
    """`evidence.content.get {address, offset}` → `{content, total}`: the same piece by piece, for neighbours of before streams."""
    address, offset = str(body.get("address", "")), body.get("offset", 0)
    if not isinstance(offset, int) or offset < 0:
        raise federation.CallRefused(422, "refused", ("evidence.bad_offset",))
    piece = await queries.piece_of(node, address, offset) if await _allowed(node, caller, address) else None
    if piece is None:
        raise federation.CallRefused(404, "not_found", ("evidence.unknown",))
    return piece


async def _allowed(node: Node, caller: str, address: str) -> bool:
    """Whether this node sent the caller the file's key in a letter (T-32)."""
    async with node.db.reading() as tx:
        found = await tx.fetchval(
            "SELECT true FROM material m JOIN material_use u ON u.subject = m.subject AND u.material = m.id"
            " WHERE m.address = $1 AND m.held AND u.sent_to = $2 LIMIT 1",
            address,
            caller,
        )
    return found is not None


LETTERS: dict[tuple[str, int], Any] = {}
CALLS: dict[str, Any] = {"evidence.content": content, "evidence.content.get": content_get}
