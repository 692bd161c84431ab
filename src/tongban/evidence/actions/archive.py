"""An ended case becomes an archive package (归档, R-407): made at once, finished when its receipts are there, cleared after hand-over.

The room that owns the case gives its dossier and forgets its rows when the package has been handed over and its time here
is over: it registers both with `archives_from`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from weakref import WeakKeyDictionary

import msgspec

from tongban import notifications, transparency
from tongban.evidence.actions.behind import Behind
from tongban.evidence.actions.materials import DROP
from tongban.evidence.actions.packing import pack, repacked
from tongban.evidence.model import Archive, Dossier
from tongban.evidence.queries import archives as looking
from tongban.evidence.rules import package as packing
from tongban.evidence.rules.limits import ARCHIVING
from tongban.kernel import jobs
from tongban.kernel.db import Tx
from tongban.kernel.errors import Failure
from tongban.kernel.gm import digest, jcs
from tongban.kernel.ids import uuid7
from tongban.kernel.log import log, log_failure
from tongban.kernel.node import Node

Collector = Callable[[Tx, Node, str], Awaitable[Dossier | None]]
Marker = Callable[[Tx, Node, Archive], Awaitable[None]]
Finder = Callable[[Tx, str], Awaitable[str | None]]
Forgetter = Callable[[Tx, Node, str, str], Awaitable[None]]
BELL = "evidence.archives"
_collector: list[Collector] = []
_finder: list[Finder] = []
_forgetters: list[Forgetter] = []
_markers: list[Marker] = []
_behind: WeakKeyDictionary[Node, Behind] = WeakKeyDictionary()


def archives_from(collector: Collector, finder: Finder, forgetter: Forgetter, marker: Marker) -> None:
    """A room above gives its cases (登记案卷来源).

    `collector(tx, node, case)` answers the Dossier of an ended case, else None; `finder(tx, number)` the case of a number;
    `marker(tx, node, package)` notes that it is packed; `forgetter(tx, node, subject, case)` deletes its rows when the package
    has been handed over.
    """
    _markers.append(marker)
    _collector.append(collector)
    _finder.append(finder)
    _forgetters.append(forgetter)


async def dossier_of(tx: Tx, node: Node, case_id: str) -> Dossier | None:
    """The dossier of an ended case, from whichever room has it."""
    for collector in _collector:
        found = await collector(tx, node, case_id)
        if found is not None:
            return found
    return None


async def case_of_number(tx: Tx, number: str) -> str | None:
    """The case a number names at this node."""
    for finder in _finder:
        found = await finder(tx, number)
        if found is not None:
            return found
    return None


async def archive(tx: Tx, node: Node, dossier: Dossier) -> Archive:
    """Make the package of an ended case (归档): once for each case; a second call answers the first package.

    Everything is read, checked against its address, listed in a manifest that the node signs and the log takes as a leaf. A file
    that carried a virus, or that another node could not give for `away_days`, is named there with the reason: a case does not wait for
    it for ever. Raises ContentAway while a file is still at another node or our own store is away, ContentDamaged, BeingScanned, NoRoomToPack,
    PackageTooLarge; then nothing is made.
    """
    known = await looking.archive_of(tx, dossier.case)
    if known is not None:
        return known
    made, now, term = uuid7(), node.clock.now(), dossier.term or ARCHIVING.term
    packed = await pack(tx, node, dossier, package=made, term=term, now=now)
    leaf, lies = await transparency.append(tx, "archive.packed", packed.manifest), packed.lies
    await tx.execute(
        "INSERT INTO archive (subject, id, case_id, number, item_name, org_code, division, term, ended_on, state, digest, leaf, address,"
        " content_key, byte_count, file_count, made_at) VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,'waiting',$10,$11,$12,$13,$14,$15,$16)",
        dossier.subject, made, dossier.case, dossier.number, dossier.item_name, dossier.org_code, dossier.division, term, dossier.ended_on,
        digest(packed.manifest), leaf.id, lies.address, await node.person_keys.seal(tx, dossier.subject, "file", "archive.content_key", made, lies.secret),
        lies.byte_count, packed.file_count, now,
    )  # fmt: skip
    log("evidence.archived", case_id=dossier.case, bytes=lies.byte_count, leaf=leaf.id)
    found = await looking.archive_of(tx, dossier.case)
    assert found is not None
    for marker in _markers:
        await marker(tx, node, found)
    return found


async def withdraw(tx: Tx, node: Node, case_id: str) -> bool:
    """The case goes on after its end (撤回归档包): its package is not its file any more and may not leave or end anything here. False: there was none.

    Row and key go now, with a leaf, the ciphertext by a job; the case is packed again when it ends again. A hand-over nobody has approved
    yet falls, since it named this package; what a receiver has signed for stays signed, and the next package follows it.
    """
    row = await tx.fetchrow("DELETE FROM archive WHERE case_id = $1 AND state <> 'cleared' RETURNING id, digest, address, batch", case_id)
    if row is None:
        return False
    await transparency.append(tx, "archive.withdrawn", jcs({"package": row["id"], "digest": row["digest"], "at": node.clock.ms(), "v": 1}))
    await jobs.enqueue(tx, DROP, {"address": row["address"]})
    fallen = await tx.fetchval(
        "UPDATE archive_batch b SET state = 'dropped' WHERE id = $1 AND (state = 'proposed' OR (state = 'approved'"
        " AND NOT EXISTS (SELECT FROM archive a WHERE a.batch = b.id))) RETURNING id",
        row["batch"],
    )
    await tx.execute("UPDATE archive SET state = 'packed', batch = NULL WHERE batch = $1", fallen)
    log("evidence.archive_withdrawn", case_id=case_id)
    return True


async def finish(node: Node) -> int:
    """Put the receipts into the packages that wait for theirs (补存证回执); how many were finished.

    A package waits a few minutes for the co-signature of another node, then goes without one. One that cannot be read goes behind.
    """
    behind = _behind.setdefault(node, Behind())
    async with node.db.reading() as tx:
        rows = await tx.fetch(
            "SELECT id FROM archive WHERE state = 'waiting' ORDER BY array_position($1::uuid[], id) NULLS FIRST, made_at LIMIT 50", behind.waiting
        )
    done = 0
    for row in rows:
        try:
            async with node.db.transaction() as tx:
                done += await _finish(tx, node, row["id"])
            behind.drop(row["id"])
        except Exception as error:  # noqa: BLE001  one package that cannot be read does not stop the others
            behind.put(row["id"])
            log_failure("evidence.archive_waits", error, code=error.failure_code if isinstance(error, Failure) else "")
    return done


async def end_cleared(tx: Tx, node: Node, before: datetime) -> int:
    """As `clear`, in the caller's transaction: packages whose receipt is older than that, a few at a time (到期清理); how many."""
    rows = await tx.fetch(
        "SELECT id FROM archive WHERE state = 'handed_over' AND handed_over_at < $1 AND NOT on_hold(subject, number) ORDER BY id LIMIT 50", before
    )
    for row in rows:
        await _clear(tx, node, row["id"])
    return len(rows)


