"""Whom to trust for seals (制章信任): our roots and our clock, and what the nodes tell each other of theirs.

A node speaks only of its own seals: what it says of another's is not taken (a genuine node may lie).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from weakref import WeakKeyDictionary

from tongban import federation
from tongban.kernel.db import Tx
from tongban.kernel.gm import b64, unb64, x509
from tongban.kernel.log import log
from tongban.kernel.node import Node
from tongban.seals.errors import NotOurs
from tongban.seals.rules import p256
from tongban.seals.rules.stamp import Clock

ROOT_KEY, MAKER_KEY = "seal-root", "seal-maker"
PDF_ROOT_KEY, CLOCK_KEY = "seal-pdf-root", "seal-clock"
_CLOCK_DAYS = 398
_STATES = frozenset({"suspended", "revoked", "lost", "expired"})
_MOST = 900
"""Rows of each kind in a letter, which stays under the 256 KiB that a letter may have."""
_clocks: WeakKeyDictionary[Node, tuple[Clock, datetime]] = WeakKeyDictionary()


async def sm2_maker(tx: Tx, node: Node, now: datetime) -> tuple[bytes, bytes]:
    """Our SM2 root and a certificate for our seal maker's key that is valid now (制章人)."""
    await tx.execute("SELECT pg_advisory_xact_lock(hashtext('seal-root'))")
    root = await tx.fetchval(
        "SELECT certificate FROM seal_anchor WHERE node = $1 AND not_after > $2 ORDER BY told_at DESC LIMIT 1", node.id, now
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


async def pdf_root(tx: Tx, node: Node, now: datetime) -> tuple[bytes, p256.P256Key]:
    """Our P-256 root and its key (PDF 制章根), made on first use; whoever makes it tells the others."""
    key = p256.P256Key(node.keys.secret(PDF_ROOT_KEY))
    find = "SELECT certificate FROM seal_pdf_anchor WHERE node = $1 AND not_after > $2 ORDER BY told_at DESC LIMIT 1"
    root = await tx.fetchval(find, node.id, now)
    if root is None:
        await tx.execute("SELECT pg_advisory_xact_lock(hashtext('seal-pdf-root'))")
        root = await tx.fetchval(find, node.id, now)
    if root is None:
        root = p256.make_root(
            key, common_name=f"{node.id} pdf seal root", organisation=node.settings.organisation, at=now - timedelta(minutes=5)
        )
        await tx.execute(
            "INSERT INTO seal_pdf_anchor (node, fingerprint, certificate, not_after, told_at) VALUES ($1,$2,$3,$4,$5)",
            node.id, p256.fingerprint(root), root, p256.not_after(root), now,
        )  # fmt: skip
        await tell(tx, node)
    return root, key


async def clock_of(tx: Tx, node: Node, now: datetime) -> Clock:
    """The clock that stamps at this node (时间戳服务); its certificate is made anew at each start and once a year."""
    held = _clocks.get(node)
    if held is not None and held[1] > now + timedelta(days=1):
        return held[0]
    root, root_key = await pdf_root(tx, node, now)
    key, ends = p256.P256Key(node.keys.secret(CLOCK_KEY)), now + timedelta(days=_CLOCK_DAYS)
    certificate = p256.make_leaf(
        root, root_key, public=key.public, common_name=f"{node.id} seal clock", organisation=node.settings.organisation, use="stamp",
        begins=now - timedelta(minutes=5), ends=ends,
    )  # fmt: skip
    clock = Clock(key, certificate)
    _clocks[node] = (clock, min(ends, p256.not_after(certificate)))
    return clock


async def tell(tx: Tx, node: Node, es_id: str = "") -> None:
    """Tell all nodes our roots, and of a seal all states of its shelf (公布): one open letter, which says again what stood before.

    A shelf holds the seals whose numbers end alike, a 256th of all: a letter stays small however many seals a node has ended, and
    whoever joins later learns each shelf from its newest letter.
    """
    roots = await tx.fetch("SELECT certificate FROM seal_anchor WHERE node = $1", node.id)
    pdf_roots = await tx.fetch("SELECT certificate FROM seal_pdf_anchor WHERE node = $1", node.id)
    shelf = es_id[-2:]
    gone = await tx.fetch(
        "SELECT es_id, revoked_at FROM seal_revoked WHERE node = $1 AND right(es_id, 2) = $2 ORDER BY revoked_at DESC LIMIT $3", node.id, shelf, _MOST
    )
    states = await tx.fetch(
        "SELECT es_id, state, begins, ends FROM seal_status WHERE node = $1 AND right(es_id, 2) = $2 ORDER BY begins DESC LIMIT $3",
        node.id, shelf, _MOST,
    )  # fmt: skip
    await federation.send(
        tx, node, to="*", kind="seals.anchor", about=f"seals:{node.id}" + (f":{shelf}" if shelf else ""), open=True,
        body={
            "v": 1,
            "roots": [b64(row["certificate"]) for row in roots],
            "pdf_roots": [b64(row["certificate"]) for row in pdf_roots],
            "revoked": [{"seal": row["es_id"], "at": _ms(row["revoked_at"])} for row in gone],
            "states": [
                {"seal": row["es_id"], "state": row["state"], "from": _ms(row["begins"])}
                | ({"to": _ms(row["ends"])} if row["ends"] else {})
                for row in states
            ],
        },
    )  # fmt: skip


async def learn(tx: Tx, origin: str, at: datetime, body: dict[str, object]) -> None:
    """Take over what another node says of its seals (登记外节点制章人). Raises NotOurs for a body that is none.

    A root once told is kept, so documents sealed under it can be checked for ever. Seals of other nodes are left out.
    """
    roots, gone = body.get("roots"), body.get("revoked")
    pdf_roots, states = body.get("pdf_roots", []), body.get("states", [])
    if not all(isinstance(one, list) for one in (roots, gone, pdf_roots, states)):
        raise NotOurs("seals.anchor without roots")
    for text in roots:  # type: ignore[attr-defined]
        certificate = x509.read(unb64(str(text)))
        await tx.execute(
            "INSERT INTO seal_anchor (node, fingerprint, certificate, not_after, told_at) VALUES ($1,$2,$3,$4,$5) ON CONFLICT DO NOTHING",
            origin, "sm3:" + b64(certificate.fingerprint), certificate.der, certificate.not_after, at,
        )  # fmt: skip
    for text in pdf_roots:  # type: ignore[attr-defined]
        der = unb64(str(text))
        await tx.execute(
            "INSERT INTO seal_pdf_anchor (node, fingerprint, certificate, not_after, told_at) VALUES ($1,$2,$3,$4,$5) ON CONFLICT DO NOTHING",
            origin, p256.fingerprint(der), der, p256.not_after(der), at,
        )  # fmt: skip
    for one in _own(origin, gone):
        await tx.execute(
            "INSERT INTO seal_revoked (node, es_id, revoked_at) VALUES ($1,$2,to_timestamp($3::bigint / 1000.0)) ON CONFLICT DO NOTHING",
            origin, str(one["seal"]), int(one["at"]),
        )  # fmt: skip
    for one in _own(origin, states):
        if one["state"] in _STATES:
            await tx.execute(
                "INSERT INTO seal_status (node, es_id, begins, state, ends) "
                "VALUES ($1,$2,to_timestamp($3::bigint / 1000.0),$4,to_timestamp($5::bigint / 1000.0)) "
                "ON CONFLICT (node, es_id, begins, state) DO UPDATE SET ends = excluded.ends",
                origin, str(one["seal"]), int(one["from"]), str(one["state"]), int(one["to"]) if "to" in one else None,
            )  # fmt: skip


async def told_again(tx: Tx, node: Node, at: datetime, body: dict[str, object]) -> None:
    """Our own letter came home after a restore (补回): a seal that was ended or suspended is so again, with the moments told."""
    await learn(tx, node.id, at, body)
    await tx.execute(
        "UPDATE seal s SET state = 'revoked', revoked_at = r.revoked_at, revoke_reason = '恢复数据后补记', end_kind = coalesce((SELECT t.state FROM"
        " seal_status t WHERE t.node = r.node AND t.es_id = r.es_id AND t.state <> 'suspended' LIMIT 1), 'revoked')"
        " FROM seal_revoked r WHERE r.node = $1 AND r.es_id = s.es_id AND s.state <> 'revoked'",
        node.id,
    )  # fmt: skip
    stopped = "EXISTS (SELECT FROM seal_status t WHERE t.node = $1 AND t.es_id = s.es_id AND t.state = 'suspended' AND t.ends IS NULL)"
    await tx.execute(f"UPDATE seal s SET state = 'suspended', suspended_at = $2 WHERE s.state = 'active' AND {stopped}", node.id, at)
    await tx.execute(
        f"UPDATE seal s SET state = 'active', suspended_at = NULL, suspended_by = '' WHERE s.state = 'suspended' AND NOT {stopped}", node.id
    )


def _own(origin: str, said: object) -> list[dict[str, Any]]:
    """What is said of the node's own seals; the rest is left out and noted."""
    rows = [one for one in said if isinstance(one, dict)] if isinstance(said, list) else []
    own = [one for one in rows if str(one.get("seal", "")).startswith(f"{origin}-")]
    if len(own) < len(rows):
        log("seals.foreign_seal_named", node=origin, count=len(rows) - len(own))
    return own


async def set_up(node: Node) -> None:
    """This node's roots of seal makers, made once and told to all (制章根). Idempotent."""
    async with node.db.transaction() as tx:
        now = node.clock.now()
        have = "SELECT 1 FROM seal_anchor WHERE node = $1 AND not_after > $2"
        if await tx.fetchval(have, node.id, now) is None:
            await sm2_maker(tx, node, now)
            await tell(tx, node)
        await pdf_root(tx, node, now)


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
