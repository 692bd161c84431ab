"""Changing materials (存材料): keep an upload, name where it is used, send one by letter and take one that came by letter."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from contextlib import aclosing
from datetime import timedelta

from tongban import exchange, transparency
from tongban.evidence import queries, rules
from tongban.evidence.actions.arriving import content_of
from tongban.evidence.actions.scan import judged
from tongban.evidence.errors import ContentAway, Infected, MaterialUnknown, NoRoom
from tongban.evidence.model import KINDS, LARGEST, Material, Scan, Sent, Travelling
from tongban.evidence.providers import StoreTrouble, path_of
from tongban.evidence.rules.limits import LIMITS
from tongban.kernel import jobs
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx, ring
from tongban.kernel.errors import Refusal, Refusals
from tongban.kernel.gm import CannotOpen, b64, digest, jcs, sm4_gcm_encrypt, unb64
from tongban.kernel.ids import uuid7
from tongban.kernel.log import log
from tongban.kernel.node import Node

WANTED = "evidence.wanted"
DROP = "evidence.drop"
GONE = "gone:"
"""What stands for an address when the file has gone already: infected, or handed over long ago."""


async def store(
    tx: Tx,
    node: Node,
    actor: Actor,
    upload: Sent | None,
    *,
    kind: str,
    accepts: Sequence[str] = tuple(KINDS),
    max_bytes: int = LARGEST,
    subject: str = "",
    field: str = "",
) -> Material | Refusals:
    """Check an upload by its content, encrypt and keep it (存材料). `subject`: whose, when staff hand it in for a person.

    The file is synced before the row is written; if the transaction rolls back, an unnamed ciphertext remains, which
    nobody can open. Returns what is wrong with it, as words beside `field`, instead.
    """
    # unpacking a picture takes a while: never on the thread that serves everybody
    wrong = await asyncio.to_thread(rules.check, upload, field=field or kind, accepts=accepts, max_bytes=max_bytes)
    if wrong or upload is None:
        return wrong
    media_type = rules.sniff(upload.data) or ""
    owner, field = subject or actor.person, field or kind
    over = await _over(tx, node, owner, len(upload.data), field)
    if over:
        return over
    scan = await judged(node, (upload.data,), len(upload.data))
    if scan == "infected":
        log("evidence.infected_refused", kind=media_type)
        return (Refusal("evidence.infected", "这个文件查出带病毒，没有收。请换一台设备重新拍一张，或者重新导出再交", field),)
    try:
        return await _keep(tx, node, owner, rules.file_name(upload.name), media_type, upload.data, kind, "upload", scan)
    except NoRoom:
        return (Refusal("evidence.no_room", "现在存不下这个文件，没有存进去。填的都在，请过几分钟再传一次", field),)


async def keep_document(tx: Tx, node: Node, subject: str, *, name: str, media_type: str, content: bytes) -> Material:
    """Keep a document made here for a person (存文书): a notice or a decision, sealed already."""
    return await _keep(tx, node, subject, name, media_type, content, "document", "document")


async def put(node: Node, content: bytes) -> tuple[str, bytes]:
    """Encrypt under a fresh key and keep it (入库): (content address, key and nonce). Raises NoRoom; then nothing is kept."""
    secret = secrets.token_bytes(28)
    ciphertext = await asyncio.to_thread(_encrypt, content, secret)
    address = digest(ciphertext)
    try:
        await asyncio.to_thread(queries.content_store(node).put, address, ciphertext)
    except StoreTrouble as trouble:
        log("evidence.no_room", bytes=len(ciphertext))
        raise NoRoom from trouble
    return address, secret


async def _over(tx: Tx, node: Node, subject: str, size: int, field: str) -> Refusals:
    """What a person may keep here is bounded (T-92); two uploads at once are counted one after the other."""
    await tx.execute("SELECT pg_advisory_xact_lock(hashtext('evidence:' || $1))", subject)
    row = await tx.fetchrow(
        "SELECT count(*) AS files, coalesce(sum(byte_count), 0) AS bytes, count(*) FILTER (WHERE made_at > $2) AS today"
        " FROM material WHERE subject = $1 AND origin = 'upload'",
        subject,
        node.clock.now() - timedelta(days=1),
    )
    assert row is not None
    if row["bytes"] + size > LIMITS.person_bytes or row["files"] >= LIMITS.person_files:
        log("evidence.over_limit", count=row["files"])
        return (Refusal("evidence.full", "交过的材料已经存满了。请到“我的材料”移除用不着的，再传这一个", field),)
    if row["today"] >= LIMITS.day_files:
        log("evidence.over_day", count=row["today"])
        return (Refusal("evidence.too_many_today", "今天传的文件太多了，明天再传，或者带原件到大厅交", field),)
    return ()


async def _keep(
    tx: Tx, node: Node, subject: str, name: str, media_type: str, content: bytes, kind: str, origin: str, scan: Scan = "none"
) -> Material:
    address, secret = await put(node, content)
    made, purpose = uuid7(), queries.purpose_of(origin)
    row = await tx.fetchrow(
        "INSERT INTO material (subject, id, kind, name, media_type, byte_count, address, content_key, origin,"
        " origin_node, held, made_at, scan, scanned_at)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, true, $11, $12, $13) RETURNING *",
        subject,
        made,
        kind,
        await node.person_keys.seal(tx, subject, purpose, "material.name", made, name.encode()),
        media_type,
        len(content),
        address,
        await node.person_keys.seal(tx, subject, purpose, "material.content_key", made, secret),
        origin,
        node.id,
        node.clock.now(),
        scan,
        node.clock.now() if scan == "clean" else None,
    )
    if scan == "waiting":
        await ring(tx, WANTED)
    log("evidence.kept", kind=media_type, bytes=len(content))
    assert row is not None
    return await queries.of_row(tx, node, row)


async def use(tx: Tx, node: Node, subject: str, material_id: str, *, used_in: str, to: str) -> None:
    """Note that a material serves a thing, and which node may therefore ask for its content (记用途). Idempotent.

    What serves a thing of this node opens by the key of files from now on: the archive duty keeps it, also in backups.
    """
    if to == node.id:
        await under_files(tx, node, subject, [material_id])
    await tx.execute(
        "INSERT INTO material_use (subject, material, used_in, sent_to, at) VALUES ($1, $2, $3, $4, $5)"
        " ON CONFLICT DO NOTHING",
        subject,
        material_id,
        used_in,
        to,
        node.clock.now(),
    )


async def under_files(tx: Tx, node: Node, subject: str, materials: Sequence[str]) -> None:
    """Uploads that a case here holds get from the person's own key under that of files (归入案卷). Idempotent."""
    rows = await tx.fetch(
        "SELECT m.id, m.name, m.content_key FROM material m JOIN person_key k ON k.subject = m.subject AND k.purpose = 'own'"
        " AND replace(k.id::text, '-', '') = encode(substring(m.content_key FROM 3 FOR 16), 'hex')"
        " WHERE m.subject = $1 AND m.id = ANY($2::uuid[]) FOR UPDATE OF m",
        subject, list(materials),
    )  # fmt: skip
    for row in rows:
        try:
            for column in ("name", "content_key"):
                plain = await node.person_keys.open(tx, f"material.{column}", row["id"], row[column])
                sealed = await node.person_keys.seal(tx, subject, "file", f"material.{column}", row["id"], plain)
                await tx.execute(f"UPDATE material SET {column} = $3 WHERE subject = $1 AND id = $2", subject, row["id"], sealed)
        except CannotOpen:
            log("evidence.key_gone", code="gm.person_key_gone")


