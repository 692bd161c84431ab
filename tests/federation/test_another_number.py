"""Another document number 换证件号 over real nodes: another subject at every door, and everything follows (identity.md 1, R-304)."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import msgspec

from tongban import federation, identity, notifications
from tongban.federation.tests.make import deliver
from tongban.identity.actions import corrections, first_time, introduce, subjects
from tongban.identity.letters import accounts
from tongban.identity.providers.register import subject_of
from tongban.identity.queries.persons import phone_index
from tongban.identity.tests.make import Browser, citizen, go_on, sign_in
from tongban.kernel.ids import IdNumber
from tongban.kernel.node import Node

from .make import AWAY, HOME, REGISTER, decided, invented, letter, me, opened, roam_in, written_wrong


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
    await deliver(nodes)
    got: list[str] = []

    async def handler(_tx: Any, _node: Node, one: federation.Letter) -> None:
        got.append(one.body["case"]["subject"])

    mapped = subjects.follow_aliases({("t", 1): handler})
    async with away.db.transaction() as tx:
        await mapped[("t", 1)](tx, away, letter(HOME, "t", {"case": {"subject": before.subject, "n": 1}}))
    assert got == [after], "a letter written before the news still finds the person"
    from tongban.identity import tasks

    await tasks.renew_statements(home)
    assert await introduced(nodes, "number", number) == HOME, "the hub introduces by the number on the card"
    assert await introduced(nodes, "number", who["number"]) is None, "and by the one before nobody"
    page = await browser.get(away, f"/login/go?home={HOME}&next=/me/access")
    assert page.path == "/me/access", "the home statement is of the new subject"


async def introduced(nodes: dict[str, Node], kind: str, value: str) -> str | None:
    """The home the hub's index names."""
    hub = nodes["cn"]
    async with hub.db.reading() as tx:
        found: str | None = await tx.fetchval(
            "SELECT home FROM home_index WHERE kind = $1 AND bi = ANY($2::bytea[])", kind, introduce._marks(hub, kind, value)
        )
    return found


async def test_a_phone_that_was_given_up_is_its_next_owners(nodes: dict[str, Node]) -> None:
    """identity.md 2, 3: a number handed out again introduces nobody to the old owner's home; a shared one stays while one of them has it."""
    home, away, one, two = nodes[HOME], nodes[AWAY], await invented(nodes[REGISTER]), await invented(nodes[REGISTER])
    spare, next_one = await invented(nodes[REGISTER]), await invented(nodes[REGISTER])
    two, next_one = msgspec.structs.replace(two, phone=one.phone), msgspec.structs.replace(next_one, phone=one.phone)

    async def moves_to(who: Any, phone: str) -> None:
        async with home.db.transaction() as tx:
            subject = (await identity.person_by_number(tx, home, who.number)).subject  # type: ignore[union-attr]
            sealed = home.cipher.seal("contact", "account.phone", subject, phone)
            await tx.execute("UPDATE account SET phone = $2, bi_phone = $3 WHERE subject = $1", subject, sealed, phone_index(home, phone))
            await first_time.tell_hub(tx, home, subject, old_phone=who.phone)
        await deliver(nodes)

    await sign_in(Browser(), home, one)
    page = await sign_in(Browser(), home, msgspec.structs.replace(two, phone=spare.phone))
    assert page.status == 200
    await moves_to(msgspec.structs.replace(two, phone=spare.phone), one.phone)  # two of a family on one phone
    await moves_to(one, citizen().phone)
    assert await introduced(nodes, "phone", one.phone) == HOME, "somebody here still has it"
    async with nodes["cn"].db.transaction() as tx:
        body = {"number": "", "phone": "", "old_number": one.number, "old_phone": one.phone}
        await accounts.account_opened(tx, nodes["cn"], letter(AWAY, "account.opened", body))
    assert await introduced(nodes, "phone", one.phone) == HOME, "another node takes nothing out (T-32)"
    await moves_to(two, spare.phone)
    assert await introduced(nodes, "phone", one.phone) is None
    await sign_in(Browser(), away, next_one)
    await deliver(nodes)
    assert await introduced(nodes, "phone", one.phone) == AWAY


def citizen_of(who: dict[str, str]) -> Any:
    return msgspec.structs.replace(citizen(), name=who["name"], number=who["number"], phone=who["phone"])


def other_number(number: str) -> str:
    born = date(int(number[6:10]), int(number[10:12]), int(number[12:14])) + timedelta(days=1)
    return IdNumber.make(number[:6], born, int(number[14:17])).value
