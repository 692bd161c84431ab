"""The stamper 盖号: numbers, chains and signs committed letters, one at a time (federation.md 5.2)."""

from __future__ import annotations

import asyncio

import asyncpg
import msgspec

from tongban.federation.actions.alarm import raise_alarm
from tongban.federation.actions.office import LETTERS_BELL, RECOVERY_BELL, office
from tongban.federation.actions.sign_again import sign_again
from tongban.federation.model import Directory
from tongban.federation.rules.wire import Head, Place, head_bytes
from tongban.kernel.db import Tx, ring
from tongban.kernel.gm import Signer, b64, digest, jcs
from tongban.kernel.log import log
from tongban.kernel.node import Node

BATCH = 500
_IN_THREAD = 8


class OutboxHead(msgspec.Struct, frozen=True):
    epoch: int
    seq: int
    stopped: str | None


async def stamp(node: Node) -> int:
    """Stamp everything that waits, in runs of up to 500 (盖号); the number of letters stamped.

    Nothing is stamped before the node is an active member, after the database went back in time, or while its clock
    is off by more than 20 s: the letters wait, the business goes on.
    """
    memory = office(node)
    found = await memory.look(node)
    me = found.node(node.id) if found else None
    if found is None or me is None or me.status != "active":
        return 0
    if memory.clock_is_wrong():
        log("federation.stamper_waits", reason="clock")
        return 0
    signer = memory.signer(node, found)
    total = 0
    if found.revoked:
        await sign_again(node, found, signer)
    while True:
        async with node.db.transaction() as tx:
            count = await _stamp_run(tx, node, found, signer)
        if count:
            node.bell.ring(LETTERS_BELL)
        total += count
        if count < BATCH:
            return total


async def _stamp_run(tx: Tx, node: Node, found: Directory, signer: Signer) -> int:
    head = await lock_head(tx, node, found)
    if head is None or head.stopped:
        return 0
    rows = await tx.fetch(
        'SELECT id, "to", kind, kind_version, about, at, body_digest FROM outbox WHERE seq IS NULL ORDER BY ticket LIMIT $1',
        BATCH,
    )
    if not rows:
        return 0
    ends = await own_streams(tx, head.epoch)
    heads: list[Head] = []
    written: list[bytes] = []
    digests: list[str] = []
    for number, row in enumerate(rows, start=head.seq + 1):
        one = Head(
            v=1, id=row["id"], origin=node.id, to=row["to"], epoch=head.epoch, seq=number, prev=ends.get(row["to"]),
            kind=row["kind"], kind_version=row["kind_version"], about=row["about"], at=row["at"], body=row["body_digest"],
        )  # fmt: skip
        canonical = head_bytes(one)
        heads.append(one)
        written.append(canonical)
        digests.append(digest(canonical))
        ends[one.to] = Place(number, digests[-1])
    signatures = await _sign_all(signer, written)
    await _write(tx, head, heads, written, digests, signatures, signer.kid, ends)
    await ring(tx, LETTERS_BELL)
    return len(rows)


async def _sign_all(signer: Signer, texts: list[bytes]) -> list[str]:
    """Signatures of all; many are made in a thread, so that pages go on meanwhile."""

    def work() -> list[str]:
        return [b64(signer.sign(text)) for text in texts]

    return work() if len(texts) < _IN_THREAD else await asyncio.to_thread(work)


async def _write(
    tx: Tx, head: OutboxHead, heads: list[Head], written: list[bytes], digests: list[str], signatures: list[str],
    kid: str, ends: dict[str, Place],
) -> None:  # fmt: skip
    await tx.execute(
        "UPDATE outbox o SET epoch = $1, kid = $2, seq = n.seq, head = n.head, digest = n.digest, sig = n.sig"
        " FROM unnest($3::uuid[], $4::bigint[], $5::bytea[], $6::text[], $7::text[]) AS n(id, seq, head, digest, sig)"
        " WHERE o.id = n.id",
        head.epoch, kid, [one.id for one in heads], [one.seq for one in heads], written, digests, signatures,
    )  # fmt: skip
    touched = {one.to for one in heads}
    await tx.execute(
        'INSERT INTO outbox_end (epoch, "to", seq, digest) SELECT $1, n.* FROM unnest($2::text[], $3::bigint[], $4::text[]) n'
        ' ON CONFLICT (epoch, "to") DO UPDATE SET seq = excluded.seq, digest = excluded.digest',
        head.epoch, list(touched), [ends[to].seq for to in touched], [ends[to].digest for to in touched],
    )  # fmt: skip
    await tx.execute("UPDATE outbox_head SET seq = $1", heads[-1].seq)