async def clear(node: Node) -> int:
    """Delete here what was handed over long enough ago (移交后清理); how many. The row remains as the link, the leaf as the proof."""
    before = node.clock.now() - timedelta(days=ARCHIVING.kept_days)
    async with node.db.reading() as tx:
        rows = await tx.fetch(
            "SELECT id FROM archive WHERE state = 'handed_over' AND handed_over_at < $1 AND NOT on_hold(subject, number) LIMIT 200", before
        )
    done = 0
    for row in rows:
        try:
            async with node.db.transaction() as tx:
                await _clear(tx, node, row["id"])
            done += 1
        except Exception as error:  # noqa: BLE001  as above; it is tried again tomorrow
            log_failure("evidence.clearing_waits", error)
    if done:
        async with node.db.transaction() as tx:
            await transparency.append(tx, "archive.cleared", jcs({"packages": done, "day": str(node.clock.today()), "v": 1}))
        log("evidence.cleared", count=done)
    return done


async def _finish(tx: Tx, node: Node, archive_id: str) -> int:
    found = await looking.archive(tx, archive_id, lock=True)
    if found is None or found.state != "waiting":
        return 0
    try:  # asked before the package is opened: it may be large, and most turns come too early
        own = await transparency.receipt(tx, found.leaf)
    except transparency.ReceiptNotReady:
        return 0
    if own.witnessed is None and node.clock.now() - found.made_at < timedelta(minutes=ARCHIVING.witness_minutes):
        return 0
    with await looking.reading(tx, node, archive_id) as before:
        receipts = await _receipts(tx, await asyncio.to_thread(packing.manifest_of, before), own)
        if receipts is None:
            return 0
        lies = await asyncio.to_thread(repacked, node, before, receipts, found.made_at)
    old: str = await tx.fetchval("SELECT address FROM archive WHERE id = $1", archive_id)
    await tx.execute(
        "UPDATE archive SET state = 'packed', address = $2, content_key = $3, byte_count = $4 WHERE id = $1", archive_id, lies.address,
        await node.person_keys.seal(tx, found.subject, "file", "archive.content_key", archive_id, lies.secret), lies.byte_count,
    )  # fmt: skip
    await jobs.enqueue(tx, DROP, {"address": old})
    return 1


