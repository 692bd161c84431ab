"""All the licences a person has, from the registers of every node (证照归集): asked by the home, issued by each owner.

The home shows who it is by the register's statement (T-22, T-32); the owner looks its register up and issues by the normal
path, one job an entry. What was issued once is not issued again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, Literal

import msgspec

from tongban import consent, federation, identity
from tongban.credentials.actions.gather import AGAIN, again
from tongban.credentials.actions.issue import issue
from tongban.credentials.model import CredentialType, Holder, Issuer
from tongban.credentials.model.acts import Ground
from tongban.credentials.providers import Entry, register
from tongban.credentials.providers.registers import demo_numbers
from tongban.credentials.queries.types import type_named, types
from tongban.kernel import jobs
from tongban.kernel.actor import SYSTEM, Actor
from tongban.kernel.gm import Personal
from tongban.kernel.ids import uuid7
from tongban.kernel.log import log, log_failure
from tongban.kernel.node import Node

SERVICE: Final = "credentials.gather"
JOB: Final = "credentials.from_register"
BASIS: Final = "电子证照归集（国办发〔2022〕3号）"
PATIENCE: Final = 2.0
MOST: Final = 40


def owners(node: Node) -> dict[str, tuple[str, ...]]:
    """Which nodes' registers hold which types (证照在哪些登记库): node id → type names."""
    found: dict[str, list[str]] = {}
    for kind in types(node):
        for owner in kind.gathered_from:
            found.setdefault(owner, []).append(kind.name)
    return {owner: tuple(names) for owner, names in found.items()}


async def gather_mine(node: Node, actor: Actor) -> tuple[str, ...]:
    """The holder asks every register (找我的证照); gives the nodes that could not be asked. No transaction may be open."""
    actor.require_self("归集证照")
    return await ask_all(node, actor.person)


class Missing(msgspec.Struct, frozen=True):
    """What came of asking for licences that a wallet lacks (找缺的证照): by type the node that sends it; who did not answer."""

    coming: Mapping[str, str] = {}
    silent: tuple[str, ...] = ()


async def fetch_missing(node: Node, actor: Actor, subject: str, names: Iterable[str]) -> Missing:
    """Ask the registers that may have licences of these types (找缺的证照), for a person who applies for what needs them (R-405).

    What a node gives on request is on its way to every wallet kept here by itself (`gather`). Registers are asked at the person's own
    act only, and not again within a day of having sent all they hold. No transaction may be open.
    """
    kinds = [kind for name in names if (kind := type_named(node, name)) is not None]
    coming = {kind.name: kind.on_request for kind in kinds if kind.on_request}
    wanted: dict[str, tuple[str, ...]] = {}
    for kind in kinds if actor.subject == subject else ():
        for owner in kind.gathered_from:
            wanted[owner] = (*wanted.get(owner, ()), kind.name)
    told = await _ask_owners(node, subject, wanted, everything=False)
    for owner, said in told.items():
        sent = said.get("types", ()) if said else ()
        coming |= {name: owner for name in wanted[owner] if name in sent}
    return Missing(coming, tuple(owner for owner, said in told.items() if said is None))


async def ask_all(node: Node, subject: str) -> tuple[str, ...]:
    """Ask each owner that was not asked within a day; gives those that did not answer."""
    told = await _ask_owners(node, subject, owners(node), everything=True)
    return tuple(owner for owner, said in told.items() if said is None)


async def _ask_owners(
    node: Node, subject: str, every: Mapping[str, tuple[str, ...]], *, everything: bool
) -> dict[str, dict[str, Any] | None]:
    """What each owner answered that was not asked for everything it has within a day; None for no answer."""
    async with node.db.reading() as tx:
        person = await identity.person(tx, node, subject)
        asked = {
            row["issuer"]
            for row in await tx.fetch(
                "SELECT issuer FROM credential_gathering WHERE subject = $1 AND asked_at >= $2", subject, node.clock.now() - AGAIN
            )
        }
    if person is None or person.number is None or person.name is None or person.home != node.id:
        return {}
    wanted = {owner: names for owner, names in every.items() if owner not in asked}
    body = {
        "v": 1, "subject": subject, "number": person.number.reveal(), "name": person.name.reveal(),
        "proof": await identity.home_proof(node, subject),
    }  # fmt: skip
    done = await asyncio.gather(*(_ask(node, owner, {**body, "types": list(names)}) for owner, names in wanted.items()))
    for owner, (question, said) in zip(wanted, done, strict=True):
        if said is None:
            continue
        async with node.db.transaction() as tx:
            if owner != node.id:
                await consent.record_access(tx, node, _line(question, node.id, owner, "owner"))
            if everything:
                await tx.execute(
                    "INSERT INTO credential_gathering (subject, issuer, asked_at) VALUES ($1,$2,$3) "
                    "ON CONFLICT (subject, issuer) DO UPDATE SET asked_at = $3",
                    subject, owner, node.clock.now(),
                )  # fmt: skip
    return {owner: said for owner, (_, said) in zip(wanted, done, strict=True)}


