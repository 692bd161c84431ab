"""这不是我办的: one line goes to its owner, is answered in time, and the answer reaches the person (R-409, privacy.md 6)."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from tongban import consent, exchange, identity, notifications
from tongban.consent.tests.doors import browser
from tongban.consent.tests.make import OTHER, XIAOYU, access, citizen
from tongban.exchange.actions.complaints import ComplaintOpened, complaint_answered, complaint_came
from tongban.exchange.pages import routes
from tongban.exchange.tasks import late
from tongban.exchange.tests.make import steward
from tongban.kernel.ids import uuid7


@pytest.fixture
async def node(make_node, set_clock):
    made = await make_node("mps", clock=set_clock)
    await exchange.set_up(made)
    return made


async def line_of(node):
    async with node.db.transaction() as tx:
        return await consent.record_access(tx, node, access(source="mps", receiver="mps"))


async def test_a_line_is_complained_about_and_answered(node):
    """From the ledger to the desk and back: the line goes along, nobody else's page shows it, the answer comes as a message."""
    line = await line_of(node)
    path = f"/me/data-use/{line.id}/complaint"
    async with browser(node, routes) as person:
        person.actor = citizen()
        await person.see("/me/data-use")
        assert path in person.text
        await person.see(path)
        assert "受理岗取用了你的" in person.text
        assert "15 个工作日内答复" in person.text
        assert (await person.send(path, words="长" * 301)).status_code == 422
        assert (await person.send(path, words="那天我没有办过事")).status_code == 303
        assert (await person.send(path, words="再来一次")).status_code == 303, "twice is the same complaint"
        await person.see(path)
        assert "那天我没有办过事" in person.text
        assert "再来一次" not in person.text
        assert "前答复" in person.text
        person.actor = citizen(OTHER)
        assert (await person.see(path)).status_code == 404, "another person's line"
        person.actor = steward("anna")
        await person.see("/staff/sharing/complaints")
        assert "那天我没有办过事" not in person.text, "what was written stands on its own page only"
        async with node.db.reading() as tx:
            made = await tx.fetchval("SELECT id FROM use_complaint WHERE side = 'owner'")
        desk = f"/staff/sharing/complaints/{made}"
        await person.see(desk)
        assert "那天我没有办过事" in person.text
        assert XIAOYU not in person.text
        assert (await person.send(desk, answer=" ")).status_code == 422
        assert (await person.send(desk, answer="查过了，是窗口核对住址时用的。")).status_code == 303
        assert (await person.send(desk, answer="再答一次")).status_code == 404, "answered once"
        person.actor = citizen()
        await person.see(path)
        assert "查过了，是窗口核对住址时用的。" in person.text
        await person.see("/me/data-use")
        assert "已经问了，看结果" in person.text
    async with node.db.reading() as tx:
        told = [one for thread in await notifications.messages(tx, node, XIAOYU) for one in thread.messages]
        assert [one.link for one in told] == [path]
        assert await tx.fetchval("SELECT count(*) FROM log_leaf WHERE kind = 'data.complaint'") == 2


async def test_only_an_own_line_about_that_person_is_believed(node):
    """A letter about a line we do not have, or with another person's name, opens nothing (T-32)."""
    line = await line_of(node)
    for subject, number in ((OTHER, line.id), (XIAOYU, uuid7())):
        async with node.db.transaction() as tx:
            with pytest.raises(ValueError, match="no line of ours"):
                await complaint_came(tx, node, "510000", _body(subject, number))
            assert await tx.fetchval("SELECT count(*) FROM use_complaint") == 0


async def test_only_the_node_that_was_asked_may_answer(node):
    """An answer from anybody else is refused, and the person hears nothing (T-32)."""
    line = await line_of(node)
    async with node.db.transaction() as tx:
        made = await exchange.actions.complain(tx, node, citizen(), line, "")
        with pytest.raises(ValueError, match="not sent to that node"):
            await complaint_answered(tx, node, "510000", {"v": 1, "id": made.id, "answer": "没事"})
        assert await tx.fetchval("SELECT state FROM use_complaint WHERE side = 'person'") == "sent"


async def test_a_late_answer_is_an_alarm(node, set_clock):
    """Past the fifteen working days, once (privacy.md 6)."""
    line = await line_of(node)
    async with node.db.transaction() as tx:
        await exchange.actions.complain(tx, node, citizen(), line, "")
        due = await tx.fetchval("SELECT due_on FROM use_complaint WHERE side = 'owner'")
    calendar = identity.working_days(node)
    assert due == identity.working_day_after(node.clock.today(), 15, calendar.off, calendar.worked)
    for moved, alarms in ((due - node.clock.today(), 0), (timedelta(days=1), 1), (timedelta(days=1), 1)):
        set_clock.move(moved)
        await late(node)
        async with node.db.reading() as tx:
            assert await tx.fetchval("SELECT count(*) FROM exchange_alarm WHERE kind = 'late'") == alarms


def _body(subject, line):
    return msgspec.to_builtins(ComplaintOpened(1, uuid7(), subject, line, "不是我"))