async def travel(tx: Tx, node: Node, subject: str, material_id: str, *, used_in: str, to: str) -> Travelling:
    """A material as a letter to `to` carries it, and the note that `to` may fetch it (随信). Raises MaterialUnknown, Infected."""
    row = await tx.fetchrow("SELECT * FROM material WHERE subject = $1 AND id = $2", subject, material_id)
    if row is None:
        raise MaterialUnknown
    if row["scan"] == "infected":
        raise Infected
    await use(tx, node, subject, material_id, used_in=used_in, to=to)
    return Travelling(
        id=material_id,
        kind=row["kind"],
        name=(await node.person_keys.open(tx, "material.name", material_id, row["name"])).decode(),
        media_type=row["media_type"],
        byte_count=row["byte_count"],
        address=row["address"],
        key=b64(await node.person_keys.open(tx, "material.content_key", material_id, row["content_key"])),
        origin_node=row["origin_node"] if row["held"] is False else node.id,
    )


async def arrive(tx: Tx, node: Node, subject: str, carried: Travelling, *, used_in: str) -> None:
    """Take a material that came in a letter (收到随信材料): the row now, the content by call soon after. Idempotent.

    Raises ValueError for an address or a key that is none: such a letter waits for a person and no file is asked for (T-34).
    """
    secret = unb64(carried.key, length=28)
    path_of(carried.address)
    await tx.execute(
        "INSERT INTO material (subject, id, kind, name, media_type, byte_count, address, content_key, origin,"
        " origin_node, held, made_at, scan) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'letter', $9, false, $10, $11)"
        " ON CONFLICT (subject, id) DO NOTHING",
        subject,
        carried.id,
        carried.kind,
        await node.person_keys.seal(tx, subject, "file", "material.name", carried.id, rules.file_name(carried.name).encode()),
        carried.media_type if carried.media_type in KINDS else "application/octet-stream",
        carried.byte_count,
        carried.address,
        await node.person_keys.seal(tx, subject, "file", "material.content_key", carried.id, secret),
        carried.origin_node,
        node.clock.now(),
        "none" if queries.scanner(node) is None else "waiting",
    )
    await use(tx, node, subject, carried.id, used_in=used_in, to=node.id)
    await ring(tx, WANTED)


