"""The register of organisations 法人登记: kept at `samr`, asked from everywhere who may act for which company (R-301, T-87).

The register knows its 法定代表人 by name and number; whose subject that is the population register says, once. It tells a
node only which organisations a given person represents, never who represents a given one.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import msgspec

from tongban import consent, federation, transparency
from tongban.identity.actions import register
from tongban.identity.model import MatchAsked
from tongban.identity.queries.organisations import OPEN, REGISTER, Organisation, subject_of
from tongban.kernel.db import Tx, ring
from tongban.kernel.gm import jcs
from tongban.kernel.ids import CreditCode, uuid7
from tongban.kernel.log import log
from tongban.kernel.node import Node

BELL = "identity.representatives"
ASK_AGAIN, ASK_AT_LEAST = timedelta(minutes=1), timedelta(days=1)


class NewOrganisation(msgspec.Struct, frozen=True, kw_only=True):
    """An organisation to register or to change 登记的企业: `status` is 存续, 注销 or 吊销.

    A change without `legal_number` leaves the representative as the register has it (法定代表人不变).
    """

    code: str
    name: str
    division: str
    registered_on: date
    legal_name: str = ""
    legal_number: str = ""
    status: str = OPEN


class Represented(msgspec.Struct, frozen=True, kw_only=True):
    """The register's answer 名下的企业, and the ledger line that both ends write."""

    organisations: tuple[Organisation, ...]
    line: str
    at: int


async def enter(tx: Tx, node: Node, new: NewOrganisation, *, by: str) -> int | None:
    """Register an organisation, or a change of it, at the register's node 登记或变更; its version, None when nothing changed.

    A change of name, state or representative makes the next version and tells every node; a new one without representative is
    not taken. Raises BadIdentifier.
    """
    code = CreditCode.parse(new.code).value
    subject = subject_of(code)
    await tx.execute("SELECT pg_advisory_xact_lock(hashtext($1))", f"org:{subject}")
    old = await tx.fetchrow("SELECT name, status, legal_name, legal_number, version, registered_on FROM org_entry WHERE subject = $1", subject)
    number_before = None if old is None else node.cipher.open("sensitive", "org_entry.legal_number", subject, old["legal_number"]).reveal()
    if not new.legal_number:
        if old is None or number_before is None:
            log("identity.representative_unsaid", kind="organisation.registered")
            return None
        named = node.cipher.open("identity", "org_entry.legal_name", subject, old["legal_name"]).reveal()
        new = msgspec.structs.replace(new, legal_name=named, legal_number=number_before)
    same_person = number_before == new.legal_number
    if old is not None and same_person and (old["name"], old["status"]) == (new.name, new.status):
        return None
    version = 1 if old is None else old["version"] + 1
    now = node.clock.now()
    await tx.execute(
        "INSERT INTO org_entry AS e (subject, code, name, status, division, registered_on, legal_name, legal_number, registered_by,"
        " version, changed_at, demo) VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12)"
        " ON CONFLICT (subject) DO UPDATE SET name = excluded.name, status = excluded.status, legal_name = excluded.legal_name,"
        " legal_number = excluded.legal_number, version = excluded.version, changed_at = excluded.changed_at,"
        " legal_subject = CASE WHEN $13 THEN e.legal_subject END, asked_at = CASE WHEN $13 THEN e.asked_at END",
        subject, code, new.name, new.status, new.division, new.registered_on,
        node.cipher.seal("identity", "org_entry.legal_name", subject, new.legal_name),
        node.cipher.seal("sensitive", "org_entry.legal_number", subject, new.legal_number), by, version, now, node.settings.demo, same_person,
    )  # fmt: skip
    what = "registered" if old is None else "status" if new.status != OPEN else "name" if same_person else "representative"
    await transparency.append(tx, "register.changed", jcs({"organisation": subject, "version": version, "what": what, "at": node.clock.ms()}))
    if old is not None:
        await tell(tx, node, subject, new.name, new.status, version, what)
    await ring(tx, BELL)
    return version


async def tell(tx: Tx, node: Node, subject: str, name: str, status: str, version: int, what: str) -> None:
    """Letter `register.changed` to every node 告诉各节点; nothing in it is personal. A node without post tells nobody."""
    body = {"organisation": subject, "name": name, "status": status, "version": version, "what": what, "at": node.clock.ms()}
    try:
        await federation.send(tx, node, to="*", kind="register.changed", about=f"org:{subject}", body=body, open=True)
    except federation.NotMember:
        log("identity.not_enrolled", kind="register.changed")


