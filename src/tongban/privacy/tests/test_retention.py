"""Rows past their term go, counted, with one leaf a day; what is held stays; what is left over is an alert (R-804, privacy.md 4)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tongban import identity, notifications, privacy
from tongban.identity.actions import subjects
from tongban.identity.tests.make import citizen
from tongban.kernel.actor import Actor, Assignment
from tongban.kernel.errors import Failure, NotAllowed
from tongban.kernel.holdings import Holding, Term, rows_of
from tongban.main import rooms
from tongban.privacy.actions import holds, leaving, retention
from tongban.privacy.queries import holds as hold_queries
from tongban.privacy.queries.runs import runs

DAY = timedelta(days=1)
SUBJECT = "n1" + "a" * 32
WHO = citizen()
ACTIONS = frozenset({"privacy.hold_propose", "privacy.hold_approve"})


def clerk(name: str, actions: frozenset[str] = ACTIONS) -> Actor:
    return Actor(kind="staff", subject=name, staff_id=name, unit="演示单位", assignments=(Assignment("information_officer", actions, "500000"),))


@pytest.fixture(autouse=True)
def everything():
    privacy.use_holdings(rooms.holdings())
    yield
    privacy.use_holdings(())


@pytest.fixture
async def node(make_node, set_clock):
    return await make_node("500000", clock=set_clock)


async def last(node):
    async with node.db.reading() as tx:
        return (await runs(tx))[0]


async def told(node, subject=SUBJECT, about="test:1"):
    async with node.db.transaction() as tx:
        await notifications.notify(tx, node, subject=subject, kind="test", title="演示", text="演示", link="/me", about=about)


async def messages(node, subject=SUBJECT):
    async with node.db.reading() as tx:
        return await tx.fetchval("SELECT count(*) FROM message WHERE subject = $1", subject)


async def leaves(node, kind):
    async with node.db.reading() as tx:
        return await tx.fetchval("SELECT count(*) FROM log_leaf WHERE kind = $1", kind)


async def person(node):
    async with node.db.transaction() as tx:
        await subjects.put_person(tx, node, SUBJECT, home="500000", proof=3, name=WHO.name, number=WHO.number, photo_held=False, matched=True)


def wanted(node, **more: Any) -> holds.Wanted:
    until = (node.clock.today() + timedelta(days=1000)).isoformat()
    return holds.Wanted(**{"number": WHO.number, "name": WHO.name, "basis": "演示法第一条，演示文书 1 号", "reason": "演示案件要用", "until": until, **more})


async def held(node, **more: Any) -> str:
    """A hold proposed by one and approved by another; its number."""
    async with node.db.transaction() as tx:
        made = await holds.propose(tx, node, clerk("first"), wanted(node, **more))
        assert isinstance(made, identity.Proposal), made
    async with node.db.transaction() as tx:
        await identity.approve(tx, node, clerk("second"), made.id, made.digest)
        return (await hold_queries.listed(tx, node))[0].id


async def test_a_run_a_day_with_counts_and_one_leaf(node, set_clock):
    """R-804: the run's row says which table, how many; a second turn the same day does nothing."""
    await told(node)
    await retention.run(node)
    await told(node, about="test:2")
    set_clock.move(timedelta(days=731))
    await retention.run(node)
    assert (await last(node)).counts == {}
    set_clock.move(2 * DAY)
    await retention.run(node)
    await retention.run(node)
    found = await last(node)
    assert (found.failed, found.leftovers, found.counts) == ({}, {}, {"message": 2}), found
    assert found.ended_at is not None
    assert found.leaf.startswith("sm3:")
    assert await leaves(node, "privacy.retained") == 3


async def test_cut_off_it_goes_on_with_the_same_run(node, set_clock, monkeypatch):
    """Killed between two tables: what was counted stays counted, the rest follows, one leaf."""
    for number in range(3):
        await told(node, about=f"test:{number}")
    set_clock.move(timedelta(days=900))

    async def killed(*_: Any) -> None:
        raise ConnectionError

    with monkeypatch.context() as patch:
        patch.setattr(retention, "_finish", killed)
        with pytest.raises(ConnectionError):
            await retention.run(node)
    assert (await last(node)).ended_at is None
    assert await leaves(node, "privacy.retained") == 0
    await retention.run(node)
    assert ((await last(node)).counts, await leaves(node, "privacy.retained")) == ({"message": 3}, 1)


