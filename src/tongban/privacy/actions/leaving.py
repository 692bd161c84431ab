"""What each node does when an account was closed 各节点删除 (privacy.md 7, R-409, T-48).

Heard by letter and kept as a row; proven; sessions ended; apps told; then every holding's `erase` in one transaction with a
leaf, and a receipt to the home. Each step is a row's state, so a kill between two of them loses nothing and repeats nothing.
A legal hold on the person keeps everything; one on a case keeps that case: the rest goes now, the case when the hold ends.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from tongban import federation, identity, transparency
from tongban.kernel.db import Tx, ring
from tongban.kernel.gm import jcs
from tongban.kernel.log import log, log_failure
from tongban.kernel.node import Node
from tongban.privacy.model.closing import LegalHold, Receipt
from tongban.privacy.queries import closing as queries
from tongban.privacy.queries import holds
from tongban.privacy.queries.known import holdings
from tongban.privacy.rules.times import times

BELL = "privacy.closing"
ERASED = "account.erased"
_AGAIN = timedelta(seconds=5)
_HELD_AGAIN = timedelta(hours=12)


class RegisterAway(Exception):
    """The register cannot be asked now: the step is tried again later."""


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """The body of `account.closed` 账号已注销, encrypted to each node; number and phone are for the hub's index alone."""

    id: str
    subject: str
    at: int
    proof: str = ""
    number: str = ""
    phone: str = ""
    guardian: str = ""
    """Who guards a child without an account, for whom the origin is the home; `proof` is theirs."""
    v: int = 1


async def heard(tx: Tx, node: Node, letter: federation.Letter) -> None:
    """The letter `account.closed` of a person's home. Done with, or under way: no effect (the same word twice)."""
    try:
        told = msgspec.convert(letter.body, Told)
    except msgspec.ValidationError:
        log("privacy.letter_malformed", origin=letter.origin, kind=letter.kind)
        return
    await keep(tx, node, letter.origin, told, state="heard")


async def keep(tx: Tx, node: Node, origin: str, told: Told, *, state: str) -> None:
    """Write down that this person's things are to be erased here 记下要删的."""
    if await tx.fetchval("SELECT true FROM left_behind WHERE id = $1", told.id):
        return

    def sealed(group: str, column: str, value: str) -> bytes | None:
        return node.cipher.seal(group, f"leaving.{column}", told.id, value) if value else None

    now = node.clock.now()
    await tx.execute(
        "INSERT INTO leaving (subject, id, origin, state, proof, number, phone, heard_at, said_at, ended_at, next_at, guardian_subject)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, CASE WHEN $4 = 'ended' THEN $8::timestamptz END, $8, $10) ON CONFLICT (id) DO NOTHING",
        told.subject, told.id, origin, state, sealed("identity", "proof", told.proof), sealed("sensitive", "number", told.number),
        sealed("contact", "phone", told.phone), now, datetime.fromtimestamp(told.at / 1000, UTC), told.guardian[:80],
    )  # fmt: skip
    await ring(tx, BELL)


async def advance(node: Node) -> None:
    """The clock: take every waiting row one step on, and on again while there is something to do 往下办."""
    tried: set[tuple[str, str]] = set()
    while True:
        async with node.db.reading() as tx:
            rows = await tx.fetch("SELECT id, state FROM leaving WHERE next_at <= $1 ORDER BY next_at LIMIT 100", node.clock.now())
        fresh = [row for row in rows if (str(row["id"]), row["state"]) not in tried]
        if not fresh:
            return
        for row in fresh:
            tried.add((str(row["id"]), row["state"]))
            try:
                await _step(node, str(row["id"]))
            except Exception as error:  # noqa: BLE001  one that cannot go on now must not hold up the others; it comes again
                log_failure("privacy.leaving_failed", error)
                await _later(node, str(row["id"]))


async def _later(node: Node, closing: str) -> None:
    async with node.db.transaction() as tx:
        tries: int = await tx.fetchval("SELECT tries FROM leaving WHERE id = $1", closing) or 0
        wait = min(timedelta(seconds=30) * 2 ** min(tries, 8), timedelta(hours=2))
        await tx.execute("UPDATE leaving SET tries = tries + 1, next_at = $2 WHERE id = $1", closing, node.clock.now() + wait)


