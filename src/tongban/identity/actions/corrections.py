"""A register row was corrected 更正传到各节点 (identity.md 6.7): every node that holds the person has the right value.

The register's owner tells everybody that a version changed, and the value to those who hold the person, each under its own
key. What a node holds without having been named (a visitor's masked name) comes from the home.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import date
from typing import Any

import msgspec

from tongban import consent, federation, notifications
from tongban.identity.actions import first_time, following, mandate_names, subjects
from tongban.identity.actions.sessions import BELL
from tongban.identity.model import Corrected, UsedBefore
from tongban.identity.queries import persons
from tongban.identity.queries.persons import current_subject
from tongban.identity.rules import disputes as rules
from tongban.identity.rules import typed
from tongban.identity.rules.home import REGISTER_NODE
from tongban.kernel import jobs
from tongban.kernel.db import Tx, ring
from tongban.kernel.gm import CannotOpen
from tongban.kernel.ids import uuid7
from tongban.kernel.log import log
from tongban.kernel.node import Node

Lister = Callable[[Tx, Node, str, str], Awaitable[list[UsedBefore]]]
_listers: list[Lister] = [mandate_names.used_before]


def on_correction(lister: Lister) -> Lister:
    """Register `async (tx, node, subject, attribute) -> list[UsedBefore]`: a room's things that used the old value 列出用过旧信息的."""
    _listers.append(lister)
    return lister


async def tell(tx: Tx, node: Node, corrected: Corrected) -> None:
    """The owner tells every node, with the value sealed for each node that holds the person, and applies it here too."""
    directory = await federation.directory(tx)
    parts: dict[str, Any] = {}
    value = {"value": corrected.value, "successor": corrected.successor}
    for holder in sorted(await _holders(tx, node, corrected)):
        listed = directory.node(holder)
        if listed is None or listed.status == "gone":
            continue
        try:
            parts[holder] = await federation.seal_part(node, holder, value, about=corrected.dispute)
        except federation.UnknownNode:
            log("identity.correction_without_key", peer=holder)
    await federation.send(tx, node, to="*", kind="register.corrected", about=f"register:{corrected.dispute}", body={
        "subject": corrected.subject, "attribute": corrected.attribute, "version": corrected.version,
        "effective": corrected.effective.isoformat(), "dispute": corrected.dispute, "values": parts,
    })  # fmt: skip
    await apply(tx, node, corrected)


async def _holders(tx: Tx, node: Node, corrected: Corrected) -> set[str]:
    """The nodes that hold the person: the home, and whoever was told anything, as the ledger says."""
    now = corrected.successor or corrected.subject
    home: str | None = await tx.fetchval("SELECT home FROM register_entry WHERE subject = $1", now)
    told = {line.receiver for line in await consent.lines(tx, node.id, corrected.subject, limit=10_000)}
    return {one for one in (*told, home or "") if one and one != node.id}


class Told(msgspec.Struct, frozen=True):
    """`register.corrected` as it comes 更正通知; `values` are sealed parts by node."""

    subject: str
    attribute: str
    version: int
    effective: str
    dispute: str
    values: dict[str, Any] = {}


async def heard(tx: Tx, node: Node, told: Told) -> None:
    """The letter `register.corrected` of the register's owner, for the part that is ours."""
    value: dict[str, Any] = {}
    if node.id in told.values:
        try:
            value = federation.open_part(node, told.values[node.id], about=told.dispute)
        except CannotOpen:
            log("identity.correction_not_opened", kind=told.attribute)
    await apply(tx, node, Corrected(
        subject=told.subject, attribute=told.attribute, version=told.version, effective=date.fromisoformat(told.effective),
        dispute=told.dispute, value=str(value.get("value", "")), successor=str(value.get("successor", "")),
    ))  # fmt: skip