async def _ask(node: Node, owner: str, body: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Ask one register: what was asked, for the ledger, and its answer, None when there was none."""
    asked = {**body, "line": uuid7(), "at": node.clock.ms(), "who": federation.name_of(node, owner)}
    try:
        if owner == node.id:
            return asked, await answer(node, node.id, asked)
        return asked, await federation.call(node, owner, SERVICE, asked)
    except (federation.CallFailed, federation.CallRefused, federation.NotMember, federation.UnknownNode) as error:
        log("credentials.register_away", peer=owner, code=type(error).__name__)
        return asked, None


def _line(asked: dict[str, Any], source: str, receiver: str, side: Literal["owner", "caller"]) -> consent.Access:
    """That name and number went to a register to look the person up: the same line at both ends."""
    return consent.Access(
        subject=str(asked["subject"]), who=str(asked["who"])[:80], fields=("姓名", "身份证号"), purpose="找你在那里的证照", source=source,
        receiver=receiver, basis=BASIS, id=str(asked["line"]), at=datetime.fromtimestamp(int(asked["at"]) / 1000, UTC), side=side,
    )  # fmt: skip


async def answer(node: Node, caller: str, body: dict[str, Any]) -> dict[str, Any]:
    """`credentials.gather`: a home asks what our registers hold of one of its persons; each entry becomes a job, its type is named.

    Raises CallRefused: `malformed`, `no_grant` for a node that is not this person's home, `overloaded` with the register away.
    """
    try:
        subject, number, name = str(body["subject"]), str(body["number"])[:40], str(body["name"])[:80]
        wanted = {str(one)[:80] for one in body["types"]}
        line = _line(body, caller, node.id, "caller")
    except (KeyError, TypeError, ValueError, OverflowError):
        raise federation.CallRefused(400, "malformed") from None
    if caller != node.id and not await identity.is_home(node, subject, caller, str(body.get("proof", ""))):
        log("credentials.gather_not_from_home", peer=caller)
        raise federation.CallRefused(403, "no_grant")
    behind = register(node)
    if behind is None:
        return {"v": 1, "count": 0, "types": []}
    try:
        async with asyncio.timeout(PATIENCE):
            found = await behind.entries(number, name)
    except (OSError, TimeoutError) as error:
        log_failure("credentials.register_away", error)
        raise federation.CallRefused(503, "overloaded") from None
    sent: list[str] = []
    async with node.db.transaction() as tx:
        if caller != node.id:
            await consent.record_access(tx, node, line)
        for entry in found[:MOST]:
            kind = type_named(node, entry.type)
            if kind is None or kind.name not in wanted or node.id not in kind.gathered_from:
                continue
            sealed = node.cipher.seal("case", "job.credentials", entry.entry, f"{name}\n{number}")
            payload = {"subject": subject, "home": caller, "entry": entry.entry, "who": sealed.hex()}
            await jobs.enqueue(tx, JOB, payload, once=f"register:{subject}:{entry.entry}")
            sent.append(kind.name)
    return {"v": 1, "count": len(sent), "types": sorted(set(sent))}


async def from_register(node: Node, payload: dict[str, Any]) -> None:
    """The job of one entry (按登记条目发证): issue it, or send the living one again to a home that asks once more."""
    subject, home, wanted = str(payload["subject"]), str(payload["home"]), str(payload["entry"])
    who = node.cipher.open("case", "job.credentials", wanted, bytes.fromhex(str(payload["who"]))).reveal()
    name, _, number = who.partition("\n")
    behind = register(node)
    entries = await behind.entries(number, name) if behind is not None else ()
    entry = next((one for one in entries if one.entry == wanted), None)
    kind = type_named(node, entry.type) if entry else None
    if entry is None or kind is None:
        return
    async with node.db.transaction() as tx:
        await tx.execute("SELECT pg_advisory_xact_lock(hashtext('credential-register:' || $1))", f"{subject}:{entry.entry}")
        row = await tx.fetchrow(
            "SELECT c.id, c.state FROM credential_register_entry e JOIN credential c ON c.subject = e.subject AND c.id = e.credential "
            "WHERE e.subject = $1 AND e.entry = $2",
            subject, entry.entry,
        )  # fmt: skip
        if row is not None:
            if row["state"] in {"valid", "suspended"}:
                await again(tx, node, subject, str(row["id"]), home)
            return
        issued = await issue(
            tx, node, SYSTEM, type_code=kind.code, holder=_holder(kind, entry, subject, home, name, number),
            issuer=Issuer(entry.org_code, entry.org_name), data=entry.data, ground=Ground("按登记信息颁发", kind.source.partition(";")[0]),
        )  # fmt: skip
        await tx.execute(
            "INSERT INTO credential_register_entry (subject, entry, credential) VALUES ($1,$2,$3)", subject, entry.entry, issued.id
        )


def _holder(kind: CredentialType, entry: Entry, subject: str, home: str, name: str, number: str) -> Holder:
    legal = entry.holder_kind == "legal" and kind.holder != "natural"
    if legal:
        return Holder(subject, home, Personal(entry.holder_name), Personal(entry.data.get("credit_code", "")), kind="legal")
    return Holder(subject, home, Personal(entry.holder_name or name), Personal(number))


async def gather_demo(node: Node) -> None:
    """On a demo node: ask for the invented people who have licences somewhere, without their asking (演示人员自动归集)."""
    if not node.settings.demo or await federation.present(node) is None:
        return
    need = len(owners(node))
    async with node.db.reading() as tx:
        known = await identity.accounts_by_number(tx, node, demo_numbers())
        rows = await tx.fetch("SELECT subject, count(*) AS n FROM credential_gathering WHERE subject = ANY ($1) GROUP BY subject", known)
    asked = {row["subject"]: row["n"] for row in rows}
    for subject in known:
        if asked.get(subject, 0) < need:
            await ask_all(node, subject)
