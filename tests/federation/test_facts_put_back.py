"""Facts whose loss would harm people are put back by a node's own letters after a restore 补回 (R-408, R-801; federation.md 6.2; T-40).

Each story: something ends, the letter is out, the database forgets it (a transaction undone), the letter comes home.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tongban import consent, credentials, federation, identity, seals
from tongban.consent.tests import make as make_consent
from tongban.credentials.actions import status
from tongban.credentials.rules import record
from tongban.credentials.tests import make
from tongban.identity.actions import mandates
from tongban.identity.letters import reinstate as identity_letters
from tongban.identity.queries import mandates as mandate_queries
from tongban.identity.tests.make_staff import officer
from tongban.kernel.actor import SYSTEM
from tongban.kernel.clock import SetClock
from tongban.kernel.gm import Personal, parse_json
from tongban.kernel.ids import uuid7
from tongban.kernel.node import Node
from tongban.main import rooms
from tongban.seals import actions
from tongban.seals.tests import make_office
from tongban.seals.tests.make_office import FIRST, SECOND
from tongban.seals.tests.test_life import kept


@pytest.fixture(scope="module")
async def node(make_node: Any) -> Node:
    made: Node = await make_node("500000", clock=SetClock(make_office.AT))
    await identity.set_up(made)
    await seals.set_up(made)
    await credentials.set_up(made)
    return made


async def forgotten(tx: Any, node: Node, kind: str, act: Callable[[], Awaitable[Any]]) -> list[federation.Letter]:
    """What an act told others, after the database forgot the act: the open letters of `kind`, oldest first."""
    before = [row["id"] for row in await tx.fetch("SELECT id FROM outbox")]
    life = tx.transaction()
    await life.start()
    await act()
    rows = await tx.fetch('SELECT "to", at, body FROM outbox WHERE kind = $1 AND NOT (id = ANY($2)) ORDER BY ticket', kind, before)
    await life.rollback()
    return [letter(node, kind, parse_json(row["body"]), to=row["to"], at=row["at"]) for row in rows]


def letter(node: Node, kind: str, body: Any, *, to: str = "510000", at: int = 0) -> federation.Letter:
    return federation.Letter(
        id=uuid7(), origin=node.id, to=to, epoch=1, seq=1, kind=kind, kind_version=1, about="demo:x", at=at or node.clock.ms(),
        counts_at=at or node.clock.ms(), body=body,
    )  # fmt: skip


async def come_home(tx: Any, node: Node, letters: list[federation.Letter]) -> None:
    for _ in range(2):  # twice is once
        for one in letters:
            await rooms.reinstate()[(one.kind, 1)](tx, node, one)


async def test_a_revoked_licence_is_not_valid_again(tx: Any, node: Node) -> None:
    """R-403: the state and the list that says so; the old list is signed anew in between, as a clock would."""
    issued = await make.licence(tx, node)
    node.clock.move(timedelta(minutes=5))  # type: ignore[attr-defined]
    told = await forgotten(
        tx, node, "credential.status_list", lambda: status.revoke(tx, node, SYSTEM, make.SUBJECT, issued.id, "演示：提供虚假材料")
    )
    node.clock.move(timedelta(minutes=5))  # type: ignore[attr-defined]
    await status.lists.refresh(tx, node, timedelta(0))
    assert await tx.fetchval("SELECT state FROM credential WHERE id = $1", issued.id) == "valid"
    await come_home(tx, node, told)
    row = await tx.fetchrow("SELECT state, list_no, list_index FROM credential WHERE id = $1", issued.id)
    assert row["state"] == "revoked", "a revoked licence came back to life"
    held = await tx.fetchrow("SELECT at, bits FROM credential_list WHERE issuer = $1 AND list_no = $2", node.id, row["list_no"])

    assert record.status_list(node.id, row["list_no"], held["at"], held["bits"]).state(row["list_index"]) == "revoked"
    events = await tx.fetch("SELECT operation, officer FROM credential_event WHERE credential = $1 ORDER BY at", issued.id)
    assert [(one["operation"], one["officer"]) for one in events][-1] == ("revoke", "system")
    assert len([one for one in events if one["operation"] == "revoke"]) == 1


async def test_a_seal_that_ended_or_was_stopped_does_not_seal_again(tx: Any, node: Node) -> None:
    """R-410: the moments told stay the moments; a suspension that was lifted stays lifted."""
    two = (await officer(tx, node, FIRST), await officer(tx, node, SECOND))
    ended, stopped = await kept(tx, node, two), await kept(tx, node, two, name="演示专用章二")
    told = await forgotten(tx, node, "seals.anchor", lambda: seals.revoke_seal(tx, node, two[0], ended.id, "机构撤销"))
    told += await forgotten(tx, node, "seals.anchor", lambda: actions.suspend(tx, node, two[0], stopped.id, "核对印模，先停"))
    await come_home(tx, node, told)
    found = {str(row["id"]): (row["state"], row["end_kind"]) for row in await tx.fetch("SELECT id, state, end_kind FROM seal")}
    assert found[ended.id] == ("revoked", "revoked"), "an ended seal came back to life"
    assert found[stopped.id] == ("suspended", "")


async def test_what_a_person_took_back_stays_taken_back(tx: Any, node: Node) -> None:
    given = await consent.give(tx, node, make_consent.citizen(), make_consent.wanted(node), channel="h5")
    body = {"v": 1, "id": given.id, "at": node.clock.ms()}
    await come_home(tx, node, [letter(node, "consent.withdrawn", body), letter(node, "consent.withdrawn", {**body, "id": uuid7()})])
    rows = await tx.fetch("SELECT consent_id, at FROM consent_withdrawal WHERE subject = $1", make_consent.citizen().subject)
    assert [(str(row["consent_id"]), int(row["at"].timestamp() * 1000)) for row in rows] == [(given.id, body["at"])], "a withdrawal was forgotten"
    assert await consent.withdrawn_untold(tx, node.id) == (), "the giver is not written to twice"


async def test_mandates_stand_as_they_were_told(tx: Any, node: Node) -> None:
    """R-301, T-87: given again from the own letter; ended stays ended, and twice is once."""
    at = datetime(2026, 11, 18, tzinfo=UTC)
    made = await mandates.put(tx, node, {
        "id": uuid7(), "grantor": "n1" + "a" * 32, "agent": "n1" + "b" * 32, "basis": "family", "items": ("1" * 31,), "set_name": "", "set_version": 0,
        "acts": ("view", "submit"), "from_at": at, "until_at": at + timedelta(days=30), "granted_acr": 3, "granted_by_subject": "",
        "granted_node": node.id, "agent_node": "510000", "state": "offered", "offered_until": at + timedelta(days=7),
        "grantor_name": Personal("演示甲"), "agent_name": Personal("演示乙"),
    })  # fmt: skip
    body = mandates.body_of(made, "")
    await tx.execute("DELETE FROM mandate WHERE id = $1", made.id)
    await come_home(tx, node, [letter(node, "mandate.offered", body)])
    again = await mandate_queries.by_id(tx, node, made.id)
    assert again is not None
    assert (again.state, again.agent_node, again.items, again.grantor_name.reveal()) == ("offered", "510000", made.items, "演示甲")
    await identity_letters.accepted(tx, node, letter(node, "mandate.accepted", {"id": made.id}))
    await come_home(tx, node, [letter(node, "mandate.over", {"id": made.id, "state": "stopped", "why": "grantor"}), letter(node, "mandate.offered", body)])
    over = await mandate_queries.by_id(tx, node, made.id)
    assert over is not None
    assert (over.state, over.over_why) == ("stopped", "grantor"), "an ended mandate came back to life"


async def test_an_account_that_left_is_not_opened_here_a_second_time(tx: Any, node: Node) -> None:
    """identity.md 6.6: one home, also after the old one was put back to before the move."""
    subject = "n1" + "c" * 32
    await tx.execute(
        "INSERT INTO account (subject, id, phone, bi_phone, proof, proof_method, proof_at, opened_at) VALUES ($1, $2, $3, $4, 3, 'face', now(), now())",
        subject, uuid7(), node.cipher.seal("contact", "account.phone", subject, "19912345678"), b"p" * 16,
    )  # fmt: skip
    told = {"subject": subject, "to": "510000"}
    await come_home(tx, node, [letter(node, "account.moved", told, to="samr")])
    assert await tx.fetchval("SELECT status FROM account WHERE subject = $1", subject) == "open"
    await come_home(tx, node, [letter(node, "account.moved", {**told, "id": uuid7(), "release": "r"})])
    row = await tx.fetchrow("SELECT status, moved_to FROM account WHERE subject = $1", subject)
    assert dict(row) == {"status": "moved", "moved_to": "510000"}, "two homes"
