"""Keeping bytes in sealed pieces 分块封存: nobody holds a whole copy in memory, and no piece rests in the clear."""

from __future__ import annotations

import asyncio

from tongban.kernel.db import Tx
from tongban.kernel.ids import uuid7
from tongban.kernel.node import Node
from tongban.privacy.queries.copies import CONTENT, GROUP

PIECE = 256 * 1024


class Pieces:
    """Writes pieces one after the other, each in its own transaction (逐块写)."""

    def __init__(self, node: Node, subject: str, request: str, of: str) -> None:
        self._node, self._subject, self._request, self._of = node, subject, request, of
        self._held = bytearray()
        self._number = 0
        self.bytes = 0

    async def write(self, content: bytes) -> None:
        """Take more bytes; full pieces are sealed and kept."""
        self._held += content
        while len(self._held) >= PIECE:
            await self._keep(bytes(self._held[:PIECE]))
            del self._held[:PIECE]

    async def end(self) -> int:
        """Keep what is left; how many bytes there are in all."""
        if self._held:
            await self._keep(bytes(self._held))
            self._held.clear()
        return self.bytes

    async def _keep(self, piece: bytes) -> None:
        async with self._node.db.transaction() as tx:
            await keep_piece(tx, self._node, self._subject, self._request, self._of, self._number, piece)
        self._number += 1
        self.bytes += len(piece)


async def keep_piece(tx: Tx, node: Node, subject: str, request: str, of: str, number: int, piece: bytes) -> None:
    """One piece at its place (存一块). A place that is taken fails: two never write one copy."""
    made = uuid7()
    sealed = await asyncio.to_thread(node.cipher.seal_bytes, GROUP, CONTENT, made, piece)
    await tx.execute(
        "INSERT INTO copy_chunk (subject, id, request, of, number, byte_count, content) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        subject, made, request, of, number, len(piece), sealed,
    )  # fmt: skip


async def drop_pieces(tx: Tx, subject: str, request: str, of: str | None = None) -> None:
    """Remove the pieces of a copy, or of one part of it (删除内容)."""
    await tx.execute(
        "DELETE FROM copy_chunk WHERE subject = $1 AND request = $2 AND ($3::text IS NULL OR of = $3)", subject, request, of
    )
