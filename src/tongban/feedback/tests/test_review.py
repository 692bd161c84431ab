"""Once a finished service, only by its person, and nobody at the unit can tell who it was (T-79, T-91)."""

from __future__ import annotations

import asyncio
import uuid
from datetime import timedelta

import msgspec
import pytest

from tongban import cases, feedback, notifications
from tongban.cases.tests.make import OTHER, brought, citizen, held, ready
from tongban.feedback.actions import settle
from tongban.feedback.errors import NothingToReview, ReviewNotBelieved
from tongban.feedback.model import Told, Written
from tongban.feedback.tests.make import XIAOYU, delivered, desk, give
from tongban.kernel.clock import SetClock
from tongban.kernel.errors import NotAllowed
from tongban.main import reindexing, rooms


@pytest.fixture
async def node(make_node, set_clock):
    return await ready(await make_node("500000", clock=set_clock))


async def rows(node, table):
    async with node.db.reading() as tx:
        return await tx.fetch(f"SELECT * FROM {table}")


async def test_once_and_only_by_the_person(node):
    case = await delivered(node)
    async with node.db.transaction() as tx:
        with pytest.raises(NothingToReview):
            await feedback.open_review(tx, node, citizen(OTHER), case.id)
        with pytest.raises(NothingToReview):
            await feedback.open_review(tx, node, citizen(), "not-a-case")
    assert (await give(node, case, 5)).reviewed_at is not None
    twice = await give(node, case, 1)
    assert twice[0].code == "feedback.twice"
    assert [row["level"] for row in await rows(node, "review")] == [5]
    async with node.db.reading() as tx:
        listed = {one.id: one.waiting for one in await cases.mine(tx, node, case.subject)}
    assert listed[case.id] == ""  # nobody is asked again, though the owner hears of it days later
    assert (await held(node, case.id)).state == "delivered"


async def test_two_taps_at_once_are_one_review(node):
    case = await delivered(node)
    async with node.db.transaction() as tx:
        _, token = await feedback.open_review(tx, node, citizen(), case.id)

    async def tap():
        async with node.db.transaction() as tx:
            return await feedback.submit(tx, node, citizen(), case.id, token, Written(level=4))

    done = await asyncio.gather(*(tap() for _ in range(4)))
    assert sum(not isinstance(one, tuple) for one in done) == 1
    assert len(await rows(node, "review")) == 1


async def test_a_token_of_another_service_is_refused(node):
    first, second = await delivered(node), await delivered(node)
    async with node.db.transaction() as tx:
        _, token = await feedback.open_review(tx, node, citizen(), first.id)
        await feedback.open_review(tx, node, citizen(), second.id)
        refused = await feedback.submit(tx, node, citizen(), second.id, token, Written(level=5))
    assert refused[0].code == "feedback.token"


async def test_nothing_before_it_is_over(node):
    case = await brought(node, "accepted")
    async with node.db.transaction() as tx:
        with pytest.raises(NothingToReview):
            await feedback.open_review(tx, node, citizen(), case.id)


async def test_the_unit_keeps_no_author_no_case_and_no_hour(node):
    case = await delivered(node)
    await give(node, case, 1, text="跑了三次", indicators=("guide",))
    row = dict((await rows(node, "review"))[0])
    plain = " ".join(str(value) for value in row.values())
    assert XIAOYU not in plain
    assert case.id not in plain
    assert case.number not in plain
    assert "跑了三次" not in plain
    assert uuid.UUID(str(row["id"])).version == 4  # no moment inside the id
    assert not [value for value in row.values() if hasattr(value, "hour")]
    async with node.db.reading() as tx:
        found = await feedback.handlings(tx, node)
    assert not {"subject", "case_id", "number", "at", "author"} & set(msgspec.structs.asdict(found[0].review))
    assert (await held(node, case.id)).state == "delivered"


async def test_a_bad_one_opens_two_clocks_on_the_working_calendar(node, set_clock: SetClock):
    await give(node, await delivered(node), 2, text="电话打不通")
    await give(node, await delivered(node), 3)
    async with node.db.reading() as tx:
        found = await feedback.handlings(tx, node)
    assert len(found) == 1
    # Wednesday 18 November 2026: one working day, fifteen working days
    assert (found[0].contact_by.isoformat(), found[0].fix_by.isoformat()) == ("2026-11-19", "2026-12-09")
    assert not found[0].late(set_clock.today())
    assert found[0].late(set_clock.today() + timedelta(days=2))


