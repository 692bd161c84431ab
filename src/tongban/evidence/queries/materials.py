"""Looking at materials (查材料): rows become Structs, ciphertext becomes content."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from typing import Any

from tongban import exchange
from tongban.evidence.errors import BeingScanned, ContentAway, ContentDamaged, Infected, MaterialUnknown
from tongban.evidence.model import Material, Opened, Use
from tongban.evidence.queries.content import content_store
from tongban.kernel.db import Tx
from tongban.kernel.gm import CannotOpen, Digesting, Personal, Sm4GcmOpening, b64, digest, sm4_gcm_decrypt
from tongban.kernel.node import Node
from tongban.kernel.person_keys import Kept, Purpose, kept_under

AAD = b"tongban evidence 1"
PIECE = 4_000_000
TAG = 16
SHOWS = 512
"""Bytes from the beginning of a file by which its type is known."""
_OPENS = 1024 * 1024
_PURPOSE = "CASE WHEN origin = 'upload' THEN 'own' ELSE 'file' END"

kept_under(
    Kept("material", "content_key", purpose=_PURPOSE), Kept("material", "name", purpose=_PURPOSE), Kept("archive", "content_key"),
)  # fmt: skip


def purpose_of(origin: str) -> Purpose:
    """Which of a person's keys a file stands under: what one uploaded is one's own until a case here holds it (人员密钥)."""
    return "own" if origin == "upload" else "file"


def ciphertext(node: Node, address: str) -> bytes | None:
    """The stored bytes of a content address, or None; they open only with the key of their row. Blocking (密文)."""
    return content_store(node).get(address)


async def materials(tx: Tx, node: Node, subject: str) -> tuple[Material, ...]:
    """Every file of a person that was not removed, newest first (我的材料)."""
    rows = await tx.fetch(
        "SELECT * FROM material WHERE subject = $1 AND removed_at IS NULL AND origin = 'upload'"
        " ORDER BY made_at DESC, id DESC LIMIT 200",
        subject,
    )
    return tuple([await of_row(tx, node, row) for row in rows])


async def material(tx: Tx, node: Node, subject: str, material_id: str) -> Material | None:
    """One file of a person, or None; another person's is None too (T-42)."""
    row = await tx.fetchrow("SELECT * FROM material WHERE subject = $1 AND id = $2", subject, material_id)
    return await of_row(tx, node, row) if row else None


async def uses(tx: Tx, subject: str, material_id: str) -> tuple[Use, ...]:
    """Where a file is used, newest first (用在哪里)."""
    rows = await tx.fetch(
        "SELECT DISTINCT ON (used_in) used_in, sent_to, at FROM material_use WHERE subject = $1 AND material = $2"
        " ORDER BY used_in, at DESC",
        subject,
        material_id,
    )
    found = [Use(used_in=row["used_in"], sent_to=row["sent_to"], at=row["at"]) for row in rows]
    return tuple(sorted(found, key=lambda one: one.at, reverse=True))


async def read(tx: Tx, node: Node, subject: str, material_id: str) -> Opened:
    """A person's file with its plain content (打开材料). Raises MaterialUnknown, ContentAway, ContentDamaged.

    What the scanner has not looked into yet is not opened for anybody (BeingScanned), what it found infected never (Infected).
    """
    found, secret = await openable(tx, node, subject, material_id)
    ciphertext = await asyncio.to_thread(content_store(node).get, found.address)
    if ciphertext is None:
        raise ContentAway
    return Opened(found, await asyncio.to_thread(plain, ciphertext, found.address, secret))


async def openable(tx: Tx, node: Node, subject: str, material_id: str) -> tuple[Material, bytes]:
    """A person's file that may be opened, and its key, for `opened` and `given` (可以打开的材料). Raises MaterialUnknown, BeingScanned, Infected."""
    row = await tx.fetchrow("SELECT * FROM material WHERE subject = $1 AND id = $2", subject, material_id)
    if row is None:
        raise MaterialUnknown
    if row["scan"] == "infected":
        raise Infected
    if row["scan"] == "waiting" and row["held"]:
        raise BeingScanned
    return await of_row(tx, node, row), await node.person_keys.open(tx, "material.content_key", material_id, row["content_key"])


async def file_at(node: Node, address: str) -> exchange.File | None:
    """The ciphertext of an address as a file that can be carried to another node (可搬运的密文); None when it is not here."""
    store = content_store(node)
    total = await asyncio.to_thread(store.size, address)

    async def part(start: int, length: int) -> bytes:
        return await asyncio.to_thread(store.part, address, start, length)

    return None if total is None else exchange.File(total, part)


async def piece_of(node: Node, address: str, offset: int) -> dict[str, object] | None:
    """One answer of a content call (一段内容), for neighbours of before streams; None when it is not here."""
    found = await file_at(node, address)
    return {"content": b64(await found.part(offset, PIECE)), "total": found.total} if found else None


def plain(ciphertext: bytes, address: str, secret: bytes) -> bytes:
    """Ciphertext to content: the address must be its digest and the key its key. Raises ContentDamaged."""
    if digest(ciphertext) != address or len(ciphertext) < TAG:
        raise ContentDamaged
    try:
        return sm4_gcm_decrypt(secret[:16], secret[16:], ciphertext[:-TAG], ciphertext[-TAG:], AAD)
    except CannotOpen as broken:
        raise ContentDamaged from broken


async def opened(node: Node, address: str, secret: bytes) -> AsyncGenerator[bytes, None]:
    """The content of an address piece by piece, whatever its size (逐段打开): believed only when this ends without an error.

    Raises ContentAway, ContentDamaged.
    """
    store, mark, work = content_store(node), Digesting(), Sm4GcmOpening(secret[:16], secret[16:], AAD)
    total, at = await asyncio.to_thread(store.size, address), 0
    if total is None:
        raise ContentAway
    while at < total - TAG:
        piece = await asyncio.to_thread(store.part, address, at, min(_OPENS, total - TAG - at))
        if not piece:
            raise ContentAway
        mark.update(piece)
        at += len(piece)
        yield await asyncio.to_thread(work.update, piece)
    tag = await asyncio.to_thread(store.part, address, at, TAG)
    mark.update(tag)
    if mark.digest() != address:
        raise ContentDamaged
    try:
        work.close(tag)
    except CannotOpen as broken:
        raise ContentDamaged from broken


def beginning(ciphertext: bytes, secret: bytes) -> bytes:
    """What stands at the beginning of a file, to see what it is (开头). Not proven to be whole: nothing but its type is taken from it."""
    return Sm4GcmOpening(secret[:16], secret[16:], AAD).update(ciphertext)


async def of_row(tx: Tx, node: Node, row: Mapping[str, Any]) -> Material:
    """A row of `material` as a Material."""
    return Material(
        subject=row["subject"],
        id=row["id"],
        kind=row["kind"],
        name=Personal((await node.person_keys.open(tx, "material.name", row["id"], row["name"])).decode()),
        media_type=row["media_type"],
        byte_count=row["byte_count"],
        address=row["address"],
        origin=row["origin"],
        origin_node=row["origin_node"],
        held=row["held"],
        made_at=row["made_at"],
        scan=row["scan"],
    )