async def test_a_row_left_over_or_a_table_that_fails_is_an_alert(node, set_clock):
    """A room whose end does nothing, or breaks, is told to the operators; the other tables are not held up."""
    await identity.set_up(node)
    await told(node)

    async def nothing(*_: Any) -> int:
        return 0

    privacy.use_holdings((
        Holding(table="closing", title="坏的", not_copied="-", not_erased="-", term=Term(kept=DAY, past="no_such_column < $1", source="-")),
        Holding(table="message", title="消息", not_copied="-", not_erased="-", term=Term(kept=DAY, past="at < $1", source="-", end=nothing)),
    ))  # fmt: skip
    set_clock.move(2 * DAY)
    await retention.run(node)
    assert (await last(node)).leftovers == {}, "two days of grace"
    set_clock.move(2 * DAY)
    await retention.run(node)
    found = await last(node)
    assert (found.leftovers, found.failed) == ({"message": 1}, {"closing": "UndefinedColumnError"})
    async with node.db.reading() as tx:
        words = await tx.fetch("SELECT DISTINCT words FROM staff_notice WHERE kind = 'alert.retention' ORDER BY words")
    assert [row["words"] for row in words] == ["到期清理：0 条该删没删，1 张表没清完", "到期清理：1 条该删没删，1 张表没清完"]


async def test_a_hold_needs_two_and_keeps_rows_from_clock_and_closing(node, set_clock):
    """Four eyes (T-63); the person's rows outlive their term and a closing until the hold's day is over, and go then."""
    await person(node)
    await told(node)
    async with node.db.transaction() as tx:
        with pytest.raises(NotAllowed):
            await holds.propose(tx, node, clerk("third", frozenset()), wanted(node))
        made = await holds.propose(tx, node, clerk("first"), wanted(node))
    with pytest.raises(Failure) as alone:
        async with node.db.transaction() as tx:
            await identity.approve(tx, node, clerk("first"), made.id, made.digest)
    assert alone.value.failure_code == "identity.four_eyes"
    await held(node)
    assert await leaves(node, "privacy.hold_made") == 1
    assert await messages(node) == 2, "the person is told: the law allows it"
    set_clock.move(timedelta(days=900))
    await retention.run(node)
    assert (await last(node)).held.get("message") == 2, "held rows were ended"
    async with node.db.transaction() as tx:
        await leaving.keep(tx, node, "500000", leaving.Told(id=made.id, subject=SUBJECT, at=node.clock.ms()), state="ended")
    await leaving.advance(node)
    assert await messages(node) == 2, "held rows were erased"
    set_clock.move(timedelta(days=101))
    await retention.run(node)
    await leaving.advance(node)
    assert await messages(node) == 0
    assert await leaves(node, "privacy.hold_ended") == 1


async def test_a_hold_that_may_not_be_said_is_said_at_its_end(node, set_clock):
    """privacy.md 4, 6: no message and no ledger line while it lasts; the line is there, and appears with its reason."""
    await person(node)
    await held(node, shown=False)
    assert await messages(node) == 0
    async with node.db.reading() as tx:
        delay = await tx.fetchrow("SELECT d.until, d.basis FROM access_record a JOIN access_delay d ON d.about = a.about WHERE a.subject = $1", SUBJECT)
        readings = await tx.fetchval("SELECT count(*) FROM access_reason WHERE subject = $1 AND kind = 'hold'", SUBJECT)
    assert delay["basis"].startswith("演示法")
    assert delay["until"].date() == node.clock.today() + timedelta(days=1000)
    assert readings == 1, "the reading is missing in the auditors' register"


async def test_an_end_that_takes_held_rows_is_undone(node, set_clock):
    """A room's own statement that forgets the hold does not get away with it."""
    await person(node)
    await held(node)
    set_clock.move(timedelta(days=5))

    async def forgets(tx: Any, *_: Any) -> int:
        return await rows_of("message")(tx, node, SUBJECT)

    privacy.use_holdings((
        Holding(table="message", title="消息", not_copied="-", not_erased="-", term=Term(kept=DAY, past="at < $1", source="-", end=forgets)),
    ))  # fmt: skip
    await retention.run(node)
    assert (await last(node)).failed == {"message": "HeldRowsEnded"}
    assert await messages(node) == 1


async def test_what_is_wrong_with_a_hold_is_said_beside_its_field(node):
    await person(node)
    async with node.db.transaction() as tx:
        for more, field in (
            ({"case_number": "5"}, "case_number"), ({"number": "", "case_number": "500000-1"}, "case_number"), ({"name": "别人"}, "number"),
            ({"basis": ""}, "basis"), ({"reason": "无"}, "reason"), ({"until": "2020-01-01"}, "until"), ({"until": "明天"}, "until"),
        ):  # fmt: skip
            wrong = await holds.propose(tx, node, clerk("first"), wanted(node, **more))
            assert isinstance(wrong, tuple), more
            assert [one.field for one in wrong] == [field], more
