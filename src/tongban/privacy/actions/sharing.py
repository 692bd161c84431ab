"""Answering the home of a person who wants a copy 答归属地要副本: made by a clock, fetched in pieces, forgotten when fetched.

Only the home gets an answer, by the register's statement (T-22, T-32); the ledger line stands at both ends (privacy.md 6, 7).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

import msgspec

from tongban import consent, federation, identity
from tongban.kernel.db import ring
from tongban.kernel.gm import b64
from tongban.kernel.ids import is_uuid
from tongban.kernel.log import log, log_failure
from tongban.kernel.node import Node
from tongban.privacy.actions.collecting import collect
from tongban.privacy.actions.pieces import Pieces, drop_pieces
from tongban.privacy.queries.copies import count_of, pieces
from tongban.privacy.rules.limits import COPIES

SERVICE: Final = "privacy.copy"
BELL: Final = "privacy.copies"
AT_ONCE: Final = 8
"""Pieces in one answer: two megabytes."""
_LATEST: Final = 6
_BEHIND: Final = timedelta(minutes=15)


class Taken(msgspec.Struct, frozen=True):
    """What the ledger line of a copy says, the same at both ends (要副本的一行台账): `place` as the home calls the source."""

    subject: str
    line: str
    at: datetime
    place: str
    guardian: bool = False
    """A guardian asks for a child."""

    def access(self, source: str, receiver: str, side: Literal["owner", "caller", "local"]) -> consent.Access:
        """The line as one end writes it."""
        return consent.Access(
            subject=self.subject, kind="view", who="监护人" if self.guardian else consent.ONESELF, fields=(f"{self.place}存的信息的副本",),
            purpose="监护人替孩子留一份" if self.guardian else "给自己留一份", source=source, receiver=receiver,
            basis="监护人申请（个人信息保护法第三十一条）" if self.guardian else "你自己申请", id=self.line, at=self.at, side=side,
        )  # fmt: skip


async def answer(node: Node, caller: str, body: dict[str, Any]) -> dict[str, Any]:
    """`privacy.copy` {v, subject, proof, guardian, request, whole, line, at, place, from, done}: the state of this node's part, and pieces of it.

    Fallback of the caller: the node is named in the copy as missing. Raises CallRefused 400 `malformed`, 403 `no_grant` for a
    node that is not the home.
    """
    try:
        subject, request, line, place = str(body["subject"]), str(body["request"]), str(body["line"]), str(body["place"])[:80]
        whole, first = body["whole"] is True, int(body["from"])
        at = datetime.fromtimestamp(int(body["at"]) / 1000, UTC)
    except (KeyError, TypeError, ValueError, OverflowError):
        raise federation.CallRefused(400, "malformed") from None
    if body.get("v") != 1 or not (is_uuid(request) and is_uuid(line)) or not 1 <= len(subject) <= 80 or abs(at - node.clock.now()) > timedelta(
        hours=COPIES.longest_hours
    ) + _BEHIND:
        raise federation.CallRefused(400, "malformed")
    guardian = str(body.get("guardian", ""))[:80]
    if caller == node.id or not await _may_ask(node, caller, subject, guardian, str(body.get("proof", "")), request):
        log("privacy.copy_not_from_home", peer=caller)
        raise federation.CallRefused(403, "no_grant")
    if body.get("done") is True:
        async with node.db.transaction() as tx:
            if await tx.fetchval("DELETE FROM copy_share WHERE subject = $1 AND request = $2 AND home = $3 RETURNING 1", subject, request, caller):
                await drop_pieces(tx, subject, request, node.id)
        return {"v": 1, "state": "gone"}
    async with node.db.transaction() as tx:
        share = await tx.fetchrow("SELECT * FROM copy_share WHERE subject = $1 AND request = $2", subject, request)
        if share is None:
            await tx.execute("SELECT pg_advisory_xact_lock(hashtext('privacy-share:' || $1))", subject)
            if await tx.fetchval("SELECT count(*) FROM copy_share WHERE subject = $1", subject) >= _LATEST:
                raise federation.CallRefused(429, "quota")
            await consent.record_access(tx, node, Taken(subject, line, at, place, bool(guardian)).access(node.id, caller, "owner"))
            now = node.clock.now()
            await tx.execute(
                "INSERT INTO copy_share (subject, request, home, whole, state, asked_at, next_at, ends_at)"
                " VALUES ($1, $2, $3, $4, 'preparing', $5, $5, $6) ON CONFLICT DO NOTHING",
                subject, request, caller, whole, now, now + timedelta(hours=COPIES.share_hours),
            )  # fmt: skip
            await ring(tx, BELL)
            return {"v": 1, "state": "preparing"}
        if share["home"] != caller or share["whole"] != whole:
            raise federation.CallRefused(403, "no_grant")
        if share["state"] != "ready":
            return {"v": 1, "state": "preparing"}
        count, total = await count_of(tx, subject, request, node.id)
    told = []
    async for piece in pieces(node, subject, request, node.id, after=first - 1):
        told.append(b64(piece))
        if len(told) == AT_ONCE:
            break
    return {"v": 1, "state": "ready", "byte_count": total, "count": count, "from": first, "pieces": told}


async def _may_ask(node: Node, caller: str, subject: str, guardian: str, proof: str, request: str) -> bool:
    """The home of the person; or the home of who guards a child under 14, as the register says itself (T-32, T-88).

    The register is asked once a copy: what comes after is about the share that was begun then, for the same home.
    """
    if await identity.is_home(node, subject, caller, proof):
        return True
    async with node.db.reading() as tx:
        if await tx.fetchval("SELECT true FROM copy_share WHERE subject = $1 AND request = $2 AND home = $3", subject, request, caller):
            return True
    return bool(guardian) and await identity.is_home(node, guardian, caller, proof) and await identity.guards_alone(node, guardian, subject) is True


async def make_shares(node: Node) -> None:
    """Make what homes have asked for (做好给出的一份), one after the other. Cut off anywhere, it is made anew from the start."""
    while True:
        async with node.db.reading() as tx:
            row = await tx.fetchrow(
                "SELECT subject, request, whole, tries FROM copy_share WHERE state = 'preparing' AND next_at <= $1 ORDER BY asked_at LIMIT 1",
                node.clock.now(),
            )
            if row is None:
                return
            subject, request = row["subject"], str(row["request"])
            if not await tx.fetchval("SELECT pg_try_advisory_lock(hashtext('privacy-share'), hashtext($1))", request):
                return  # another process of this node makes it
            try:
                await _make(node, subject, request, whole=row["whole"], tries=row["tries"])
            finally:
                await tx.execute("SELECT pg_advisory_unlock(hashtext('privacy-share'), hashtext($1))", request)


async def _make(node: Node, subject: str, request: str, *, whole: bool, tries: int) -> None:
    async with node.db.transaction() as tx:
        await drop_pieces(tx, subject, request, node.id)
    try:
        size = await collect(node, subject, Pieces(node, subject, request, node.id), whole=whole)
    except Exception as error:  # noqa: BLE001  the clock goes on with the next one; this is tried again later
        log_failure("privacy.share_failed", error, count=tries)
        async with node.db.transaction() as tx:
            await tx.execute(
                "UPDATE copy_share SET tries = tries + 1, next_at = $3 WHERE subject = $1 AND request = $2",
                subject, request, node.clock.now() + timedelta(seconds=2 ** min(tries + 2, 9)),
            )  # fmt: skip
        return
    async with node.db.transaction() as tx:
        await tx.execute(
            "UPDATE copy_share SET state = 'ready', byte_count = $3 WHERE subject = $1 AND request = $2", subject, request, size
        )
    log("privacy.share_made", bytes=size)