async def _receipts(tx: Tx, manifest: bytes, own: transparency.Receipt) -> dict[str, bytes] | None:
    """{path: receipt} of the manifest and every step with a leaf here; None while one is not ready."""
    found = {packing.RECEIPTS + "manifest.json": own.to_bytes()}
    try:
        for step in msgspec.json.decode(manifest)["steps"]:
            if step["leaf"]:
                found[f"{packing.RECEIPTS}step-{step['n']:03d}.json"] = (await transparency.receipt(tx, step["leaf"])).to_bytes()
    except transparency.ReceiptNotReady:
        return None
    return found


async def _clear(tx: Tx, node: Node, archive_id: str) -> None:
    found = await looking.archive(tx, archive_id, lock=True)
    if found is None or found.state != "handed_over":
        return
    address: str = await tx.fetchval("SELECT address FROM archive WHERE id = $1", archive_id)
    await tx.execute("SET LOCAL tongban.retention = 'on'")
    for forgetter in _forgetters:
        await forgetter(tx, node, found.subject, found.case_id)
    await tx.execute(
        "UPDATE archive SET state = 'cleared', cleared_at = $2, content_key = ''::bytea, address = 'gone:' || id WHERE id = $1",
        archive_id, node.clock.now(),
    )  # fmt: skip
    await jobs.enqueue(tx, DROP, {"address": address})
    await node.person_keys.forget(tx, found.subject, "file")  # the last file of a person takes its key along: old backups stay shut
    receiver: str = await tx.fetchval("SELECT receiver FROM archive_batch WHERE id = $1", found.batch)
    await notifications.notify(
        tx, node, subject=found.subject, kind="archive.cleared", about=f"case:{found.case_id}", title="一件办结的事已移交存档",
        text=f"{found.item_name}，案卷现在由{receiver}保管，这里不再保存。", link="/me/archives",
    )  # fmt: skip


async def forget_files(tx: Tx, subject: str, case_id: str, materials: Sequence[str]) -> int:
    """Delete the files of a case that nothing else uses (删案卷材料): rows and keys now, ciphertext by jobs; how many.

    `materials`: all files of the case. What the person handed in and still keeps in 我的材料 stays theirs.
    """
    await tx.execute("DELETE FROM material_use WHERE subject = $1 AND used_in = $2", subject, f"case:{case_id}")
    gone = await tx.fetch(
        "DELETE FROM material m WHERE subject = $1 AND id = ANY($2::uuid[]) AND (origin <> 'upload' OR removed_at IS NOT NULL)"
        " AND NOT EXISTS (SELECT FROM material_use u WHERE u.subject = m.subject AND u.material = m.id) RETURNING address",
        subject,
        list(materials),
    )
    for row in gone:
        await jobs.enqueue(tx, DROP, {"address": row["address"]})
    return len(gone)


def due(now: datetime) -> datetime:
    """Cases that ended before this are packed (到归档期)."""
    return now - timedelta(days=ARCHIVING.ended_days)
