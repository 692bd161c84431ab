"""A package is written 打包: file after file out of the store, through the zip, piece by piece back into it; never whole in memory (R-407).

While it is written it lies beside the store under no name (`sealing`); its row comes after it. Whatever goes wrong, nothing of it stays.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from datetime import datetime, timedelta
from typing import IO

import msgspec

from tongban import federation
from tongban.evidence import queries
from tongban.evidence.actions.sealing import Sealed, Sealing
from tongban.evidence.errors import ContentAway, Infected, PackageTooLarge
from tongban.evidence.model import Dossier, Enclosed, Material
from tongban.evidence.rules import package as packing
from tongban.evidence.rules.limits import ARCHIVING
from tongban.kernel.db import Tx
from tongban.kernel.errors import Failure
from tongban.kernel.gm import b64, jcs
from tongban.kernel.log import log
from tongban.kernel.node import Node


class Packed(msgspec.Struct, frozen=True):
    """A package in the store, without its row yet (打好的包)."""

    manifest: bytes
    file_count: int
    lies: Sealed


async def pack(tx: Tx, node: Node, dossier: Dossier, *, package: str, term: str, now: datetime) -> Packed:
    """Write the package of a case (写归档包): its texts and files, the manifest that names them, the node's signature over it.

    Raises ContentAway, ContentDamaged, BeingScanned, NoRoomToPack, PackageTooLarge; then nothing is kept.
    """
    async with _writing(node, now) as (sealing, box):
        inside, absent = [], []
        for path, text in packing.texts(dossier):
            size, mark = await asyncio.to_thread(box.put, path, text.content)
            inside.append(packing.Inside(
                path=path, role=text.role, code="", title=text.title, media_type=text.media_type, scan="made", bytes=size, digest=mark,
            ))  # fmt: skip
        for place, one in enumerate(dossier.enclosed):
            found = await _here(tx, node, dossier.subject, one)
            if isinstance(found, type):
                absent.append(packing.Absent(one.role, one.code, one.title, packing.REASONS[found]))
                log("evidence.archived_without", case_id=dossier.case, code=found.code)
            else:
                room = ARCHIVING.package_bytes - sum(known.bytes for known in inside)
                inside.append(await _written(node, box, place, one, *found, room=room))
        if sum(known.bytes for known in inside) > ARCHIVING.package_bytes:
            raise PackageTooLarge
        manifest = packing.manifest(dossier, inside, absent, package=package, node=node.id, term=term, made_at=now)
        await asyncio.to_thread(box.put, packing.MANIFEST, manifest)
        await asyncio.to_thread(box.put, packing.SIGNATURE, await _signature(tx, node, manifest))
        await asyncio.to_thread(box.close)
        return Packed(manifest, len(inside), await asyncio.to_thread(sealing.close))


def repacked(node: Node, before: IO[bytes], more: Mapping[str, bytes], made_at: datetime) -> Sealed:
    """A package with texts added to it, beside the one it was (补进归档包). Blocking. Raises ContentDamaged, NoRoomToPack."""
    sealing = Sealing(queries.content_store(node))
    box = packing.Packing(sealing, made_at)
    try:
        packing.copied(before, box)
        for path, content in more.items():
            box.put(path, content)
        box.close()
        return sealing.close()
    except BaseException:
        _give_up(sealing, box)
        raise


@asynccontextmanager
async def _writing(node: Node, now: datetime) -> AsyncIterator[tuple[Sealing, packing.Packing]]:
    """A zip on its way into the store; whoever leaves by an error leaves nothing."""
    sealing = await asyncio.to_thread(Sealing, queries.content_store(node))
    box = packing.Packing(sealing, now)
    try:
        yield sealing, box
    except BaseException:
        await asyncio.shield(asyncio.to_thread(_give_up, sealing, box))
        raise


def _give_up(sealing: Sealing, box: packing.Packing) -> None:
    sealing.give_up()
    box.give_up()


async def _here(tx: Tx, node: Node, subject: str, one: Enclosed) -> tuple[Material, bytes] | type[Failure]:
    """A file of the case and its key; or why it will not come: it carried a virus, or its node could not give it for `away_days`.

    What may still come, and what is here, is never left out, also when our own store is away: that raises ContentAway.
    """
    try:
        row, secret = await queries.openable(tx, node, subject, one.material)
    except Infected as why:
        return type(why)
    if await asyncio.to_thread(queries.content_store(node).size, row.address) is not None:
        return row, secret
    if row.held or node.clock.now() - row.made_at < timedelta(days=ARCHIVING.away_days):
        raise ContentAway
    return ContentAway


async def _written(node: Node, box: packing.Packing, place: int, one: Enclosed, row: Material, secret: bytes, *, room: int) -> packing.Inside:
    """One file of the case into the package, whole by its address when this returns. Raises ContentAway, ContentDamaged, PackageTooLarge."""
    path = packing.path_of(place, one, row.media_type)
    await asyncio.to_thread(box.begin, path, text=False, byte_count=row.byte_count)
    async with aclosing(queries.opened(node, row.address, secret)) as content:
        async for piece in content:
            room -= len(piece)
            if room < 0:
                raise PackageTooLarge
            await asyncio.to_thread(box.add, piece)
    size, mark = await asyncio.to_thread(box.end)
    scan = "made" if row.origin == "document" else row.scan
    return packing.Inside(path=path, role=one.role, code=one.code, title=one.title, media_type=row.media_type, scan=scan, bytes=size, digest=mark)


async def _signature(tx: Tx, node: Node, manifest: bytes) -> bytes:
    """The node's signature over the manifest with its certificate and the root it chains to, as far as there are (签清单)."""
    name, certificate, anchor = "s1", None, None
    try:
        found = await federation.directory(tx)
        me = found.node(node.id)
        key = me.current("sign") if me else None
        if key is not None and node.keys.has(key.kid.partition("/")[2]):
            name, certificate, anchor = key.kid.partition("/")[2], key.cert, found.anchors[0].cert
    except federation.NotMember:
        pass
    signer = node.keys.signer(name)
    return jcs({
        "kid": signer.kid, "alg": "sm2-sm3", "value": b64(signer.sign(manifest)), "key": b64(signer.public.spki), "certificate": certificate,
        "anchor": anchor,
    })  # fmt: skip
