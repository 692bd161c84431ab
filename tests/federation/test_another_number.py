"""Another document number 换证件号 over real nodes: another subject at every door, and everything follows (identity.md 1, R-304)."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import msgspec

from tongban import federation, identity, notifications
from tongban.federation.tests.make import deliver
from tongban.identity.actions import corrections, subjects
from tongban.identity.providers.register import subject_of
from tongban.identity.tests.make import Browser, citizen, go_on
from tongban.kernel.ids import IdNumber
from tongban.kernel.node import Node

from .make import AWAY, HOME, REGISTER, decided, letter, me, opened, roam_in, written_wrong


async def test_another_number_is_another_subject_and_everything_follows(nodes: dict[str, Node]) -> None:
    """identity.md 1: the alias counts at once at every door, rows are rewritten by the job, the person signs in as before."""
    home, away, register, browser = nodes[HOME], nodes[AWAY], nodes[REGISTER], Browser()
    who = await written_wrong(register, "宋雅琴", "")
    page = await browser.get(home, "/login?next=/me/access")
    page = await go_on(browser, home, page, citizen_of(who))
    before = await me(home, browser)
    await roam_in(browser, away)
    number = other_number(who["number"])
    dispute = await opened(nodes, browser, home, "number", number)
    await decided(nodes, dispute, uphold=True)
    await deliver(nodes)
    after = subject_of(register, "111", number)
    now = await me(home, browser)
    assert now.subject == after != before.subject
    async with home.db.reading() as tx:
        known = await identity.person(tx, home, before.subject)
        assert known is not None
        assert known.number is not None
        assert (known.subject, known.number.reveal()) == (after, number)
        assert await identity.person_by_number(tx, home, number) is not None
        assert await identity.person_by_number(tx, home, who["number"]) is None
    async with home.db.transaction() as tx:
        await notifications.notify(tx, home, subject=before.subject, kind="t", title="旧", text="旧", link="/me", about="t:1")
    seen: list[tuple[str, str]] = []

    async def follower(_tx: Any, _node: Node, old: str, new: str) -> None:
        seen.append((old, new))

    subjects.follow_subject(follower)  # before the row waits: the node's own job may be there first
    async with home.db.transaction() as tx:
        await tx.execute("UPDATE subject_alias SET rewritten_at = NULL, old_sealed = $2 WHERE subject = $1", after,
                         home.cipher.seal("identity", "subject_alias.old_sealed", after, before.subject))
    await subjects.rewrite(home, {})
    await subjects.rewrite(home, {})
    async with home.db.transaction() as tx:  # whoever is at it has ended
        await tx.fetchval("SELECT 1 FROM subject_alias WHERE subject = $1 FOR UPDATE", after)
    assert set(seen) == {(before.subject, after)}, "the news itself may have been under way: every time the same person"
    async with home.db.reading() as tx:
        assert await tx.fetchval("SELECT count(*) FROM message WHERE subject = $1", before.subject) == 0
        assert await tx.fetchval("SELECT count(*) FROM message WHERE subject = $1 AND kind = 't'", after) == 1
    await corrections.ask_successors(away, {})
    there = await me(away, browser)
    assert there.subject == after, "the visited node follows too, on the register's word"
    got: list[str] = []

    async def handler(_tx: Any, _node: Node, one: federation.Letter) -> None:
        got.append(one.body["case"]["subject"])

    mapped = subjects.follow_aliases({("t", 1): handler})
    async with away.db.transaction() as tx:
        await mapped[("t", 1)](tx, away, letter(HOME, "t", {"case": {"subject": before.subject, "n": 1}}))
    assert got == [after], "a letter written before the news still finds the person"
    from tongban.identity import tasks

    await tasks.renew_statements(home)
    page = await browser.get(away, f"/login/go?home={HOME}&next=/me/access")
    assert page.path == "/me/access", "the home statement is of the new subject"


def citizen_of(who: dict[str, str]) -> Any:
    return msgspec.structs.replace(citizen(), name=who["name"], number=who["number"], phone=who["phone"])


def other_number(number: str) -> str:
    born = date(int(number[6:10]), int(number[10:12]), int(number[12:14])) + timedelta(days=1)
    return IdNumber.make(number[:6], born, int(number[14:17])).value
