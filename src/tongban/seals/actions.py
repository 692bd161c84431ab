"""What is done with seals (制章、用印、作废). Keys stay in the KeyStore; rows hold certificates and pictures only."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Literal

from tongban import federation, transparency
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx
from tongban.kernel.gm import b64, digest, jcs, unb64, x509
from tongban.kernel.ids import uuid7
from tongban.kernel.log import log
from tongban.kernel.node import Node
from tongban.seals.errors import NotOurs, SealGone
from tongban.seals.model import Placement, Seal
from tongban.seals.queries import seal as find
from tongban.seals.rules import picture, ses, signing

SEAL_TYPES = {"official": 1, "approval": 99}
ROOT_KEY, MAKER_KEY = "seal-root", "seal-maker"
_DAYS = 365


async def make_seal(
    tx: Tx,
    node: Node,
    actor: Actor,
    *,
    org_code: str,
    org_name: str,
    kind: Literal["official", "approval"] = "approval",
    name: str = "",
) -> Seal:
    """A new seal of a department with a key of its own, valid a year (制作印章). A log leaf and a row tell of it.

    `name` is what it says; empty: the department's name, with 审批专用章 for `approval`.
    """
    now, number = node.clock.now(), uuid7()
    shown = name or (f"{org_name}审批专用章" if kind == "approval" else org_name)
    key_name = "seal-" + number.replace("-", "")[-11:]
    root, maker = await _maker(tx, node, now)
    key = node.keys.signer(key_name)
    until = min(now + timedelta(days=_DAYS), x509.read(root).not_after)
    certificate = x509.make_leaf(
        x509.read(root), node.keys.signer(ROOT_KEY), public=key.public, common_name=shown, organisation=org_code,
        use="sign", at=now - timedelta(minutes=5), days=_DAYS,
    )  # fmt: skip
    print_png = await asyncio.to_thread(
        picture.draw,
        org_name,
        middle="演示" if node.settings.demo else "电子印章",
        foot="审批专用章" if kind == "approval" else "",
    )
    es_id = f"{node.id}-{number.replace('-', '')}"
    der = ses.make(
        es_id=es_id, name=shown, seal_type=SEAL_TYPES[kind], certificate=certificate, at=now,
        valid_from=now - timedelta(minutes=5), valid_until=min(until, x509.read(certificate).not_after), picture=print_png,
        size_mm=picture.SIZE_MM, maker=maker, maker_key=node.keys.signer(MAKER_KEY),
    )  # fmt: skip
    leaf = await transparency.append(
        tx, "seal.made", jcs({"seal": es_id, "organisation": org_code, "digest": digest(der)})
    )
    facts = ses.read_seal(der)
    made = Seal(
        number, es_id, org_code, org_name, shown, kind, key_name, der, certificate, print_png, "active", facts.made_at,
        facts.valid_from, facts.valid_until,
    )  # fmt: skip
    await tx.execute(
        "INSERT INTO seal (org_code, id, es_id, org_name, name, kind, key_name, der, certificate, picture, state, made_by, made_at, "
        "valid_from, valid_until, leaf) VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,'active',$11,$12,$13,$14,$15)",
        org_code, number, es_id, org_name, shown, kind, key_name, der, certificate, print_png, actor.staff_id or actor.kind,
        made.made_at, made.valid_from, made.valid_until, leaf.id,
    )  # fmt: skip
    log("seals.made", kind=kind)
    return made


async def ensure_seal(
    tx: Tx, node: Node, org_code: str, org_name: str, kind: Literal["official", "approval"] = "approval"
) -> Seal:
    """The department's live seal; on a demo node one is made when there is none (有章用章). Raises NoSeal elsewhere."""
    from tongban.seals.errors import NoSeal
    from tongban.seals.queries import seal_of

    # one department, one seal, also when two first approvals meet
    await tx.execute("SELECT pg_advisory_xact_lock(hashtext('seal:' || $1))", org_code)
    try:
        found = await seal_of(tx, org_code, kind)
        if found.valid_until > node.clock.now():
            return found
        await tx.execute(
            "UPDATE seal SET state = 'revoked', revoked_at = valid_until, revoke_reason = '到期' WHERE org_code = $1 AND id = $2",
            org_code,
            found.id,
        )
    except NoSeal:
        if not node.settings.demo:
            raise
    return await make_seal(
        tx, node, Actor(kind="system", subject="system"), org_code=org_code, org_name=org_name, kind=kind
    )


async def seal_document(
    tx: Tx,
    node: Node,
    seal: Seal,
    ofd: bytes,
    purpose: str,
    *,
    about: str,
    officer: str = "",
    placement: Placement | None = None,
) -> bytes:
    """The document with the seal on it (用印); the use is a row and a log leaf in this transaction.

    `about` is the opaque key of the thing (`case:…`, `credential:…`). Without `placement` the seal stands at the lower
    right of the first page. Raises SealGone for a revoked or outdated seal, NotOurs for a package it cannot seal.
    """
    now = node.clock.now()
    # the row is locked so that no use passes a revocation that has been made
    state = await tx.fetchval(
        "SELECT state FROM seal WHERE org_code = $1 AND id = $2 FOR SHARE", seal.org_code, seal.id
    )
    if state != "active" or not seal.valid_from <= now <= seal.valid_until:
        raise SealGone
    key = node.keys.signer(seal.key_name)
    sealed = await asyncio.to_thread(
        signing.sign_package, ofd, seal=seal.der, certificate=seal.certificate, key=key, at=now,
        placement=placement or Placement(0, 135, 235),
    )  # fmt: skip
    before = digest(ofd)
    leaf = await transparency.append(
        tx,
        "seal.used",
        jcs({"seal": seal.es_id, "purpose": purpose, "about": about, "before": before, "after": digest(sealed)}),
    )
    await tx.execute(
        "INSERT INTO seal_use (seal_id, id, purpose, about, officer, digest, used_at, leaf) VALUES ($1,$2,$3,$4,$5,$6,$7,$8)",
        seal.id, uuid7(), purpose, about, officer or "system", before, now, leaf.id,
    )  # fmt: skip
    return sealed


