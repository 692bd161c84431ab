"""Using a seal (用印): the document gets the seal, and in the same transaction the use is a row and a leaf.

What this verb gives back may leave the node only when the caller's transaction, which holds row and leaf, has committed: kill the
node at any point and either nothing happened or everything did.
"""

from __future__ import annotations

import asyncio
from datetime import datetime

from tongban import transparency
from tongban.kernel.db import Tx
from tongban.kernel.gm import digest
from tongban.kernel.ids import uuid7
from tongban.kernel.node import Node
from tongban.seals import queries
from tongban.seals.actions.trust import clock_of, pdf_root
from tongban.seals.errors import SealGone, SealSuspended, SecondNeeded
from tongban.seals.model import Format, Placement, Seal
from tongban.seals.rules import p256, paper, signing

LOWER_RIGHT = Placement(0, 135, 235)


async def seal_document(
    tx: Tx,
    node: Node,
    seal: Seal,
    ofd: bytes,
    purpose: str,
    *,
    about: str,
    officer: str = "",
    second: str = "",
    placement: Placement | None = None,
    request: str | None = None,
) -> bytes:
    """The OFD with the seal on it (用印); the use is a row and a log leaf in this transaction.

    `about` is the opaque key of the thing (`case:…`, `credential:…`); `officer` and `second` are staff numbers. Without
    `placement` the seal stands at the lower right of the first page. Raises SealGone for a revoked or outdated seal,
    SealSuspended, SecondNeeded when the seal asks for two, NotOurs for a package it cannot seal.
    """
    now = await _usable(tx, node, seal, officer, second)
    clock = await clock_of(tx, node, now)
    sealed = await asyncio.to_thread(
        signing.sign_package, ofd, seal=seal.der, certificate=seal.certificate, key=node.keys.signer(seal.key_name), at=now,
        placement=placement or LOWER_RIGHT, clock=clock,
    )  # fmt: skip
    await _used(tx, seal, "ofd", ofd, sealed, purpose, about, officer, second, now, request)
    return sealed


async def seal_pdf(
    tx: Tx,
    node: Node,
    seal: Seal,
    pdf: bytes,
    purpose: str,
    *,
    about: str,
    officer: str = "",
    second: str = "",
    placement: Placement | None = None,
    request: str | None = None,
) -> bytes:
    """The PDF with the seal on it (PDF 用印): PAdES B-T, P-256, our time stamp. As `seal_document` in all else."""
    now = await _usable(tx, node, seal, officer, second)
    clock = await clock_of(tx, node, now)
    root, _ = await pdf_root(tx, node, now)
    key, certificate = await _pdf_key(tx, node, seal, now)
    means = paper.Means(seal.name, key, certificate, root, seal.picture, clock)
    sealed = await asyncio.to_thread(
        paper.sign_pdf, pdf, means, purpose=purpose, at=now, placement=placement or LOWER_RIGHT
    )
    await _used(tx, seal, "pdf", pdf, sealed, purpose, about, officer, second, now, request)
    return sealed


async def _usable(tx: Tx, node: Node, seal: Seal, officer: str, second: str) -> datetime:
    """The moment of use. The row is locked, so that no use passes a suspension or revocation that has been made."""
    now = node.clock.now()
    row = await tx.fetchrow(
        "SELECT state, two_persons FROM seal WHERE org_code = $1 AND id = $2 FOR SHARE", seal.org_code, seal.id
    )
    if row is None:
        raise SealGone
    must_stand(row["state"], seal, now)
    if row["two_persons"] and (not officer or not second or officer == second):
        raise SecondNeeded
    return now


def must_stand(state: str, seal: Seal, now: datetime) -> None:
    """That a seal in this state may be used at this moment (印章能不能用). Raises SealSuspended, SealGone."""
    if state == "suspended":
        raise SealSuspended
    if state != "active" or not seal.valid_from <= now <= seal.valid_until:
        raise SealGone


async def _pdf_key(tx: Tx, node: Node, seal: Seal, now: datetime) -> tuple[p256.P256Key, bytes]:
    """The seal's P-256 key and certificate, made at its first use on a PDF and kept."""
    key = p256.P256Key(node.keys.secret("pdf-" + seal.key_name.removeprefix("seal-")))
    find = "SELECT pdf_certificate FROM seal WHERE org_code = $1 AND id = $2"
    certificate: bytes | None = await tx.fetchval(find, seal.org_code, seal.id)
    if certificate is None:
        await tx.execute("SELECT pg_advisory_xact_lock(hashtext('seal-pdf:' || $1))", seal.es_id)
        certificate = await tx.fetchval(find, seal.org_code, seal.id)
    if certificate is None:
        root, root_key = await pdf_root(tx, node, now)
        certificate = p256.make_leaf(
            root, root_key, public=key.public, common_name=seal.name, organisation=seal.org_name, use="seal", begins=seal.valid_from,
            ends=seal.valid_until, es_id=seal.es_id,
        )  # fmt: skip
        await tx.execute(
            "UPDATE seal SET pdf_certificate = $3 WHERE org_code = $1 AND id = $2", seal.org_code, seal.id, certificate
        )
    return key, certificate


async def _used(
    tx: Tx, seal: Seal, kind: Format, before: bytes, after: bytes, purpose: str, about: str, officer: str, second: str,
    now: datetime, request: str | None,
) -> None:  # fmt: skip
    first, last = digest(before), digest(after)
    fact = queries.use_fact(seal.es_id, purpose, about, first, last, kind, officer, second)
    leaf = await transparency.append(tx, "seal.used", fact)
    await tx.execute(
        "INSERT INTO seal_use (seal_id, id, purpose, about, officer, digest, used_at, leaf, format, second, sealed_digest, request) "
        "VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12)",
        seal.id, uuid7(), purpose, about, officer or queries.SYSTEM_USE, first, now, leaf.id, kind, second, last, request,
    )  # fmt: skip