async def remove(tx: Tx, node: Node, actor: Actor, material_id: str) -> bool:
    """Take a file out of 我的材料 (移出); a file that no case uses is deleted for good. False when there is none.

    Deleted: row and key in this transaction, with a leaf; the ciphertext by a job after the commit, so that a rollback never
    leaves a row without its file. What a backup still holds of it cannot be opened without the key.
    """
    actor.require(1)
    actor.require_self("移除材料")
    row = await tx.fetchrow(
        "UPDATE material SET removed_at = $3 WHERE subject = $1 AND id = $2 AND origin = 'upload' AND removed_at IS NULL"
        " RETURNING address, (SELECT count(*) FROM material_use u WHERE u.subject = $1 AND u.material = $2) AS uses",
        actor.person,
        material_id,
        node.clock.now(),
    )
    if row is None:
        return False
    if row["uses"] == 0:
        await tx.execute("DELETE FROM material WHERE subject = $1 AND id = $2", actor.person, material_id)
        await transparency.append(tx, "evidence.removed", jcs({"material": material_id, "at": node.clock.ms(), "v": 1}))
        await jobs.enqueue(tx, DROP, {"address": row["address"]})
    return True


async def drop(node: Node, address: str) -> bool:
    """Delete the ciphertext of an address that no row names any more (删密文). False when a row still does; nothing to do for a file that went before."""
    if address.startswith(GONE):
        return True
    async with node.db.reading() as tx:
        if await tx.fetchval("SELECT true FROM material WHERE address = $1 UNION ALL SELECT true FROM archive WHERE address = $1 LIMIT 1", address):
            return False
    await asyncio.to_thread(queries.content_store(node).drop, address)
    log("evidence.dropped", digest=address)
    return True


async def follow(tx: Tx, _node: Node, old: str, new: str) -> None:
    """A person has another subject now (identity.md 1): files and their uses follow (材料随人)."""
    await tx.execute("UPDATE material SET subject = $2 WHERE subject = $1", old, new)
    await tx.execute("UPDATE material_use SET subject = $2 WHERE subject = $1", old, new)


async def open_travelling(node: Node, carried: Travelling, service: str, about: dict[str, str]) -> bytes:
    """The plain content of a material named in a letter, fetched from its node and not kept (当场取用).

    `service` is the stream that gives it, `about` what it asks for. Raises ContentAway, ContentDamaged.
    """
    here = await asyncio.to_thread(queries.content_store(node).get, carried.address)
    if here is None:
        held = bytearray()
        try:
            async with aclosing(content_of(node, carried.origin_node, service, about, most=carried.byte_count + queries.TAG)) as pieces:
                async for piece in pieces:
                    held += piece
        except exchange.FileCut as cut:
            raise ContentAway from cut
        here = bytes(held)
    return await asyncio.to_thread(queries.plain, here, carried.address, unb64(carried.key, length=28))


def _encrypt(content: bytes, secret: bytes) -> bytes:
    body, tag = sm4_gcm_encrypt(secret[:16], secret[16:], content, queries.AAD)
    return body + tag