async def apply(tx: Tx, node: Node, corrected: Corrected) -> None:
    """Take a correction over 落实更正, once, and only when it is newer than what is known here; strangers are passed over."""
    subject = await current_subject(tx, node, corrected.subject)
    person = await tx.fetchrow("SELECT home, name IS NOT NULL AS whole FROM person WHERE subject = $1 FOR UPDATE", subject)
    if person is None:
        await _stranger(tx, node, subject, corrected)
        return
    newest: int | None = await tx.fetchval(
        "SELECT max(version) FROM correction WHERE subject = $1 AND attribute = $2", subject, corrected.attribute
    )
    if newest is not None and newest >= corrected.version:
        return
    await tx.execute(
        "INSERT INTO correction (subject, attribute, version, dispute, effective, applied_at, taken) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        subject, corrected.attribute, corrected.version, corrected.dispute, corrected.effective, node.clock.now(), bool(corrected.value),
    )  # fmt: skip
    await tx.execute("UPDATE person SET version = greatest(version, $2) WHERE subject = $1", subject, corrected.version)
    if corrected.value and corrected.attribute == "name":
        await _rename(tx, node, subject, corrected.value, whole=person["whole"])
    await _list_uses(tx, node, subject, corrected)
    if person["home"] == node.id and corrected.attribute == "name" and corrected.value:
        await _tell_visited(tx, node, subject, corrected)
    if corrected.attribute == "number" and not corrected.successor:
        # on nobody's word but the register's: a home that named a successor could make its person somebody else (T-22)
        await jobs.enqueue(tx, "identity.ask_successors", {}, once="identity.ask_successors")
    elif corrected.attribute == "number":
        await _renumber(tx, node, subject, corrected, whole=person["whole"])
    await ring(tx, BELL)
    log("identity.correction_applied", kind=corrected.attribute)


async def _rename(tx: Tx, node: Node, subject: str, name: str, *, whole: bool) -> None:
    """The name everywhere this node keeps one; a visited node keeps the masked name only."""
    await tx.execute(
        "UPDATE person SET name_masked = $2, name = CASE WHEN $4 THEN $3 ELSE name END WHERE subject = $1",
        subject, node.cipher.seal("identity", "person.name_masked", subject, typed.masked_name(name)),
        node.cipher.seal("identity", "person.name", subject, name), whole,
    )  # fmt: skip
    await mandate_names.rename(tx, node, subject, name)


async def _renumber(tx: Tx, node: Node, old: str, corrected: Corrected, *, whole: bool) -> None:
    """Another number, another subject: the alias counts at once, the rows follow by a job (identity.md 1).

    The home tells the hub, so that the person is introduced by the number on the card and nobody by the one before.
    """
    before = await persons.person(tx, node, old)
    followed = await subjects.alias(tx, node, old, corrected.successor, number=corrected.value if whole else "")
    if followed and whole and before is not None and before.home == node.id and before.number is not None:
        await first_time.tell_hub(tx, node, corrected.successor, old_number=before.number.reveal())
    await jobs.enqueue(tx, "identity.rewrite_subjects", {}, once="identity.rewrite_subjects")


async def ask_successors(node: Node, _payload: dict[str, object]) -> None:
    """The job `identity.ask_successors` 问后继标识: a node the value was not sealed for asks the register which subject follows.

    Away, or more questions than its quota lets through: tried again.
    """
    async with node.db.reading() as tx:
        rows = await tx.fetch("SELECT subject, version FROM correction WHERE attribute = 'number' AND NOT taken ORDER BY applied_at LIMIT 200")
    later: federation.CallRefused | None = None
    for row in rows:
        try:
            answer = await federation.call(node, REGISTER_NODE, "population.successor", {"v": 1, "subject": row["subject"]})
        except federation.CallRefused as no:
            later = no if no.problem == "quota" else later
            continue
        async with node.db.transaction() as tx:
            await tx.execute(
                "UPDATE correction SET taken = true WHERE subject = $1 AND attribute = 'number' AND version = $2", row["subject"], row["version"]
            )
            if await subjects.alias(tx, node, row["subject"], str(answer.get("successor", ""))):
                await jobs.enqueue(tx, "identity.rewrite_subjects", {}, once="identity.rewrite_subjects")
    if later is not None:
        raise later