async def revoke_seal(tx: Tx, node: Node, actor: Actor, seal_id: str, reason: str) -> Seal | None:
    """End a seal now and tell every node (作废印章). Documents sealed from now on are refused; earlier ones stand.

    None when there is no such seal; doing it twice changes nothing.
    """
    found = await find(tx, seal_id)
    if found is None:
        return None
    now = node.clock.now().replace(microsecond=0)
    leaf = await transparency.append(tx, "seal.revoked", jcs({"seal": found.es_id, "at": int(now.timestamp() * 1000)}))
    done = await tx.execute(
        "UPDATE seal SET state = 'revoked', revoked_at = $3, revoked_by = $4, revoke_reason = $5 "
        "WHERE org_code = $1 AND id = $2 AND state = 'active'",
        found.org_code, seal_id, now, actor.staff_id or actor.kind, reason,
    )  # fmt: skip
    if done == "UPDATE 1":
        await tx.execute(
            "INSERT INTO seal_revoked (node, es_id, revoked_at) VALUES ($1,$2,$3) ON CONFLICT DO NOTHING",
            node.id,
            found.es_id,
            now,
        )
        await tell(tx, node)
        log("seals.revoked", leaf=leaf.id)
    return await find(tx, seal_id)


async def tell(tx: Tx, node: Node) -> None:
    """Tell all nodes our root and our revoked seals: one open letter that replaces the one before (公布制章人)."""
    roots = await tx.fetch("SELECT certificate FROM seal_anchor WHERE node = $1", node.id)
    gone = await tx.fetch(
        "SELECT es_id, revoked_at FROM seal_revoked WHERE node = $1 ORDER BY revoked_at DESC LIMIT 2000", node.id
    )
    await federation.send(
        tx, node, to="*", kind="seals.anchor", about=f"seals:{node.id}", open=True,
        body={
            "v": 1,
            "roots": [b64(row["certificate"]) for row in roots],
            "revoked": [{"seal": row["es_id"], "at": int(row["revoked_at"].timestamp() * 1000)} for row in gone],
        },
    )  # fmt: skip


async def learn(tx: Tx, origin: str, at: datetime, body: dict[str, object]) -> None:
    """Take over what another node says of its seals (登记外节点制章人). Raises NotOurs for a body that is none.

    A root once told is kept, so documents sealed under it can be checked for ever.
    """
    roots, gone = body.get("roots"), body.get("revoked")
    if not isinstance(roots, list) or not isinstance(gone, list):
        raise NotOurs("seals.anchor without roots")
    for text in roots:
        certificate = x509.read(unb64(str(text)))
        await tx.execute(
            "INSERT INTO seal_anchor (node, fingerprint, certificate, not_after, told_at) VALUES ($1,$2,$3,$4,$5) ON CONFLICT DO NOTHING",
            origin, "sm3:" + b64(certificate.fingerprint), certificate.der, certificate.not_after, at,
        )  # fmt: skip
    for one in gone:
        await tx.execute(
            "INSERT INTO seal_revoked (node, es_id, revoked_at) VALUES ($1,$2,to_timestamp($3::bigint / 1000.0)) ON CONFLICT DO NOTHING",
            origin, str(one["seal"]), int(one["at"]),
        )  # fmt: skip


async def set_up(node: Node) -> None:
    """This node's root of seal makers, made once and told to all (制章根). Idempotent."""
    async with node.db.transaction() as tx:
        if (
            await tx.fetchval("SELECT 1 FROM seal_anchor WHERE node = $1 AND not_after > $2", node.id, node.clock.now())
            is None
        ):
            await _maker(tx, node, node.clock.now())
            await tell(tx, node)


async def _maker(tx: Tx, node: Node, now: datetime) -> tuple[bytes, bytes]:
    """Our root and a certificate for our seal maker's key that is valid now."""
    await tx.execute("SELECT pg_advisory_xact_lock(hashtext('seal-root'))")
    root = await tx.fetchval(
        "SELECT certificate FROM seal_anchor WHERE node = $1 AND not_after > $2 ORDER BY told_at DESC LIMIT 1",
        node.id,
        now,
    )
    if root is None:
        root = x509.make_root(
            node.keys.signer(ROOT_KEY), common_name=f"{node.id} seal root", organisation=node.settings.organisation,
            at=now - timedelta(minutes=5),
        )  # fmt: skip
        certificate = x509.read(root)
        await tx.execute(
            "INSERT INTO seal_anchor (node, fingerprint, certificate, not_after, told_at) VALUES ($1,$2,$3,$4,$5) ON CONFLICT DO NOTHING",
            node.id, "sm3:" + b64(certificate.fingerprint), root, certificate.not_after, now,
        )  # fmt: skip
    maker = x509.make_leaf(
        x509.read(root), node.keys.signer(ROOT_KEY), public=node.keys.signer(MAKER_KEY).public,
        common_name=f"{node.id} seal maker", organisation=node.settings.organisation, use="sign", at=now - timedelta(minutes=5),
    )  # fmt: skip
    return root, maker
