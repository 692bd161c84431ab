"""Looking into files (查毒, T-92): at once where the scanner answers in its time, else by the clock; until then nobody opens them."""

from __future__ import annotations

import asyncio

from tongban import notifications
from tongban.evidence import queries
from tongban.evidence.errors import ContentDamaged
from tongban.evidence.model import Scan
from tongban.evidence.providers import ScannerAway
from tongban.evidence.rules.limits import LIMITS
from tongban.kernel import jobs
from tongban.kernel.log import log
from tongban.kernel.node import Node


async def judged(node: Node, content: bytes, *, seconds: float = LIMITS.scan_seconds) -> Scan:
    """What the scanner says within `seconds` (扫描一份): `waiting` when it is slow or away, `none` when there is no scanner."""
    scanner = queries.scanner(node)
    if scanner is None:
        return "none"
    try:
        async with asyncio.timeout(seconds):
            return await scanner.scan(content)
    except (TimeoutError, ScannerAway):
        log("evidence.scanner_away", bytes=len(content))
        return "waiting"


async def scan_waiting(node: Node) -> None:
    """Look into what waits (补扫): clean files open up, infected ones lose their content and their person is told.

    A scanner that is away is asked once a turn, not once a file.
    """
    async with node.db.reading() as tx:
        rows = await tx.fetch(
            "SELECT subject, id, address, content_key, origin FROM material WHERE scan = 'waiting' AND held ORDER BY made_at LIMIT 50"
        )
    store = queries.content_store(node)
    for row in rows:
        ciphertext = await asyncio.to_thread(store.get, row["address"])
        if ciphertext is None:
            continue
        async with node.db.reading() as tx:
            secret = await node.person_keys.open(tx, "material.content_key", row["id"], row["content_key"])
        try:
            content = await asyncio.to_thread(queries.plain, ciphertext, row["address"], secret)
        except ContentDamaged:
            log("evidence.damaged", digest=row["address"])
            continue
        said = await judged(node, content, seconds=LIMITS.scan_seconds * 5)
        if said == "waiting":
            return
        await _settle(node, row["subject"], row["id"], row["address"], said, told=row["origin"] == "upload")


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
