"""Looking at packages and hand-overs (查归档): what an archivist's area holds, what a person's cases became."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO

import msgspec

from tongban.evidence.errors import ContentAway
from tongban.evidence.model import Archive, Batch
from tongban.evidence.queries.content import content_store
from tongban.evidence.queries.given import Given, Reading, given
from tongban.evidence.queries.materials import plain
from tongban.evidence.rules.pieces import in_pieces
from tongban.kernel.db import Tx
from tongban.kernel.ids import is_uuid
from tongban.kernel.node import Node

PAGE = 50
_SKIPPED = {"address", "content_key"}


async def archive_of(tx: Tx, case_id: str) -> Archive | None:
    """The package of a case, or None (这件的归档包)."""
    row = await tx.fetchrow("SELECT * FROM archive WHERE case_id = $1", case_id) if is_uuid(case_id) else None
    return _archive(row) if row else None


async def archive(tx: Tx, archive_id: str, *, lock: bool = False) -> Archive | None:
    """One package by its id, or None."""
    if not is_uuid(archive_id):
        return None
    row = await tx.fetchrow("SELECT * FROM archive WHERE id = $1" + (" FOR UPDATE" if lock else ""), archive_id)
    return _archive(row) if row else None


async def archives(tx: Tx, areas: Sequence[tuple[str, str]], *, state: str = "", before: str = "") -> tuple[Archive, ...]:
    """Packages of these areas (leading digits of the division, department or "" for all), newest first, a page of 50.

    `before`: the id the page before ended with. Sorted by id, which is by time.
    """
    rows = await tx.fetch(
        "SELECT * FROM archive a WHERE EXISTS (SELECT FROM unnest($1::text[], $2::text[]) AS s (division, org)"
        " WHERE a.division LIKE s.division || '%' AND (s.org = '' OR s.org = a.org_code))"
        " AND ($3 = '' OR state = $3) AND ($4::uuid IS NULL OR id < $4) ORDER BY id DESC LIMIT $5",
        [division for division, _ in areas],
        [org for _, org in areas],
        state,
        before or None,
        PAGE + 1,
    )
    return tuple(_archive(row) for row in rows)


async def archives_of_person(tx: Tx, subject: str) -> tuple[tuple[Archive, str], ...]:
    """A person's cases that lie in the archive, with who has them now, "" while they are here (我的归档)."""
    rows = await tx.fetch(
        "SELECT a.*, coalesce(b.receiver, '') AS receiver FROM archive a LEFT JOIN archive_batch b ON b.id = a.batch AND b.state = 'received'"
        " WHERE a.subject = $1 ORDER BY a.id DESC LIMIT 200",
        subject,
    )
    return tuple((_archive(row), row["receiver"]) for row in rows)


async def batch(tx: Tx, batch_id: str, *, lock: bool = False) -> Batch | None:
    """One hand-over, or None (移交批次)."""
    if not is_uuid(batch_id):
        return None
    row = await tx.fetchrow("SELECT * FROM archive_batch WHERE id = $1" + (" FOR UPDATE" if lock else ""), batch_id)
    return msgspec.convert({name: row[name] for name in Batch.__struct_fields__}, Batch) if row else None


async def batches(tx: Tx) -> tuple[Batch, ...]:
    """The newest hand-overs."""
    rows = await tx.fetch("SELECT id FROM archive_batch ORDER BY made_at DESC LIMIT 50")
    found = [await batch(tx, row["id"]) for row in rows]
    return tuple(one for one in found if one is not None)


async def in_batch(tx: Tx, batch_id: str) -> tuple[Archive, ...]:
    """The packages of a hand-over in order of their ids."""
    rows = await tx.fetch("SELECT * FROM archive WHERE batch = $1 ORDER BY id", batch_id)
    return tuple(_archive(row) for row in rows)


async def package(tx: Tx, node: Node, archive_id: str) -> Given:
    """The plain package on its way out, whole as it was made (给出归档包). Raises ContentAway when it was cleared, ContentDamaged."""
    return await given(node, *await _place(tx, node, archive_id))


async def reading(tx: Tx, node: Node, archive_id: str) -> BinaryIO:
    """The plain package to be read on here (翻看归档包). What was stored whole, before there were pieces, is opened whole. Raises as `package`."""
    address, secret = await _place(tx, node, archive_id)
    store = content_store(node)
    if in_pieces(secret):
        return await asyncio.to_thread(lambda: io.BufferedReader(Reading(store, address, secret)))
    ciphertext = await asyncio.to_thread(store.get, address)
    if ciphertext is None:
        raise ContentAway
    return io.BytesIO(await asyncio.to_thread(plain, ciphertext, address, secret))


async def _place(tx: Tx, node: Node, archive_id: str) -> tuple[str, bytes]:
    """Where it lies and what opens it."""
    row = await tx.fetchrow("SELECT address, content_key FROM archive WHERE id = $1", archive_id)
    if row is None or not row["content_key"]:
        raise ContentAway
    return row["address"], await node.person_keys.open(tx, "archive.content_key", archive_id, row["content_key"])


def _archive(row: Mapping[str, Any]) -> Archive:
    return Archive(**{name: row[name] for name in Archive.__struct_fields__ if name not in _SKIPPED})
