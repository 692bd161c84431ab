"""Bring the gauges up to date 更新指标 (federation.md 10)."""

from __future__ import annotations

from datetime import UTC, datetime

from tongban.federation.actions import measure
from tongban.federation.actions.office import office
from tongban.federation.queries.mail import mails, outbox
from tongban.federation.rules import directory as directory_rules
from tongban.kernel.node import Node


async def update(node: Node) -> None:
    """All figures that are states, from the tables and the memory of this process."""
    memory = office(node)
    found = await memory.look(node)
    if found is None:
        return
    now = node.clock.ms()
    measure.DIRECTORY_VERSION.set(found.version)
    measure.DIRECTORY_AGE.set((now - found.issued_at) / 1000)
    measure.STALE_TRUST.set(directory_rules.freshness(found, now) != "fresh")
    async with node.db.reading() as tx:
        mine, others = await outbox(tx), await mails(tx)
    measure.UNSTAMPED.set(mine.unstamped)
    measure.OLDEST_UNSTAMPED.set((now - mine.oldest_unstamped_ms) / 1000 if mine.oldest_unstamped_ms else 0)
    measure.EPOCH.labels(node.id).set(mine.epoch)
    measure.RECOVERING.set(mine.stopped in ("restored", "diverged"))
    for mail in others:
        measure.PARKED.labels(mail.origin).set(mail.parked)
        measure.LAG.labels(mail.origin).set(max(0, (mail.head_seq or 0) - mail.seq))
        if mail.head_at is not None:
            measure.HEAD_AGE.labels(mail.origin).set((now - mail.head_at) / 1000)
    for peer in list(memory.offsets):
        offset = memory.offset(peer)
        if offset is not None:
            measure.CLOCK_OFFSET.labels(peer).set(offset)
    for listed in found.nodes:
        for key in listed.keys:
            if key.status == "current":
                left = directory_rules.certificate(key.cert).not_after - datetime.fromtimestamp(now / 1000, UTC)
                measure.CERTIFICATE_DAYS.labels(key.kid).set(left.days)
