"""What closing an account means for signing in 注销时登录的一面 (privacy.md 7, R-409): ended at home, at visited nodes, at hub and register.

`privacy` decides when; these verbs end sessions, authenticators and mandates, and never delete: the holdings do that afterwards,
when the clients have been told. Only the home's word ends anything elsewhere (T-32).
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from tongban.identity.actions import (
    acting,
    client_logout,
    ending,
    introduce,
    mandates,
    move,
    provider_refresh,
    sessions,
)
from tongban.identity.actions.home_proof import is_home
from tongban.identity.actions.subjects import statement_of
from tongban.identity.queries import mandates as mandate_rows
from tongban.identity.queries import persons
from tongban.identity.rules.home import REGISTER_NODE
from tongban.kernel.actor import BY_LAW
from tongban.kernel.db import Tx, ring
from tongban.kernel.node import Node

REASON, DIED = "closed", "died"


class ClosedAccount(msgspec.Struct, frozen=True, kw_only=True):
    """What is needed to tell the others 要告诉别处的: `number` and `phone` for the hub's index alone, `proof` the register's statement."""

    subject: str
    number: str
    phone: str
    proof: str


class Ties(msgspec.Struct, frozen=True, kw_only=True):
    """Who hangs on this account 代办和企业: counts, and the companies by name."""

    given: int
    taken: int
    companies: tuple[str, ...]


async def ties(tx: Tx, node: Node, subject: str) -> Ties:
    """Mandates given and taken, and companies the person represents by the register 我给的、我接的、我名下的企业."""
    given = [one for one in await mandate_rows.given(tx, node, subject) if one.state in {"offered", "active"} and one.basis not in BY_LAW]
    taken = await mandate_rows.usable(tx, node, subject)
    return Ties(
        given=len(given), taken=sum(one.basis not in BY_LAW for one in taken),
        companies=tuple(one.grantor_name.reveal() for one in taken if one.basis == "legal_rep"),
    )  # fmt: skip


async def close_account(tx: Tx, node: Node, subject: str) -> ClosedAccount | None:
    """Close the account of an own person 账号注销; None when there is none to close. Twice changes nothing.

    Every session ends here and at all nodes, clients hear by logout token, a move stops, mandates given and taken end and the
    other side is told. Companies the person represents are the register's and stay.
    """
    row = await tx.fetchrow("SELECT status FROM account WHERE subject = $1 FOR UPDATE", subject)
    if row is None or row["status"] not in {"open", "restricted", "stopped"}:
        return None
    known, proof = await persons.person(tx, node, subject), await statement_of(tx, node, subject) or ""
    await move.stop(tx, node, subject)
    await ending.leave_everywhere(tx, node, subject, REASON)
    await _end_ways_in(tx, node, subject)
    await tx.execute("UPDATE account SET status = 'closed', home_statement = NULL, statement_until = NULL WHERE subject = $1", subject)
    return ClosedAccount(
        subject=subject, number=known.number.reveal() if known and known.number else "", phone=known.phone.reveal() if known and known.phone else "",
        proof=proof,
    )  # fmt: skip


async def stop_account(tx: Tx, node: Node, subject: str) -> bool:
    """Stop the account of somebody who died 去世停用: sessions end everywhere, nobody signs in, mandates given and taken end.

    What is kept stays, and the register still says that the home is here. False when there was none to stop.
    """
    stopped = await tx.fetchval(
        "UPDATE account SET status = 'stopped', restricted_until = NULL WHERE subject = $1 AND status IN ('open', 'restricted') RETURNING true", subject
    )
    if not stopped:
        return False
    await move.stop(tx, node, subject)
    await ending.leave_everywhere(tx, node, subject, DIED)
    await _end_ways_in(tx, node, subject)
    return True


async def revive_account(tx: Tx, subject: str) -> bool:
    """The person is alive after all 人还在: the account is open again; ways in and mandates are made anew. False when it was not stopped."""
    return bool(await tx.fetchval("UPDATE account SET status = 'open' WHERE subject = $1 AND status = 'stopped' RETURNING true", subject))


async def end_visit(tx: Tx, node: Node, origin: str, subject: str) -> None:
    """A visitor's home closed the account 来访的人注销了: sessions and passkeys set up here end. `was_home` judged the origin."""
    await sessions.end_before(tx, subject, node.clock.now(), REASON, node.clock.now())
    await provider_refresh.end_before(tx, subject, node.clock.now(), REASON)
    await client_logout.tell_soon(tx)
    await _end_ways_in(tx, node, subject)
    if node.id == REGISTER_NODE:
        await tx.execute("UPDATE register_entry SET home = NULL, home_since = NULL WHERE subject = $1 AND home = $2", subject, origin)