async def _step(node: Node, closing: str) -> None:
    async with node.db.reading() as tx:
        row = await tx.fetchrow("SELECT * FROM leaving WHERE id = $1", closing)
    if row is None:
        return
    if row["state"] == "heard":
        proof = _open(node, row, "identity", "proof")
        # the hub's index needs no proof: only rows that name the origin can go
        true = not row["subject"] or await identity.was_home(node, row["subject"], row["origin"], proof)
        true = true or await _guarded(node, row, proof)
        async with node.db.transaction() as tx:
            await (_end(tx, node, closing) if true else _refuse(tx, node, closing, "not_home"))
        return
    async with node.db.transaction() as tx:
        await _erase(tx, node, closing)


async def _guarded(node: Node, row: Any, proof: str) -> bool:
    """Whether the origin is the home of who guards this child under 14, as the register says itself (T-32, T-88). Raises when it is away."""
    guardian = row["guardian_subject"]
    if not guardian or not await identity.was_home(node, guardian, row["origin"], proof):
        return False
    alone = await identity.guards_alone(node, guardian, row["subject"])
    if alone is None:
        raise RegisterAway
    return alone


async def _locked(tx: Tx, closing: str, state: str) -> Any:
    return await tx.fetchrow("SELECT * FROM leaving WHERE id = $1 AND state = $2 FOR UPDATE", closing, state)


async def _end(tx: Tx, node: Node, closing: str) -> None:
    """Sessions, passkeys and mandates here end now; the erasing waits for the apps to be told."""
    row = await _locked(tx, closing, "heard")
    if row is None:
        return
    if row["subject"]:
        await identity.end_visit(tx, node, row["origin"], row["subject"])
    await tx.execute("UPDATE leaving SET state = 'ended', ended_at = $2, next_at = $2, proof = NULL WHERE id = $1", closing, node.clock.now())


async def _refuse(tx: Tx, node: Node, closing: str, why: str) -> None:
    row = await tx.fetchrow("SELECT * FROM leaving WHERE id = $1 FOR UPDATE", closing)
    if row is not None:
        log("privacy.closing_refused", peer=row["origin"], reason=why)
        await _done(tx, node, row, Receipt(node=node.id, state="refused", counts={}, at=node.clock.now()))


async def _erase(tx: Tx, node: Node, closing: str) -> None:
    """Everything of this person here, in one transaction with its leaf and its receipt 删除."""
    row = await _locked(tx, closing, "ended")
    if row is None:
        return
    subject, now = str(row["subject"]), node.clock.now()
    patience = timedelta(minutes=times().closing.clients_minutes)
    if subject and not await identity.clients_told(tx, subject) and now < row["ended_at"] + patience:
        await tx.execute("UPDATE leaving SET next_at = $2 WHERE id = $1", closing, now + _AGAIN)
        return
    if subject and await identity.came_back(tx, subject, row["origin"], row["said_at"]):
        await _refuse(tx, node, closing, "came_back")
        return
    kept = await holds.touching(tx, node, subject) if subject else ()
    if kept and (row["partly_at"] is not None or any(one.subject for one in kept)):
        await _held(tx, node, row, kept)
        return
    stays = queries.stays_of(await queries.here(tx, subject)) if subject else ()
    counts = await erase_all(tx, node, subject) if subject else {}
    if kept:
        await _partly(tx, node, row, kept, counts, stays)
        return
    counts = {name: counts.get(name, 0) + row["counts"].get(name, 0) for name in (*row["counts"], *counts)}
    number, phone = _open(node, row, "sensitive", "number"), _open(node, row, "contact", "phone")
    if number or phone:
        gone = await identity.forget_home(tx, node, row["origin"], number, phone)
        counts |= {"账号所在地索引": gone} if gone else {}
    leaf = await transparency.append(tx, "privacy.erased", jcs({"id": closing, "node": node.id, "counts": counts, "v": 1}))
    named = transparency.named(leaf.commitment)
    await _done(tx, node, row, Receipt(node=node.id, state="erased", counts=counts, stays=stays, leaf=named, at=now))
    log("privacy.erased", count=sum(counts.values()), origin=row["origin"])


