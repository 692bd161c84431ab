"""Changing materials (存材料): keep an upload, name where it is used, take one that came by letter, fetch its content."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence

from tongban.evidence import queries, rules
from tongban.evidence.errors import ContentAway, MaterialUnknown
from tongban.evidence.model import KINDS, LARGEST, Material, Sent, Travelling
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx, ring
from tongban.kernel.errors import Refusals
from tongban.kernel.gm import b64, digest, sm4_gcm_encrypt, unb64
from tongban.kernel.ids import uuid7
from tongban.kernel.log import log
from tongban.kernel.node import Node

WANTED = "evidence.wanted"


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
    owner = subject or actor.person
    return await _keep(tx, node, owner, rules.file_name(upload.name), media_type, upload.data, kind, "upload")


async def keep_document(tx: Tx, node: Node, subject: str, *, name: str, media_type: str, content: bytes) -> Material:
    """Keep a document made here for a person (存文书): a notice or a decision, sealed already."""
    return await _keep(tx, node, subject, name, media_type, content, "document", "document")


async def _keep(
    tx: Tx, node: Node, subject: str, name: str, media_type: str, content: bytes, kind: str, origin: str
) -> Material:
    secret = secrets.token_bytes(28)
    ciphertext = await asyncio.to_thread(_encrypt, content, secret)
    address = digest(ciphertext)
    await asyncio.to_thread(queries.content_store(node).put, address, ciphertext)
    made = uuid7()
    row = await tx.fetchrow(
        "INSERT INTO material (subject, id, kind, name, media_type, byte_count, address, content_key, origin,"
        " origin_node, held, made_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, true, $11) RETURNING *",
        subject,
        made,
        kind,
        node.cipher.seal("case", "material.name", made, name),
        media_type,
        len(content),
        address,
        node.cipher.seal_bytes("case", "material.content_key", made, secret),
        origin,
        node.id,
        node.clock.now(),
    )
    log("evidence.kept", kind=media_type, bytes=len(content))
    assert row is not None
    return queries.of_row(node, row)


async def use(tx: Tx, node: Node, subject: str, material_id: str, *, used_in: str, to: str) -> None:
    """Note that a material serves a thing, and which node may therefore ask for its content (记用途). Idempotent."""
    await tx.execute(
        "INSERT INTO material_use (subject, material, used_in, sent_to, at) VALUES ($1, $2, $3, $4, $5)"
        " ON CONFLICT DO NOTHING",
        subject,
        material_id,
        used_in,
        to,
        node.clock.now(),
    )


async def travel(tx: Tx, node: Node, subject: str, material_id: str, *, used_in: str, to: str) -> Travelling:
    """A material as a letter to `to` carries it, and the note that `to` may fetch it (随信). Raises MaterialUnknown."""
    row = await tx.fetchrow("SELECT * FROM material WHERE subject = $1 AND id = $2", subject, material_id)
    if row is None:
        raise MaterialUnknown
    await use(tx, node, subject, material_id, used_in=used_in, to=to)
    return Travelling(
        id=material_id,
        kind=row["kind"],
        name=node.cipher.open("case", "material.name", material_id, row["name"]).reveal(),
        media_type=row["media_type"],
        byte_count=row["byte_count"],
        address=row["address"],
        key=b64(node.cipher.open_bytes("case", "material.content_key", material_id, row["content_key"])),
        origin_node=row["origin_node"] if row["held"] is False else node.id,
    )


async def arrive(tx: Tx, node: Node, subject: str, carried: Travelling, *, used_in: str) -> None:
    """Take a material that came in a letter (收到随信材料): the row now, the content by call soon after. Idempotent."""
    secret = unb64(carried.key, length=28)
    await tx.execute(
        "INSERT INTO material (subject, id, kind, name, media_type, byte_count, address, content_key, origin,"
        " origin_node, held, made_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'letter', $9, false, $10)"
        " ON CONFLICT (subject, id) DO NOTHING",
        subject,
        carried.id,
        carried.kind,
        node.cipher.seal("case", "material.name", carried.id, rules.file_name(carried.name)),
        carried.media_type if carried.media_type in KINDS else "application/octet-stream",
        carried.byte_count,
        carried.address,
        node.cipher.seal_bytes("case", "material.content_key", carried.id, secret),
        carried.origin_node,
        node.clock.now(),
    )
    await use(tx, node, subject, carried.id, used_in=used_in, to=node.id)
    await ring(tx, WANTED)


async def remove(tx: Tx, node: Node, actor: Actor, material_id: str) -> bool:
    """Take a file out of 我的材料 (移出); a file that no case uses is deleted for good. False when there is none."""
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
        await asyncio.to_thread(queries.content_store(node).drop, row["address"])
    return True


async def follow(tx: Tx, _node: Node, old: str, new: str) -> None:
    """A person has another subject now (identity.md 1): files and their uses follow (材料随人)."""
    await tx.execute("UPDATE material SET subject = $2 WHERE subject = $1", old, new)
    await tx.execute("UPDATE material_use SET subject = $2 WHERE subject = $1", old, new)


async def fetch_wanted(node: Node) -> None:
    """Fetch the content of materials that came by letter (取原件). A silent node is asked again by the next turn."""
    async with node.db.reading() as tx:
        rows = await tx.fetch(
            "SELECT subject, id, address, origin_node FROM material WHERE NOT held AND removed_at IS NULL"
            " ORDER BY made_at LIMIT 50"
        )
    silent: set[str] = set()
    for row in rows:
        if row["origin_node"] in silent:
            continue
        try:
            ciphertext = await queries.fetch(
                node, row["origin_node"], "evidence.content.get", {"address": row["address"]}
            )
        except ContentAway:
            silent.add(row["origin_node"])
            continue
        if digest(ciphertext) != row["address"]:
            silent.add(row["origin_node"])
            log("evidence.wrong_content", origin=row["origin_node"], digest=row["address"])
            continue
        await asyncio.to_thread(queries.content_store(node).put, row["address"], ciphertext)
        async with node.db.transaction() as tx:
            await tx.execute("UPDATE material SET held = true WHERE subject = $1 AND id = $2", row["subject"], row["id"])
        log("evidence.fetched", origin=row["origin_node"], bytes=len(ciphertext))


def _encrypt(content: bytes, secret: bytes) -> bytes:
    body, tag = sm4_gcm_encrypt(secret[:16], secret[16:], content, queries.AAD)
    return body + tag