async def forget_home(tx: Tx, node: Node, origin: str, number: str, phone: str) -> int:
    """The hub forgets where an account was 枢纽删掉账号所在地: only what names the origin goes (T-32); how many rows."""
    return await introduce.forget(tx, node, origin, number=number, phone=phone)


async def was_home(node: Node, subject: str, origin: str, proof: str) -> bool:
    """Whether `origin` may say that this person closed their account 是不是归属地说的. No transaction may be open."""
    return await is_home(node, subject, origin, proof)


async def clients_told(tx: Tx, subject: str) -> bool:
    """Whether every app the person was signed in to has been sent its logout token 应用都通知了."""
    return not await tx.fetchval(
        "SELECT EXISTS (SELECT FROM session_client x JOIN session s ON s.id = x.session AND s.subject = x.subject"
        " WHERE x.subject = $1 AND x.told_at IS NULL AND s.revoked_at IS NOT NULL AND s.reason <> 'replaced')", subject,
    )  # fmt: skip


async def came_back(tx: Tx, subject: str, origin: str, since: datetime) -> bool:
    """Whether the person has an account again, here or elsewhere, since it was closed 又开了账号: what is here is the new one's."""
    if await tx.fetchval("SELECT true FROM account WHERE subject = $1 AND status <> 'closed' AND status <> 'moved'", subject):
        return True
    seen = await tx.fetchrow("SELECT home, seen_at FROM person WHERE subject = $1", subject)
    return seen is not None and seen["home"] != origin and seen["seen_at"] > since


async def staff_too(tx: Tx, node: Node, subject: str) -> bool:
    """Whether this person also has a staff account here, which is another account and stays 另有工作账号."""
    known = await persons.person(tx, node, subject)
    marks = [] if known is None or known.number is None else persons.number_marks(node, known.number.reveal(), known.doctype)
    rows = await tx.fetch("SELECT subject, linked_subject, bi_citizen = ANY($1::bytea[]) AS same FROM staff WHERE ended_at IS NULL", marks)
    return any(row["same"] for row in rows) or any(
        node.cipher.open("staff", "staff.linked_subject", row["subject"], row["linked_subject"]).reveal() == subject
        for row in rows if row["linked_subject"] is not None
    )  # fmt: skip


async def _end_ways_in(tx: Tx, node: Node, subject: str) -> None:
    """Authenticators, gestures and devices end, and the mandates with their other side told."""
    now = node.clock.now()
    for table in ("authenticator", "device_lock", "device"):
        await tx.execute(f"UPDATE {table} SET ended_at = $2 WHERE subject = $1 AND ended_at IS NULL", subject, now)
    for one in await mandate_rows.given(tx, node, subject):
        if one.state in {"offered", "active"} and one.basis not in BY_LAW:
            await mandates.over(tx, node, one, "stopped", "grantor")
    for one in await mandate_rows.received(tx, node, subject):
        if one.basis in BY_LAW:
            await acting.end(tx, node, one.id, "ended", REASON)  # the register says so again should the person come back
        elif one.state in {"offered", "active"}:
            await mandates.over(tx, node, one, "stopped", "agent")
    await ring(tx, sessions.BELL)


__all__ = [
    "ClosedAccount", "Ties", "came_back", "clients_told", "close_account", "end_visit", "forget_home", "revive_account", "staff_too", "stop_account",
    "ties", "was_home",
]  # fmt: skip
