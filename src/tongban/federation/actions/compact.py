"""Compaction and retention 压缩与清理 (federation.md 7): old letters to everybody lose their body when a newer one replaces them.

A head is never dropped while its chain is open: readers prove it. What is kept for the recovery of others, and for how long,
stands in the table of federation.md 7; each run writes its counts, and a leaf when something was removed.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from tongban import transparency
from tongban.federation.actions.office import handlers_of, office
from tongban.kernel.db import Tx
from tongban.kernel.gm import jcs
from tongban.kernel.ids import uuid7
from tongban.kernel.log import log
from tongban.kernel.node import Node

REPLACED_DAYS: Final = 30
OUTBOX_DAYS: Final = 400
OTHERS_DAYS: Final = 100
RESOLVED_DAYS: Final = 3 * 365
DIRECTORY_DAYS: Final = 3 * 365
NAME: Final = "federation.retention"
_DAY_MS: Final = 24 * 3600 * 1000
REPLACED_MS: Final = REPLACED_DAYS * _DAY_MS


class Counts(msgspec.Struct):
    """What one run removed, by store."""

    replaced: int = 0
    outbox_bodies: int = 0
    relay_bodies: int = 0
    applied_bodies: int = 0
    old_epochs: int = 0
    returned: int = 0
    directories: int = 0
    alarms: int = 0

    @property
    def total(self) -> int:
        return sum(getattr(self, name) for name in self.__struct_fields__)


async def keep_house(node: Node) -> Counts:
    """One run of the post's retention (清理): counts are kept, a leaf says so when something went."""
    found = await office(node).look(node)
    if found is None:
        return Counts()
    now = node.clock.ms()
    counts = Counts()
    async with node.db.transaction() as tx:
        counts.replaced = await _replaced(tx, node, now)
        counts.outbox_bodies = await _bodies(tx, "outbox", "at", now - OUTBOX_DAYS * _DAY_MS, "seq IS NOT NULL")
        days = OTHERS_DAYS * _DAY_MS
        counts.relay_bodies = await _bodies(tx, "relay", "extract(epoch FROM held_at) * 1000", now - days, "true")
        counts.applied_bodies = await _bodies(
            tx, "letter_applied", "extract(epoch FROM taken_at) * 1000", now - days, "outcome IN ('applied', 'compacted', 'set_aside')"
        )
        counts.old_epochs = await _old_epochs(tx, node, now)
        counts.returned = await _resolved(tx, now)
        counts.directories = await _count(
            tx, "DELETE FROM directory_version WHERE issued_at < $1 AND version < (SELECT max(version) FROM directory_version)",
            now - DIRECTORY_DAYS * _DAY_MS,
        )  # fmt: skip
        counts.alarms = await _count(
            tx, "DELETE FROM federation_alarm WHERE resolved_at < to_timestamp($1 / 1000.0)", now - RESOLVED_DAYS * _DAY_MS
        )
        await note_run(tx, NAME, {name: getattr(counts, name) for name in counts.__struct_fields__})
    return counts


async def note_run(tx: Tx, name: str, counts: dict[str, int]) -> None:
    """Write what a retention run removed (清理记录): a row always, a leaf of counts when it removed something."""
    leaf = None
    if any(counts.values()):
        leaf = (await transparency.append(tx, "retention.run", jcs({"name": name, "counts": counts}))).id
        log("federation.retention", kind=name, count=sum(counts.values()))
    await tx.execute("INSERT INTO retention_run (id, name, counts, leaf) VALUES ($1, $2, $3, $4)", uuid7(), name, counts, leaf)
    await tx.execute(
        "DELETE FROM retention_run WHERE name = $1 AND leaf IS NULL AND at < (SELECT at FROM retention_run WHERE name = $1"
        " AND leaf IS NULL ORDER BY at DESC OFFSET 9 LIMIT 1)",
        name,
    )  # fmt: skip


async def _replaced(tx: Tx, node: Node, now: int) -> int:
    """`*` letters older than 30 days, about a thing of which a newer letter of a replacing kind exists: ours, and in the relay."""
    kinds = sorted(handlers_of(node).replaces)
    own = await _count(
        tx,
        "UPDATE outbox o SET body = NULL WHERE o.\"to\" = '*' AND o.body IS NOT NULL AND o.at < $1 AND o.kind = ANY($2::text[])"
        " AND o.seq IS NOT NULL AND EXISTS (SELECT FROM outbox n WHERE n.\"to\" = '*' AND n.about = o.about"
        "  AND n.kind = ANY($2::text[]) AND n.seq IS NOT NULL AND (n.epoch, n.seq) > (o.epoch, o.seq))",
        now - REPLACED_MS, kinds,
    )  # fmt: skip
    # what the relay keeps of others was taken here too: by what it is about it is found in the letters taken
    others = await _count(
        tx,
        "UPDATE relay r SET body = NULL FROM letter_applied o WHERE o.id = r.id AND o.origin = r.origin AND r.\"to\" = '*' AND r.body IS NOT NULL"
        " AND o.at < $1 AND o.kind = ANY($2::text[]) AND EXISTS (SELECT FROM letter_applied n WHERE n.origin = o.origin AND n.about = o.about"
        "  AND n.\"to\" = '*' AND n.kind = ANY($2::text[]) AND (n.epoch, n.seq) > (o.epoch, o.seq))",
        now - REPLACED_MS, kinds,
    )  # fmt: skip
    return own + others


async def _bodies(tx: Tx, table: str, moment: str, before: int, rule: str) -> int:
    return await _count(tx, f"UPDATE {table} SET body = NULL WHERE body IS NOT NULL AND {rule} AND {moment} < $1", before)


async def _old_epochs(tx: Tx, node: Node, now: int) -> int:
    """Whole epochs that their origin closed, once every letter in them is past its time."""
    own = await _count(
        tx,
        "DELETE FROM outbox o USING epoch_letter e WHERE e.origin = $2 AND o.epoch = e.previous"
        " AND NOT EXISTS (SELECT FROM outbox n WHERE n.epoch = o.epoch AND n.at >= $1)",
        now - OUTBOX_DAYS * _DAY_MS, node.id,
    )  # fmt: skip
    others = await _count(
        tx,
        "DELETE FROM relay r USING epoch_letter e, letter_cursor c WHERE e.origin = r.origin AND r.epoch = e.previous"
        " AND c.origin = r.origin AND c.epoch > r.epoch"
        " AND NOT EXISTS (SELECT FROM relay n WHERE n.origin = r.origin AND n.epoch = r.epoch AND n.held_at >= to_timestamp($1 / 1000.0))",
        now - OTHERS_DAYS * _DAY_MS,
    )  # fmt: skip
    return own + others


async def _resolved(tx: Tx, now: int) -> int:
    before = now - RESOLVED_DAYS * _DAY_MS
    home = await _count(
        tx,
        "DELETE FROM letter_returned WHERE state NOT IN ('kept', 'waiting', 'conflict', 'by_hand') AND at < to_timestamp($1 / 1000.0)",
        before,
    )
    sent = await _count(tx, "DELETE FROM letter_to_return WHERE acknowledged_at < to_timestamp($1 / 1000.0)", before)
    return home + sent


async def _count(tx: Tx, statement: str, *arguments: Any) -> int:
    return int((await tx.execute(statement, *arguments)).split()[-1])