async def _stranger(tx: Tx, node: Node, old: str, corrected: Corrected) -> None:
    """A node that never met the person may still hold things of theirs: a register, a ledger, a case handed in elsewhere.

    Told the successor it follows; told only of the change it asks the register, when some row here names the person.
    """
    if corrected.attribute != "number":
        return
    if corrected.successor and corrected.successor != old:
        await subjects.alias(tx, node, old, corrected.successor)
        await jobs.enqueue(tx, "identity.rewrite_subjects", {}, once="identity.rewrite_subjects")
    elif not corrected.successor and await following.holds(tx, old):
        await tx.execute(
            "INSERT INTO correction (subject, attribute, version, dispute, effective, applied_at, taken) VALUES ($1, $2, $3, $4, $5, $6, false)"
            " ON CONFLICT DO NOTHING",
            old, corrected.attribute, corrected.version, corrected.dispute, corrected.effective, node.clock.now(),
        )  # fmt: skip
        await jobs.enqueue(tx, "identity.ask_successors", {}, once="identity.ask_successors")


async def _tell_visited(tx: Tx, node: Node, subject: str, corrected: Corrected) -> None:
    """The home tells where its person has been: the masked name, so that a greeting is right at once."""
    rows = await tx.fetch("SELECT DISTINCT unnest(visited) AS node FROM session WHERE subject = $1 AND home IS NULL", subject)
    for row in rows:
        await federation.send(
            tx, node, to=row["node"], kind="person.corrected", about=f"person:{corrected.dispute}",
            body={
                "subject": subject, "attribute": corrected.attribute, "version": corrected.version, "dispute": corrected.dispute,
                "effective": corrected.effective.isoformat(), "name_masked": typed.masked_name(corrected.value),
            },
        )  # fmt: skip


async def at_visited(tx: Tx, node: Node, origin: str, body: dict[str, Any]) -> None:
    """The letter `person.corrected`: a greeting follows, on the word of the person's own home only (T-22, T-32)."""
    subject = await current_subject(tx, node, str(body.get("subject", "")))
    masked, version = body.get("name_masked"), body.get("version")
    if not isinstance(masked, str) or not 1 <= len(masked) <= 40 or not isinstance(version, int):
        return
    known = await tx.fetchval(
        "UPDATE person SET name_masked = $3, version = greatest(version, $4)"
        " WHERE subject = $1 AND home = $2 AND name IS NULL AND version <= $4 RETURNING true",
        subject, origin, node.cipher.seal("identity", "person.name_masked", subject, masked), version,
    )  # fmt: skip
    if known:
        await ring(tx, BELL)


async def _list_uses(tx: Tx, node: Node, subject: str, corrected: Corrected) -> None:
    """Forms, credentials and mandates that used the old value, listed once for their owner, who is told."""
    uses = [use for lister in _listers for use in await lister(tx, node, subject, corrected.attribute)]
    for use in uses:
        row = uuid7()
        await tx.execute(
            "INSERT INTO corrected_use (subject, id, attribute, version, kind, ref, title, link, at)"
            " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (subject, attribute, version, kind, ref) DO NOTHING",
            subject, row, corrected.attribute, corrected.version, use.kind, use.ref,
            node.cipher.seal("identity", "corrected_use.title", row, use.title), use.link, node.clock.now(),
        )  # fmt: skip
    known = rules.attribute(corrected.attribute)
    words = known.words if known else "登记信息"
    own = await tx.fetchval("SELECT true FROM account WHERE subject = $1 AND status IN ('open', 'restricted')", subject)
    if uses or own:
        await notifications.notify(
            tx, node, subject=subject, kind="identity.corrected", about=f"dispute:{corrected.dispute}", group="纠错",
            title=f"登记的{words}更正了",
            text=f"这里有 {len(uses)} 件事用过更正前的{words}，看看要不要改。" if uses else "这里的也跟着改好了。不是你申请的，马上打 12345。",
            link="/me/disputes",
        )  # fmt: skip
