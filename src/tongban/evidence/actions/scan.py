"""Looking into files (查毒, T-92): at once where the scanner answers in its time, else by the clock; until then nobody opens them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import aclosing
from weakref import WeakKeyDictionary

from tongban import notifications
from tongban.evidence import queries
from tongban.evidence.actions.behind import Behind
from tongban.evidence.errors import ContentAway, ContentDamaged
from tongban.evidence.model import Scan
from tongban.evidence.providers import ScannerAway
from tongban.evidence.rules.limits import LIMITS
from tongban.kernel import jobs
from tongban.kernel.gm import CannotOpen
from tongban.kernel.log import log
from tongban.kernel.node import Node

IN_A_ROW = 3
"""Files without a verdict, one after the other, that end a turn: then it is the scanner and not the file."""
_behind: WeakKeyDictionary[Node, Behind] = WeakKeyDictionary()


async def judged(node: Node, content: Iterable[bytes] | AsyncIterator[bytes], size: int, *, seconds: float = LIMITS.scan_seconds) -> Scan:
    """What the scanner says within `seconds` (扫描一份): `waiting` when it is slow or away, `none` when there is no scanner."""
    scanner = queries.scanner(node)
    if scanner is None:
        return "none"
    try:
        async with asyncio.timeout(seconds):
            return await scanner.scan(content if isinstance(content, AsyncIterator) else _each(content))
    except (TimeoutError, ScannerAway):
        log("evidence.scanner_away", bytes=size)
        return "waiting"


async def scan_waiting(node: Node) -> None:
    """Look into what waits (补扫): clean files open up, infected ones lose their content and their person is told.

    A file that gets no verdict (too large for the scanner, too slow, damaged) goes behind the others and is tried again after
    them; three in a row end the turn. No more than a piece of a file is held.
    """
    behind = _behind.setdefault(node, Behind())
    async with node.db.reading() as tx:
        rows = await tx.fetch(
            "SELECT subject, id, address, content_key, origin, byte_count FROM material WHERE scan = 'waiting' AND held"
            " ORDER BY array_position($1::text[], address) NULLS FIRST, made_at LIMIT 50",
            behind.waiting,
        )
    without = 0
    for row in rows:
        behind.put(row["address"])
        try:
            async with node.db.reading() as tx:
                secret = await node.person_keys.open(tx, "material.content_key", row["id"], row["content_key"])
            patience = LIMITS.scan_seconds * 5 + row["byte_count"] / LIMITS.scan_bytes_a_second
            async with aclosing(queries.opened(node, row["address"], secret)) as pieces:
                said = await judged(node, pieces, row["byte_count"], seconds=patience)
        except (ContentAway, ContentDamaged, CannotOpen) as why:
            log("evidence.damaged", digest=row["address"], kind=type(why).__name__)
            continue
        without = without + 1 if said == "waiting" else 0
        if without == IN_A_ROW:
            return
        if said != "waiting":
            await _settle(node, row["subject"], row["id"], row["address"], said, told=row["origin"] == "upload")
            behind.drop(row["address"])


async def _each(content: Iterable[bytes]) -> AsyncIterator[bytes]:
    for piece in content:
        yield piece


async def _settle(node: Node, subject: str, material_id: str, address: str, said: Scan, *, told: bool) -> None:
    async with node.db.transaction() as tx:
        done = await tx.execute(
            "UPDATE material SET scan = $3, scanned_at = $4, held = held AND $3 <> 'infected', address = CASE WHEN $3 = 'infected' THEN 'gone:' || id ELSE address END"
            " WHERE subject = $1 AND id = $2 AND scan = 'waiting'",
            subject, material_id, said, node.clock.now(),
        )  # fmt: skip
        if done != "UPDATE 1" or said != "infected":
            return
        await jobs.enqueue(tx, "evidence.drop", {"address": address})
        log("evidence.infected_found", digest=address)
        if told:
            await notifications.notify(
                tx, node, subject=subject, kind="evidence.infected", about=f"material:{material_id}", title="有一份材料不能用",
                text="你交的一份材料查出带病毒，已经删掉。换一台设备重新拍一张，再交一份。", link="/me/materials",
            )  # fmt: skip
