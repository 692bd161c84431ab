"""Who may touch a case, what its rows show to somebody who reads the database, and days that move with the calendar."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tongban import catalogue, federation, notifications
from tongban.cases.actions import closing, decide, intake, numbers, submit
from tongban.cases.errors import NotYourCounty, OwnCase
from tongban.cases.model import Mirror
from tongban.cases.queries import records
from tongban.cases.tests import make
from tongban.cases.tests.make import brought, citizen, clerk, held, tried
from tongban.federation.tests.make import old_trust
from tongban.kernel.clock import SetClock
from tongban.kernel.errors import NotAllowed


@pytest.fixture(scope="module")
async def clock():
    return SetClock(make.WEDNESDAY)


@pytest.fixture(scope="module")
async def node(make_node, clock):
    return await make.ready(await make_node("500000", clock=clock))


async def clocks(node, case_id):
    async with node.db.reading() as tx:
        case = await records.held(tx, node, case_id)
        return {one.kind: one for one in await records.clocks(tx, case.subject, case_id)}


@pytest.mark.parametrize(
    ("who", "failure"),
    [
        (clerk("acceptor", division="510104"), NotYourCounty),
        (clerk("acceptor", division="500105"), NotYourCounty),
        (clerk("acceptor", org="11500105DEM000099X"), NotYourCounty),
        (clerk("acceptor", linked_subject=make.XIAOYU), OwnCase),
        (clerk("examiner"), NotAllowed),
        (clerk("approver"), NotAllowed),
    ],
    ids=["county of another province", "next county", "another department", "own case", "examiner", "approver"],
)
async def test_scope_of_accepting(node, who, failure):
    case = await brought(node, "received")
    with pytest.raises(failure):
        await tried(node, case.id, intake.accept, who, complete=True)
    assert (await held(node, case.id)).state == "received"


async def test_roles_do_not_reach_across_the_desk(node):
    case = await brought(node, "under_review")
    for who in (clerk("acceptor"), clerk("examiner"), clerk("supervisor"), clerk("head", division="500105")):
        with pytest.raises(NotAllowed):
            await tried(node, case.id, decide.grant, who)


async def test_nothing_personal_stands_in_the_rows(node):
    case = await brought(node, "finished")
    async with node.db.reading() as tx:
        for table in ("draft", "case_record", "case_history", "case_mirror", "case_document", "material"):
            found = await tx.fetch(f"SELECT t::text FROM {table} t")
            text = "\n".join(row["t"] for row in found)
            for secret in ("演示陈晓雨", make.NUMBER, "13800138000", "演示路 2 号"):
                assert secret not in text, (table, secret)
                assert secret.encode().hex() not in text, (table, secret)
    assert case.id


async def test_a_provisional_due_day_is_reckoned_again(node, clock, tmp_path, monkeypatch):
    clock.move(timedelta(days=40))  # 28 December: the days run into 2027
    try:
        case = await brought(node, "under_review")
        before = (await clocks(node, case.id))["decision"]
        assert before.provisional
        from tongban.cases.queries import calendar as reading

        texts = [one.read_text("utf-8") for one in sorted((make.ROOT / "items/calendar").glob("*.yaml"))]
        published = [text.replace("provisional: true", "provisional: false") for text in texts]
        published[-1] = published[-1].replace("from: 2027-01-01, to: 2027-01-01", "from: 2027-01-01, to: 2027-01-03")
        published[-1] = published[-1].replace("work_days: []", "work_days: [2027-01-09]")
        from tongban.cases.rules.calendar import parse

        monkeypatch.setattr(closing, "calendar", lambda _node: parse(published))
        await closing.reckon_again(node)
        now = (await clocks(node, case.id))["decision"]
        assert not now.provisional
        assert now.due_on < before.due_on
        assert (await make.mirror(node, case.id)).due_on == now.due_on
        assert reading is not None
    finally:
        clock.move(timedelta(days=-40))


async def test_drafts_are_told_and_deleted(node, clock):
    who = citizen("n1" + "d" * 32)
    draft_id = await make.filled(node, who)
    clock.move(timedelta(days=84))
    try:
        await closing.tidy_drafts(node)
        await closing.tidy_drafts(node)
        async with node.db.reading() as tx:
            threads = await notifications.messages(tx, node, who.subject)
        assert len([one for thread in threads for one in thread.messages]) == 1
        clock.move(timedelta(days=8))
        await closing.tidy_drafts(node)
        async with node.db.reading() as tx:
            assert await tx.fetchval("SELECT count(*) FROM draft WHERE id = $1", draft_id) == 0
    finally:
        clock.move(timedelta(days=-92))




async def test_an_item_of_the_highest_level_waits_while_trust_is_old(node, monkeypatch):
    """federation.md 3, T-35: a level-4 item is refused with its sentence while the directory is past its time; others go on, the draft stays."""
    who = make.citizen(acr=4)

    async def hand_in(draft_id):
        number = await numbers.reserve(node)
        async with node.db.transaction() as tx:
            return await submit.submit(tx, node, who, draft_id, number=number, posted=make.TICKED)

    async with old_trust(node, timedelta(minutes=1)):
        assert isinstance(await hand_in(await make.filled(node, who)), Mirror)
        monkeypatch.setattr(catalogue.Item, "level", property(lambda _: 4))
        draft_id = await make.filled(node, who)
        with pytest.raises(federation.StaleTrust) as no:
            await hand_in(draft_id)
        assert "和全国的核对断开了" in no.value.sentence
        async with node.db.reading() as tx:
            assert await tx.fetchval("SELECT state FROM draft WHERE id = $1", draft_id) == "draft"
    assert isinstance(await hand_in(draft_id), Mirror)
