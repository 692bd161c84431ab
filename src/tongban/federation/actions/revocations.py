"""Certificate revocation lists of the hub's root 证书撤销列表: issued in the transaction of the directory that revokes (R-801, T-49).

The directory is what nodes believe; the list is for software that only knows X.509.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from tongban.federation.model import Directory
from tongban.federation.rules import directory as rules
from tongban.kernel.db import Tx
from tongban.kernel.gm import crl, x509
from tongban.kernel.node import Node

LIFE: Final = timedelta(days=7)
ROOT_KEY: Final = "root"


async def publish_list(tx: Tx, node: Node, found: Directory) -> int:
    """Write and sign the next list (签发撤销列表): every revoked key whose certificate the root issued; its number. The hub alone."""
    root = x509.read(await tx.fetchval("SELECT cert FROM directory_anchor WHERE how = 'pinned'"))
    named = {entry.kid: entry for entry in found.revoked}
    rows = await tx.fetch("SELECT kid, cert FROM node_key WHERE kid = ANY($1::text[])", list(named))
    entries = [
        crl.RevokedCertificate(
            x509.read(row["cert"]).serial, rules.when(named[row["kid"]].at), crl.REASONS.get(named[row["kid"]].reason, "unspecified")
        )
        for row in rows
    ]
    number = 1 + (await tx.fetchval("SELECT max(number) FROM node_crl") or 0)
    at = node.clock.now()
    der = crl.make(root, node.keys.signer(ROOT_KEY), entries, number=number, at=at, until=at + LIFE)
    await tx.execute(
        "INSERT INTO node_crl (number, der, this_update, next_update, count) VALUES ($1, $2, $3, $4, $5)",
        number, der, int(at.timestamp() * 1000), int((at + LIFE).timestamp() * 1000), len(entries),
    )  # fmt: skip
    await tx.execute("DELETE FROM node_crl WHERE number < $1", number - 10)
    return int(number)


async def keep_fresh(tx: Tx, node: Node, found: Directory) -> bool:
    """A new list when there is none or half of its life is over (定期重签); True when one was issued."""
    newest = await tx.fetchval("SELECT max(this_update) FROM node_crl")
    if newest is not None and rules.when(newest) + LIFE / 2 > datetime.fromtimestamp(node.clock.ms() / 1000, UTC):
        return False
    await publish_list(tx, node, found)
    return True


async def newest_list(tx: Tx) -> bytes | None:
    """The list to serve, DER, or None where none was issued: not a hub."""
    der: bytes | None = await tx.fetchval("SELECT der FROM node_crl ORDER BY number DESC LIMIT 1")
    return der
