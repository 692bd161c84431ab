"""States and status lists (证照状态): suspend, resume, revoke, cancel; a signed list that every node pulls.

A list holds exceptions only, so issuing changes nothing in it; a change of state is one transaction with the new list's
letter and the log leaf. Lists are signed again by the clock, so that their age says how fresh our knowledge is.
"""

from __future__ import annotations

import secrets
import zlib
from datetime import UTC, datetime, timedelta
from typing import Any

from tongban import federation, transparency
from tongban.credentials.actions import prints
from tongban.credentials.errors import CardGone
from tongban.credentials.model import Credential, State
from tongban.credentials.queries.credentials import credential as find
from tongban.credentials.queries.keys import signer_of
from tongban.credentials.rules import record
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx
from tongban.kernel.errors import Failure
from tongban.kernel.gm import b64, jcs, unb64
from tongban.kernel.ids import uuid7
from tongban.kernel.node import Node


class StateRefused(Failure):
    """The state does not allow this change (现在的状态不能这样改)."""

    code = "credentials.state_refused"
    status = 409

    def __init__(self) -> None:
        super().__init__(sentence="这张证照现在的状态不能这样改", todo="刷新看看现在的状态", ask="本单位证照管理员")


async def suspend(tx: Tx, node: Node, actor: Actor, subject: str, credential_id: str, reason: str) -> Credential:
    """Put a valid credential out of use for a time (暂扣). Raises CardGone, StateRefused."""
    return await change(tx, node, actor, subject, credential_id, "suspend", "suspended", reason, {"valid"})


async def resume(tx: Tx, node: Node, actor: Actor, subject: str, credential_id: str, reason: str) -> Credential:
    """Put a suspended credential into use again (恢复). Raises CardGone, StateRefused."""
    return await change(tx, node, actor, subject, credential_id, "resume", "valid", reason, {"suspended"})


async def revoke(tx: Tx, node: Node, actor: Actor, subject: str, credential_id: str, reason: str) -> Credential:
    """End a credential against its holder (撤销); a paper on order is stopped. Raises CardGone, StateRefused."""
    return await change(tx, node, actor, subject, credential_id, "revoke", "revoked", reason, {"valid", "suspended"})


async def cancel(tx: Tx, node: Node, actor: Actor, subject: str, credential_id: str, reason: str) -> Credential:
    """End a credential at its holder's wish or because a newer one stands for it (注销). Raises CardGone, StateRefused."""
    return await change(tx, node, actor, subject, credential_id, "cancel", "cancelled", reason, {"valid", "suspended"})


async def change(
    tx: Tx,
    node: Node,
    actor: Actor,
    subject: str,
    credential_id: str,
    operation: str,
    state: State,
    reason: str,
    allowed: set[str],
) -> Credential:
    """One change of state: row, history, leaf, list and letter together."""
    row = await tx.fetchrow(
        "SELECT state, list_no, list_index FROM credential WHERE subject = $1 AND id = $2 FOR UPDATE",
        subject,
        credential_id,
    )
    if row is None:
        raise CardGone
    if row["state"] != state:
        if row["state"] not in allowed:
            raise StateRefused
        now = node.clock.now()
        leaf = await transparency.append(
            tx,
            "credential.state",
            jcs({"credential": credential_id, "operation": operation, "at": record.milliseconds(now)}),
        )
        await tx.execute(
            "UPDATE credential SET state = $3, state_at = $4 WHERE subject = $1 AND id = $2",
            subject,
            credential_id,
            state,
            now,
        )
        await tx.execute(
            "INSERT INTO credential_event (subject, credential, id, operation, state, officer, reason, at, leaf) "
            "VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9)",
            subject, credential_id, uuid7(), operation, state, actor.staff_id or actor.kind, reason, now, leaf.id,
        )  # fmt: skip
        await _publish(tx, node, row["list_no"], {row["list_index"]: state})
        if state != "valid":
            await prints.ask_cancel(tx, node, credential_id)
    found = await find(tx, node, subject, credential_id)
    if found is None:
        raise CardGone
    return found