async def lock_head(tx: Tx, node: Node, found: Directory) -> OutboxHead | None:
    """The end of this node's log, locked: one stamper at a time. Opened with the directory's epoch at first.

    When the database is not the one the epoch was opened on (restore, failover), nothing is stamped any more, an alarm
    rises, and the recovery begins (actions/recover.py, federation.md 6.2).
    """
    system, timeline = await database_life(tx)
    row = await tx.fetchrow("SELECT epoch, seq, system_identifier, timeline, stopped FROM outbox_head FOR UPDATE")
    if row is None:
        me = found.node(node.id)
        if me is None:
            return None
        await tx.execute(
            "INSERT INTO outbox_head (epoch, seq, system_identifier, timeline) VALUES ($1, 0, $2, $3) ON CONFLICT DO NOTHING",
            me.epoch, system, timeline,
        )  # fmt: skip
        row = await tx.fetchrow("SELECT epoch, seq, system_identifier, timeline, stopped FROM outbox_head FOR UPDATE")
        assert row is not None
    if row["stopped"] is None and (row["system_identifier"], row["timeline"]) != (system, timeline):
        await stop_stamping(tx, node, "restored", "数据库像是恢复过或切换过：正在把发出去的信要回来，完成前不办有法律效力的事")
        return OutboxHead(row["epoch"], row["seq"], "restored")
    return OutboxHead(row["epoch"], row["seq"], row["stopped"])


async def stop_stamping(tx: Tx, node: Node, why: str, sentence: str) -> None:
    """Nothing more is stamped until the recovery is over (停止发信)."""
    await tx.execute("UPDATE outbox_head SET stopped = $1 WHERE stopped IS NULL", why)
    await raise_alarm(tx, f"stamper_{why}", node.id, "", sentence, b"")
    await ring(tx, RECOVERY_BELL)


async def database_life(tx: Tx) -> tuple[str, int]:
    """System identifier and timeline of the database: another pair means a restore or a failover."""
    try:
        row = await tx.fetchrow(
            "SELECT (SELECT system_identifier::text FROM pg_control_system()) AS system,"
            " (SELECT timeline_id::bigint FROM pg_control_checkpoint()) AS timeline"
        )
    except asyncpg.InsufficientPrivilegeError:
        row = None
    return (row["system"], row["timeline"]) if row else ("unknown", 0)


async def own_streams(tx: Tx, epoch: int) -> dict[str, Place]:
    """The last place of each of this node's streams."""
    rows = await tx.fetch('SELECT "to", seq, digest FROM outbox_end WHERE epoch = $1', epoch)
    return {row["to"]: Place(row["seq"], row["digest"]) for row in rows}


async def state_head(node: Node) -> bool:
    """Say how far this node has written 末尾声明, also when nothing was sent; False when it cannot be said now.

    Only when every row committed before `at` is stamped: it proves completeness to readers, shows rollbacks and
    withholding, and is the clock of corrections (cases.md 5).
    """
    memory = office(node)
    found = await memory.look(node)
    me = found.node(node.id) if found else None
    if found is None or me is None or me.status not in ("active", "leaving") or memory.clock_is_wrong():
        return False
    signer = memory.signer(node, found)
    async with node.db.transaction() as tx:
        head = await lock_head(tx, node, found)
        if head is None or head.stopped:
            return False
        at = node.clock.ms()
        if await tx.fetchval("SELECT EXISTS (SELECT FROM outbox WHERE seq IS NULL)"):
            return False  # the stamper comes first; the clock calls again
        streams = {to: msgspec.to_builtins(place) for to, place in (await own_streams(tx, head.epoch)).items()}
        statement = {"v": 1, "origin": node.id, "epoch": head.epoch, "seq": head.seq, "at": at, "streams": streams}
        sig = {"kid": signer.kid, "value": b64(signer.sign(jcs(statement)))}
        signed = jcs({"head_statement": statement, "sig": sig})
        await keep_statement(tx, node.id, head.epoch, head.seq, at, signed)
    return True


async def keep_statement(tx: Tx, origin: str, epoch: int, seq: int, at: int, signed: bytes) -> None:
    """Keep it, and of each origin the last two (federation.md 7)."""
    await tx.execute(
        "INSERT INTO head_statement (origin, epoch, seq, at, signed) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
        origin, epoch, seq, at, signed,
    )  # fmt: skip
    await tx.execute(
        "DELETE FROM head_statement WHERE origin = $1 AND at < (SELECT at FROM head_statement WHERE origin = $1"
        " ORDER BY at DESC OFFSET 1 LIMIT 1)",
        origin,
    )
