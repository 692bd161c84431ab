"""Marks of ended credentials 失效标记: signed by the issuer when a state changes and by the clock, pulled by every node.

With them a verifier that has no network knows a card that ended after its code was made (rules/marks.py says why this and
not the place in a status list).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from tongban import federation
from tongban.credentials.queries.keys import signer_of
from tongban.credentials.rules import marks, record
from tongban.kernel.db import Tx
from tongban.kernel.gm import b64, unb64
from tongban.kernel.node import Node

KIND: Final = "credential.ended"
AGE: Final = timedelta(minutes=30)
"""A list is signed again at least this often: its age says how fresh a verifier's knowledge is."""


async def publish(tx: Tx, node: Node) -> bool:
    """Sign and send this node's list if a state changed since, or the last one is old (发布失效标记); True when it was."""
    await tx.execute("SELECT pg_advisory_xact_lock(hashtext('credential-ended'))")
    count = await tx.fetchval("SELECT count(*) FROM credential WHERE state <> 'valid'")
    newest = await tx.fetchval("SELECT max(state_at) FROM credential WHERE state <> 'valid'")
    old = await tx.fetchrow("SELECT at, count, newest FROM credential_ended WHERE issuer = $1", node.id)
    at = node.clock.now()
    if old is not None:
        same = (old["count"], old["newest"]) == (count, newest) and old["at"].date() == at.date()
        if same and at - old["at"] < AGE:
            return False
        at = max(at, old["at"] + timedelta(milliseconds=1))
    rows = await tx.fetch("SELECT data_signature, state FROM credential WHERE state <> 'valid'")
    body = marks.body(node.id, record.milliseconds(at), ((bytes(row["data_signature"]), row["state"]) for row in rows))
    signer = await signer_of(node)
    signature = signer.sign(body)
    await _keep(tx, node.id, body, signer.kid, signature, count, newest)
    await federation.send(
        tx, node, to="*", kind=KIND, about=f"credential-ended:{node.id}", open=True,
        body={"body": body.decode(), "sig": {"kid": signer.kid, "value": b64(signature)}},
    )  # fmt: skip
    return True


async def receive(tx: Tx, origin: str, body: dict[str, Any]) -> bool:
    """Keep another node's list if it is newer than the one held (收失效标记). Raises ValueError for one not signed by it."""
    text, sig = str(body["body"]).encode(), body["sig"]
    listed = marks.read(text)
    if listed["issuer"] != origin or not str(sig["kid"]).startswith(origin + "/"):
        raise ValueError("marks of another node")
    key, signature = await federation.signing_key(tx, sig["kid"]), unb64(sig["value"], length=64)
    if key is None or not key.verify(text, signature):
        raise ValueError("marks without their issuer's signature")
    return await _keep(tx, origin, text, sig["kid"], signature, 0, None)


async def _keep(tx: Tx, issuer: str, body: bytes, kid: str, signature: bytes, count: int, newest: datetime | None) -> bool:
    at = datetime.fromtimestamp(marks.read(body)["at"] / 1000, UTC)
    done: str = await tx.execute(
        "INSERT INTO credential_ended (issuer, at, body, kid, signature, count, newest) VALUES ($1,$2,$3,$4,$5,$6,$7) "
        "ON CONFLICT (issuer) DO UPDATE SET at = $2, body = $3, kid = $4, signature = $5, count = $6, newest = $7 WHERE credential_ended.at < $2",
        issuer, at, body, kid, signature, count, newest,
    )  # fmt: skip
    return done == "INSERT 0 1"
