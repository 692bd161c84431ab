"""Looking at copies 副本: what was asked, how far it is, the pieces of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from tongban import federation
from tongban.kernel.db import Tx
from tongban.kernel.ids import is_uuid
from tongban.kernel.node import Node
from tongban.privacy.model.copies import Copy, Part

GROUP = "sensitive"
CONTENT = "copy_chunk.content"
FILE = ""
"""`of` of the pieces of the finished file."""
_COPY = "SELECT * FROM copy_request WHERE subject = $1"


async def copy_of(tx: Tx, node: Node, subject: str, request: str, *, lock: bool = False) -> Copy | None:
    """One copy of this person with its parts (一份副本); `lock` holds the row for a change."""
    if not is_uuid(request):
        return None
    row = await tx.fetchrow(_COPY + " AND id = $2" + (" FOR UPDATE" if lock else ""), subject, request)
    return _copy(row, await _parts(tx, node, subject, request)) if row else None


async def copies_of(tx: Tx, subject: str) -> tuple[Copy, ...]:
    """This person's copies, newest first, without their parts (要过的副本)."""
    return tuple(_copy(row, ()) for row in await tx.fetch(_COPY + " ORDER BY asked_at DESC, id DESC LIMIT 50", subject))


async def _parts(tx: Tx, node: Node, subject: str, request: str) -> tuple[Part, ...]:
    rows = await tx.fetch(
        "SELECT p.*, coalesce((SELECT sum(byte_count) FROM copy_chunk c WHERE c.request = p.request AND c.of = p.node), 0) AS had"
        " FROM copy_part p WHERE p.subject = $1 AND p.request = $2 ORDER BY (p.node <> $3), p.node",
        subject, request, node.id,
    )  # fmt: skip
    return tuple(
        Part(
            node=row["node"], name=federation.name_of(node, row["node"]), state=row["state"], line=str(row["line"]), line_at=row["line_at"],
            byte_count=row["byte_count"], had=int(row["had"]), answered_at=row["answered_at"],
        )
        for row in rows
    )  # fmt: skip


async def pieces(node: Node, subject: str, request: str, of: str, *, after: int = -1) -> AsyncIterator[bytes]:
    """The pieces of a part or of the file in their order, opened one by one (逐块打开). No transaction stays open."""
    number = after
    while True:
        async with node.db.reading() as tx:
            row = await tx.fetchrow(
                "SELECT id, number, content FROM copy_chunk WHERE subject = $1 AND request = $2 AND of = $3 AND number > $4"
                " ORDER BY number LIMIT 1",
                subject, request, of, number,
            )  # fmt: skip
        if row is None:
            return
        number = row["number"]
        yield await asyncio.to_thread(node.cipher.open_bytes, GROUP, CONTENT, str(row["id"]), row["content"])


async def count_of(tx: Tx, subject: str, request: str, of: str) -> tuple[int, int]:
    """How many pieces there are of something, and how many bytes (已有几块)."""
    row = await tx.fetchrow(
        "SELECT count(*) AS n, coalesce(sum(byte_count), 0) AS bytes FROM copy_chunk WHERE subject = $1 AND request = $2 AND of = $3",
        subject, request, of,
    )  # fmt: skip
    return (int(row["n"]), int(row["bytes"])) if row else (0, 0)


def _copy(row: Any, parts: tuple[Part, ...]) -> Copy:
    return Copy(
        subject=row["subject"], id=str(row["id"]), state=row["state"], whole=row["whole"], asked_at=row["asked_at"], made_at=row["made_at"],
        ends_at=row["ends_at"], byte_count=row["byte_count"], rows=row["rows_told"], files=row["files_told"], left_out=row["left_out"],
        word_waits=row["word"] is not None, word_shown_at=row["word_shown_at"], starts=row["starts"], fetched_at=row["fetched_at"],
        again_of=str(row["again_of"] or ""), guardian=row["guardian_subject"], parts=parts,
    )  # fmt: skip