async def find_representatives(node: Node) -> None:
    """Ask the population register whose subject each new 法定代表人 is 认出法定代表人. Clock and bell, at the register's node.

    One it does not know (a passport, a wrong number) is asked about again ever more rarely, at least once a day.
    """
    if node.id != REGISTER:
        return
    while True:
        now = node.clock.now()
        async with node.db.transaction() as tx:
            row = await tx.fetchrow(
                "UPDATE org_entry SET asked_at = $1 WHERE subject = (SELECT subject FROM org_entry WHERE legal_subject IS NULL"
                " AND (asked_at IS NULL OR asked_at + greatest($2::interval, least(asked_at - changed_at, $3::interval)) < $1)"
                " ORDER BY changed_at LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING subject, legal_name, legal_number, version",
                now, ASK_AGAIN, ASK_AT_LEAST,
            )  # fmt: skip
        if row is None:
            return
        subject = row["subject"]
        name = node.cipher.open("identity", "org_entry.legal_name", subject, row["legal_name"]).reveal()
        number = node.cipher.open("sensitive", "org_entry.legal_number", subject, row["legal_number"]).reveal()
        try:
            found = await register.ask(node, MatchAsked(number=number, name=name, purpose="representative"))
        except federation.NotMember:
            return
        if found is None:
            log("identity.representative_unknown", reason="register_away")
            return
        if found.matched:
            async with node.db.transaction() as tx:
                await tx.execute(
                    "UPDATE org_entry SET legal_subject = $2 WHERE subject = $1 AND version = $3", subject, found.subject, row["version"]
                )


async def represented(tx: Tx, node: Node, caller: str, subject: str) -> Represented:
    """Which living organisations a person represents 名下的企业, at the register's node, with the ledger line of this answer."""
    rows = await tx.fetch(
        "SELECT subject, code, name, status, division, version FROM org_entry WHERE legal_subject = $1 AND status = $2 ORDER BY name",
        subject, OPEN,
    )  # fmt: skip
    made = Represented(organisations=tuple(Organisation(**row) for row in rows), line=uuid7(), at=node.clock.ms())
    await consent.record_access(tx, node, await _access(tx, subject, made, caller, "local" if caller == node.id else "owner"))
    return made


async def _access(tx: Tx, subject: str, made: Represented, caller: str, side: str) -> consent.Access:
    try:
        listed = (await federation.directory(tx)).node(caller)
    except federation.NotMember:
        listed = None
    return consent.Access(
        subject=subject, kind="check", who=f"{listed.name if listed else caller} 统一身份认证", fields=("担任法定代表人的企业",),
        purpose="看能替哪些企业办事", source=REGISTER, receiver=caller, basis="个人信息保护法第十三条第一款第三项", id=made.line,
        at=datetime.fromtimestamp(made.at / 1000, UTC), side=side,  # type: ignore[arg-type]
    )  # fmt: skip


async def ask(node: Node, subject: str) -> tuple[Organisation, ...] | None:
    """Ask the register which organisations a person represents 问法人登记; None when it cannot be reached. Never inside a transaction.

    What it tells is kept here (`organisation`), and the ledger line of it.
    """
    try:
        if node.id == REGISTER:
            async with node.db.transaction() as tx:
                made = await represented(tx, node, node.id, subject)
        else:
            answer = await federation.call(node, REGISTER, "register.organisations", {"v": 1, "subject": subject})
            made = msgspec.convert({name: value for name, value in answer.items() if name != "v"}, Represented)
    except (federation.CallFailed, federation.CallRefused, federation.NotMember, msgspec.ValidationError) as away:
        log("identity.org_register_away", error=type(away).__name__)
        return None
    async with node.db.transaction() as tx:
        for one in made.organisations:
            await keep(tx, node, one)
        if node.id != REGISTER:
            await consent.record_access(tx, node, await _access(tx, subject, made, node.id, "caller"))
    return made.organisations


async def keep(tx: Tx, node: Node, one: Organisation) -> None:
    """Write down what the register said of an organisation 记下登记信息; an older version changes nothing."""
    await tx.execute(
        "INSERT INTO organisation AS o (subject, code, name, status, division, version, checked_at) VALUES ($1,$2,$3,$4,$5,$6,$7)"
        " ON CONFLICT (subject) DO UPDATE SET name = excluded.name, status = excluded.status, division = excluded.division,"
        " version = excluded.version, checked_at = excluded.checked_at WHERE o.version <= excluded.version",
        one.subject, one.code, one.name, one.status, one.division, one.version, node.clock.now(),
    )  # fmt: skip


async def company_registered(tx: Tx, node: Node, new: NewOrganisation, *, case: str) -> None:
    """The authority here registered a company: the national register hears of it, in the transaction of the licence 报送法人登记.

    Letter `organisation.registered`, encrypted to the register. A node that is not enrolled has nobody to tell.
    """
    if node.id == REGISTER:
        await enter(tx, node, new, by=node.id)
        return
    # what is not said is left out: a register of before would else take an empty representative for a new one
    body = {name: value for name, value in msgspec.to_builtins(new).items() if value != ""}
    try:
        await federation.send(
            tx, node, to=REGISTER, kind="organisation.registered", about=f"org:{subject_of(new.code)}", body=body,
            id=federation.derived_id("organisation.registered", REGISTER, case),
        )  # fmt: skip
    except (federation.NotMember, federation.UnknownNode):
        log("identity.not_enrolled", kind="organisation.registered")