async def _partly(tx: Tx, node: Node, row: Any, kept: tuple[LegalHold, ...], counts: dict[str, int], stays: tuple[str, ...]) -> None:
    """Everything but the held case went 先删其余的: its own leaf, and a receipt that says so unless the hold may not be said."""
    leaf = await transparency.append(
        tx, "privacy.erased_partly", jcs({"id": str(row["id"]), "node": node.id, "counts": counts, "held": len(kept), "v": 1})
    )
    await tx.execute(
        "UPDATE leaving SET partly_at = $2, counts = $3, next_at = $4 WHERE id = $1",
        row["id"], node.clock.now(), counts, node.clock.now() + _HELD_AGAIN,
    )  # fmt: skip
    log("privacy.erased_partly", count=sum(counts.values()), origin=row["origin"])
    shown = [one for one in kept if one.shown]
    if len(shown) == len(kept):  # one that may not be said would show in what is missing from the counts
        await tx.execute("UPDATE leaving SET told_held = true WHERE id = $1", row["id"])
        await _answer(tx, node, row, Receipt(
            node=node.id, state="held", counts=counts, stays=stays, held_until=max(one.until for one in shown),
            leaf=transparency.named(leaf.commitment), at=node.clock.now(),
        ))  # fmt: skip


async def erase_all(tx: Tx, node: Node, subject: str) -> dict[str, int]:
    """Run every holding's `erase` 逐项删除; counts by what the person calls it."""
    await tx.execute("SET LOCAL tongban.retention = 'on'")
    counts: dict[str, int] = {}
    for one in holdings():
        if one.erase is not None:
            gone = await one.erase(tx, node, subject)
            if gone:
                counts[one.title] = counts.get(one.title, 0) + gone
    return counts


async def _held(tx: Tx, node: Node, row: Any, kept: tuple[LegalHold, ...]) -> None:
    """A legal hold keeps it: looked at again when it ends; the home hears of a hold that may be said."""
    await tx.execute("UPDATE leaving SET next_at = $2 WHERE id = $1", row["id"], node.clock.now() + _HELD_AGAIN)
    shown = [one for one in kept if one.shown]
    if shown and not row["told_held"]:
        await tx.execute("UPDATE leaving SET told_held = true WHERE id = $1", row["id"])
        until = max(one.until for one in shown)
        await _answer(tx, node, row, Receipt(node=node.id, state="held", counts=row["counts"], held_until=until, at=node.clock.now()))


async def _done(tx: Tx, node: Node, row: Any, receipt: Receipt) -> None:
    await tx.execute(
        "INSERT INTO left_behind (id, origin, result, done_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        row["id"], row["origin"], receipt.state, node.clock.now(),
    )  # fmt: skip
    await tx.execute("DELETE FROM leaving WHERE id = $1", row["id"])
    await _answer(tx, node, row, receipt)


async def _answer(tx: Tx, node: Node, row: Any, receipt: Receipt) -> None:
    if row["origin"] == node.id:
        await put(tx, str(row["id"]), receipt)
        return
    body = {
        "v": 1, "id": str(row["id"]), "state": receipt.state, "counts": receipt.counts, "stays": list(receipt.stays), "leaf": receipt.leaf,
        "held_until": receipt.held_until.isoformat() if receipt.held_until else "", "at": node.clock.ms(),
    }  # fmt: skip
    await federation.send(tx, node, to=row["origin"], kind=ERASED, about=f"closing:{row['id']}", body=body)


async def put(tx: Tx, closing: str, receipt: Receipt) -> None:
    """A receipt into the person's page 收到回执; what is final stays as it was said first."""
    await tx.execute(
        "UPDATE closing_receipt SET state = $3, counts = $4, stays = $5, held_until = $6, leaf = $7, at = $8"
        " WHERE closing = $1 AND node = $2 AND state IN ('asked', 'held')",
        closing, receipt.node, receipt.state, receipt.counts, list(receipt.stays), receipt.held_until, receipt.leaf, receipt.at,
    )  # fmt: skip


def _open(node: Node, row: Any, group: str, column: str) -> str:
    blob: bytes | None = row[column]
    return "" if blob is None else node.cipher.open(group, f"leaving.{column}", str(row["id"]), blob).reveal()
