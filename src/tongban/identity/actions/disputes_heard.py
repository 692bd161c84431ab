"""How a dispute ended 听到纠错结果 (identity.md 6.7), at the node where the person opened it."""

from __future__ import annotations

from tongban import notifications
from tongban.identity.model import Decided
from tongban.identity.queries import persons
from tongban.identity.rules import disputes as rules
from tongban.kernel.db import Tx
from tongban.kernel.node import Node

_LOCAL = "l"


async def decided(tx: Tx, node: Node, register: str, told: Decided) -> None:
    """The owner decided 听到结果: the person reads both reasons, and after a refusal where to turn. Applied once."""
    row = await tx.fetchrow(
        "UPDATE dispute SET state = $3, first_reason = $4, second_reason = $5, unit = $6, decided_at = $7"
        " WHERE id = $1 AND register = $2 AND state = 'open' RETURNING subject, number, attribute, claimed",
        told.id, register, "upheld" if told.upheld else "refused",
        node.cipher.seal("identity", "dispute.first_reason", told.id, told.first_reason),
        node.cipher.seal("identity", "dispute.second_reason", told.id, told.second_reason), told.unit[:80], node.clock.now(),
    )  # fmt: skip
    if row is None:
        return
    known = rules.attribute(row["attribute"])
    words = known.words if known else "登记信息"
    await notifications.notify(
        tx, node, subject=row["subject"], kind="identity.dispute_decided", about=f"dispute:{told.id}", group="纠错",
        title=f"{words}已经更正" if told.upheld else f"{words}这次没有更正",
        text="全国用到它的地方会跟着改。" if told.upheld else "理由和接下来能怎么办，都写在里面。", link=f"/me/disputes/{told.id}",
    )  # fmt: skip
    if told.upheld and row["subject"].startswith(_LOCAL):
        await _match_now(tx, node, row["subject"], node.cipher.open("sensitive", "dispute.claimed", told.id, row["claimed"]).reveal())


async def _match_now(tx: Tx, node: Node, subject: str, name: str) -> None:
    """The register now writes the name as the person does: it is asked again by the clock, at its next turn."""
    person = await persons.person(tx, node, subject)
    if person is None or person.number is None:
        return
    now = node.clock.now()
    await tx.execute(
        "INSERT INTO match_pending (subject, name, number, asked_at, next_at) VALUES ($1, $2, $3, $4, $4)"
        " ON CONFLICT (subject) DO UPDATE SET name = excluded.name, next_at = excluded.next_at",
        subject, node.cipher.seal("identity", "match_pending.name", subject, name),
        node.cipher.seal("sensitive", "match_pending.number", subject, person.number.reveal()), now,
    )  # fmt: skip