async def test_check_fix_answer_and_the_person_hears(node):
    case = await delivered(node)
    await give(node, case, 1, text="跑了三次")
    async with node.db.transaction() as tx:
        one = (await feedback.handlings(tx, node))[0].review.id
        early = await feedback.answer_review(tx, node, desk(), one, reply="对不起，已经改好了")
        assert early[0].code == "feedback.state"
        short = await feedback.check_review(tx, node, desk(), one, cause="不清楚")
        assert short[0].field == "cause"
        with pytest.raises(NotAllowed):
            await feedback.check_review(tx, node, desk(division="510100"), one, cause="没有一次说清要什么")
        with pytest.raises(NotAllowed):
            await feedback.check_review(tx, node, desk("x", "feedback.see"), one, cause="没有一次说清要什么")
        await feedback.check_review(tx, node, desk(), one, cause="没有一次说清要什么")
        await feedback.fix_review(tx, node, desk(), one, fix="改成一次列全，附样例")
        done = await feedback.answer_review(tx, node, desk(), one, reply="三次说的不一样，是我们的错。已经改了。")
        assert done.state == "answered"
        assert await feedback.handlings(tx, node) == ()
        level, _, reply = await feedback.review_of_case(tx, node, XIAOYU, case.id)
        assert (level, reply.reveal()) == (1, "三次说的不一样，是我们的错。已经改了。")
        told = await notifications.messages(tx, node, XIAOYU)
    assert any(one.kind == "review.answered" for thread in told for one in thread.messages)
    assert [row["name"] for row in await rows(node, "review_handling_history")] == ["checked", "fixed", "answered"]


async def test_cases_turn_to_reviewed_only_many_at_once_and_later(node, set_clock: SetClock):
    cases_ = [await delivered(node) for _ in range(9)]
    for case in cases_:
        await give(node, case, 5)
    set_clock.move(timedelta(days=1))
    assert await settle(node) == 0
    assert {(await held(node, case.id)).state for case in cases_} == {"delivered"}
    tenth = await delivered(node)
    await give(node, tenth, 1)
    assert await settle(node) == 0  # the tenth is of today
    set_clock.move(timedelta(days=1))
    assert await settle(node) == 10
    assert {(await held(node, case.id)).state for case in (*cases_, tenth)} == {"reviewed"}
    assert {bytes(row["sealed_case"]) for row in await rows(node, "review")} == {b""}
    assert await settle(node) == 0


@pytest.mark.parametrize("wrong", ["origin", "case", "level", "state", "id"])
async def test_a_letter_is_believed_only_about_an_own_finished_case(node, wrong):
    case = await brought(node, "accepted" if wrong == "state" else "delivered")
    told = Told(
        v=1, review=str(uuid.uuid4()), case=case.id, service_no=1, level=1, indicators=(), text="", call_me=False,
        day=node.clock.today(),
    )  # fmt: skip
    changes = {"case": {"case": str(uuid.uuid4())}, "level": {"level": 9}, "id": {"case": "not-an-id"}}
    told = msgspec.structs.replace(told, **changes.get(wrong, {}))
    with pytest.raises(ReviewNotBelieved):
        async with node.db.transaction() as tx:
            await feedback.apply_review(tx, node, "510000" if wrong == "origin" else "500000", told)
    assert await rows(node, "review") == []


async def test_a_second_letter_for_the_same_service_changes_nothing(node):
    case = await delivered(node)
    told = Told(
        v=1, review=str(uuid.uuid4()), case=case.id, service_no=1, level=1, indicators=("guide", "made_up"), text="字" * 500,
        call_me=True, day=node.clock.today(),
    )  # fmt: skip
    async with node.db.transaction() as tx:
        assert await feedback.apply_review(tx, node, "500000", told)
        again = msgspec.structs.replace(told, review=str(uuid.uuid4()), level=5)
        assert not await feedback.apply_review(tx, node, "500000", again)
    row = (await rows(node, "review"))[0]
    assert (row["level"], row["indicators"]) == (1, ["guide"])


async def test_once_a_service_also_across_two_index_keys(node, set_clock, monkeypatch):
    """T-79, R-801: what a review was about is forgotten, its mark goes over to the new key all the same, and a second one is refused."""
    case = await delivered(node)
    told = Told(
        v=1, review=str(uuid.uuid4()), case=case.id, service_no=1, level=5, indicators=(), text="", call_me=False, day=node.clock.today()
    )
    async with node.db.transaction() as tx:
        assert await feedback.apply_review(tx, node, "500000", told)
        await tx.execute("UPDATE review SET sealed_case = ''::bytea")

    async def second():
        async with node.db.transaction() as tx:
            return await feedback.apply_review(tx, node, "500000", msgspec.structs.replace(told, review=str(uuid.uuid4())))

    assert await reindexing.begin(node) == 2
    set_clock.move(timedelta(seconds=31))
    with monkeypatch.context() as patch:
        patch.setattr(rooms, "indexes", tuple)
        assert (await reindexing.go_on(node)).step == "written"
    assert (await rows(node, "review"))[0]["service_key"][:2] != b"\x00\x02"
    assert not await second()
    await reindexing.go_on(node)
    set_clock.move(timedelta(seconds=31))
    assert (await reindexing.go_on(node)).over
    assert not await second()
    assert [row["service_key"][:2] for row in await rows(node, "review")] == [b"\x00\x02"]


async def test_public_figures_need_ten(node):
    for _ in range(3):
        await give(node, case := await delivered(node), 5)
    async with node.db.reading() as tx:
        assert (await feedback.figures(tx, case.task_code)).count is None