async def place(tx: Tx) -> tuple[int, int]:
    """A free random place in this node's newest list (取状态位): neighbours in a list say nothing about each other."""
    newest = await tx.fetchval("SELECT coalesce(max(list_no), 1) FROM credential_place")
    for list_no in (newest, newest + 1):
        for _ in range(12):
            index = secrets.randbelow(record.PLACES)
            done = await tx.execute(
                "INSERT INTO credential_place (list_no, list_index) VALUES ($1,$2) ON CONFLICT DO NOTHING",
                list_no,
                index,
            )
            if done == "INSERT 0 1":
                return list_no, index
    raise Failure("credentials.list_full", status=503, retry_after=5)


async def publish_if_missing(tx: Tx, node: Node, list_no: int) -> None:
    """Make the list known before its first credential is (新开清单)."""
    if await tx.fetchval("SELECT 1 FROM credential_list WHERE issuer = $1 AND list_no = $2", node.id, list_no) is None:
        await _publish(tx, node, list_no, {})


async def refresh_lists(tx: Tx, node: Node, older_than: timedelta) -> int:
    """Sign again each of this node's lists that is older (刷新清单); gives how many."""
    rows = await tx.fetch(
        "SELECT list_no FROM credential_list WHERE issuer = $1 AND at < $2 ORDER BY list_no",
        node.id,
        node.clock.now() - older_than,
    )
    for row in rows:
        await _publish(tx, node, row["list_no"], {})
    return len(rows)


async def _publish(tx: Tx, node: Node, list_no: int, changes: dict[int, State]) -> None:
    # one writer a list: the next `at` is always later than the one before
    await tx.execute("SELECT pg_advisory_xact_lock(hashtext('credential-list'), $1)", list_no)
    old = await tx.fetchrow("SELECT at, bits FROM credential_list WHERE issuer = $1 AND list_no = $2", node.id, list_no)
    packed = old["bits"] if old else zlib.compress(b"", 9)
    for index, state in changes.items():
        packed = record.with_state(packed, index, state)
    at = _millis(node.clock.now())
    if old is not None and at <= old["at"]:
        at = old["at"] + timedelta(milliseconds=1)
    signer = await signer_of(node)
    body = record.list_record(node.id, list_no, at, packed)
    signature = signer.sign(jcs(body))
    await tx.execute(
        "INSERT INTO credential_list (issuer, list_no, at, bits, kid, signature) VALUES ($1,$2,$3,$4,$5,$6) "
        "ON CONFLICT (issuer, list_no) DO UPDATE SET at = $3, bits = $4, kid = $5, signature = $6",
        node.id, list_no, at, packed, signer.kid, signature,
    )  # fmt: skip
    await federation.send(
        tx, node, to="*", kind="credential.status_list", about=f"status-list:{node.id}:{list_no}", open=True,
        body={"list": body, "sig": {"kid": signer.kid, "value": b64(signature)}},
    )  # fmt: skip


async def receive_list(tx: Tx, origin: str, body: dict[str, Any]) -> bool:
    """Keep another node's list if it is newer than the one held (收状态清单). Raises ValueError for one not signed by it."""
    signed, sig = body["list"], body["sig"]
    if signed["issuer"] != origin or not str(sig["kid"]).startswith(origin + "/"):
        raise ValueError("a status list of another node")
    key = await federation.signing_key(tx, sig["kid"])
    if key is None or not key.verify(jcs(signed), unb64(sig["value"], length=64)):
        raise ValueError("a status list without its issuer's signature")
    packed = unb64(signed["bits"])
    record.unpack(packed)
    at = datetime.fromtimestamp(int(signed["at"]) / 1000, UTC)
    done: str = await tx.execute(
        "INSERT INTO credential_list (issuer, list_no, at, bits, kid, signature) VALUES ($1,$2,$3,$4,$5,$6) "
        "ON CONFLICT (issuer, list_no) DO UPDATE SET at = $3, bits = $4, kid = $5, signature = $6 WHERE credential_list.at < $3",
        origin, int(signed["list"]), at, packed, sig["kid"], unb64(sig["value"], length=64),
    )  # fmt: skip
    return done.endswith("1")


def _millis(moment: datetime) -> datetime:
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
