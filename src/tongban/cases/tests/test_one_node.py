"""A case at one node (居住证签注), from draft to archive, on the real database: each verb, its rows, letters and clocks."""

from __future__ import annotations

import asyncio
from datetime import date, timedelta

import asyncpg
import pytest

from tongban import credentials, notifications
from tongban.cases.actions import ask, closing, decide, intake, mirror, numbers, review, submit, void
from tongban.cases.model import Case, Mirror, Reason
from tongban.cases.queries import records
from tongban.cases.tests import make
from tongban.cases.tests.make import TICKED, act, brought, citizen, clerk, held, sent, tried
from tongban.kernel.actor import SYSTEM
from tongban.kernel.clock import SetClock
from tongban.kernel.errors import LevelNeeded
from tongban.kernel.ids import CaseNumber


@pytest.fixture(scope="module")
async def clock():
    return SetClock(make.WEDNESDAY)


@pytest.fixture(scope="module")
async def node(make_node, clock):
    return await make.ready(await make_node("500000", clock=clock))


async def lines(node, case_id):
    async with node.db.reading() as tx:
        case = await records.held(tx, node, case_id)
        return [one.transition for one in await records.history(tx, node, case.subject, case_id)]


async def clocks(node, case_id):
    async with node.db.reading() as tx:
        case = await records.held(tx, node, case_id)
        return {one.kind: one for one in await records.clocks(tx, case.subject, case_id)}


async def test_submitting_gives_number_receipt_case_and_message(node):
    mirrored = await sent(node)
    assert CaseNumber.parse(mirrored.number).division == "500000"
    assert mirrored.state == "received"
    assert (mirrored.term, mirrored.rev) == (1, 1)
    case = await held(node, mirrored.id)
    assert (case.state, case.org_code, case.division) == ("received", "11500103DEM000022Q", "500103")
    assert case.due_on == date(2026, 11, 25)
    async with node.db.reading() as tx:
        threads = await notifications.messages(tx, node, make.XIAOYU)
    titles = [one.title.reveal() for thread in threads for one in thread.messages if mirrored.id in thread.about]
    assert "交上去了" in titles
    assert "已送达，受理部门收到了" in titles


async def test_the_receipt_is_signed_and_names_no_person(node):
    from tongban.kernel.gm import jcs, unb64

    receipt = (await sent(node)).receipt
    import msgspec

    said = msgspec.to_builtins(receipt)
    signature = unb64(said.pop("signature"))
    assert node.keys.signer("s1").public.verify(jcs(said), signature)
    assert make.XIAOYU not in str(said)


async def test_one_draft_is_one_case_however_often_it_is_submitted(node):
    who = citizen()
    draft_id = await make.filled(node, who)
    pressed = [await numbers.reserve(node) for _ in range(4)]

    async def press(number):
        async with node.db.transaction() as tx:
            return await submit.submit(tx, node, who, draft_id, number=number, posted=TICKED)

    done = await asyncio.gather(*(press(number) for number in pressed))
    assert all(isinstance(one, Mirror) for one in done)
    assert len({one.number for one in done}) == 1
    async with node.db.reading() as tx:
        assert await tx.fetchval("SELECT count(*) FROM case_record WHERE id = $1", draft_id) == 1
        assert await tx.fetchval("SELECT count(*) FROM case_history WHERE case_id = $1", draft_id) == 1


async def test_numbers_are_never_given_twice(node):
    found = await asyncio.gather(*(numbers.reserve(node) for _ in range(70)))
    assert len(set(found)) == 70


async def test_the_level_is_asked_before_anything_is_written(node):
    who = citizen(acr=1)
    draft_id = await make.filled(node, who)
    with pytest.raises(LevelNeeded):
        async with node.db.transaction() as tx:
            await submit.submit(tx, node, who, draft_id, number=await numbers.reserve(node), posted=TICKED)
    async with node.db.reading() as tx:
        assert await tx.fetchval("SELECT state FROM draft WHERE id = $1", draft_id) == "draft"


async def test_an_unfinished_form_is_refused_and_kept(node):
    who = citizen(make.OTHER)
    draft_id = await make.filled(node, who, mobile="1380013800")
    async with node.db.transaction() as tx:
        done = await submit.submit(tx, node, who, draft_id, number=await numbers.reserve(node), posted=TICKED)
    assert [(one.field, one.sentence) for one in done] == [("mobile", "手机号码少了 1 位，应该是 11 位数字")]
    async with node.db.reading() as tx:
        from tongban.cases.queries import mirrors

        draft = await mirrors.draft(tx, node, make.OTHER, draft_id)
    assert draft.file.answers["mobile"] == "1380013800"


async def test_correction_once_only_the_named_item(node):
    case = await brought(node, "to_correct")
    mirrored = await make.mirror(node, case.id)
    assert mirrored.view.correction.defects == make.DEFECTS
    again = await tried(node, case.id, intake.ask_correction, clerk("acceptor"), make.DEFECTS)
    assert again[0].code == "cases.ask_correction.state"
    async with node.db.transaction() as tx:
        done = await ask.correct(
            tx, node, citizen(), case.id, files={}, reused={},
            posted={"address": ("重庆市渝中区演示路 9 号 1 单元 101",), "mobile": ("13900139000",)},
        )  # fmt: skip
    assert isinstance(done, Mirror)
    back = await held(node, case.id)
    assert back.state == "received"
    assert back.file.submission.answers["address"] == "重庆市渝中区演示路 9 号 1 单元 101"
    assert back.file.submission.answers["mobile"] == "13800138000"  # not named, not touched
    assert back.file.corrected == ("address",)
    once_more = await tried(node, case.id, intake.ask_correction, clerk("acceptor"), make.DEFECTS)
    assert once_more[0].code == "cases.ask_correction.asked_before"
    assert await lines(node, case.id) == ["T03", "T04", "T05"]


async def test_an_empty_correction_is_refused(node):
    case = await brought(node, "to_correct")
    async with node.db.transaction() as tx:
        done = await ask.correct(tx, node, citizen(), case.id, files={}, reused={}, posted={"address": ("",)})
    assert done[0].field == "address"
    assert (await held(node, case.id)).state == "to_correct"


async def test_a_correction_of_a_material(node):
    from tongban.cases.model import Defect

    case = await brought(node, "received")
    defects = (Defect("material", "still_here", "继续居住证明", "拍清楚"),)
    await make.corrected_asked(node, case.id, defects)

    async def send(files):
        async with node.db.transaction() as tx:
            return await ask.correct(tx, node, citizen(), case.id, files=files, reused={}, posted={})

    lying = await send({"still_here": make.upload(b"<html>", "a.jpg")})
    assert lying[0].code == "evidence.lying_type"
    missing = await send({})
    assert missing[0].code == "evidence.missing"
    assert isinstance(await send({"still_here": make.upload()}), Mirror)
    async with node.db.reading() as tx:
        kept = await records.materials(tx, node, await records.held(tx, node, case.id))
    assert [one.held for one in kept["still_here"]] == [True]


async def test_the_whole_way_to_a_credential(node):
    case = await brought(node, "finished", actor=citizen(make.OTHER))
    assert await lines(node, case.id) == ["T03", "T06", "T10", "opinion", "T14", "T16"]
    assert case.credential
    async with node.db.reading() as tx:
        cards = await credentials.of_holder(tx, node, make.OTHER)
        kinds = await tx.fetch("SELECT kind FROM case_document WHERE case_id = $1 ORDER BY made_at, id", case.id)
    assert case.credential in {card.id for card in cards}
    assert {row["kind"] for row in kinds} == {"acceptance", "granted"}
    mirrored = await make.mirror(node, case.id, make.OTHER)
    assert mirrored.state == "finished"
    assert mirrored.public_state == "已办结"
    assert all("各项条件" not in line.text for line in mirrored.view.told)  # opinions never leave
    delivered = await act(node, case.id, decide.deliver, clerk("approver"), receipt="signed")
    assert delivered.state == "delivered"
    async with node.db.transaction() as tx:
        assert (await decide.review(tx, node, case.id)).state == "reviewed"
    async with node.db.transaction() as tx:
        assert await decide.review(tx, node, case.id) is None  # one review for each service
    assert (await make.mirror(node, case.id, make.OTHER)).final_at is not None


async def test_finishing_twice_makes_one_document_and_one_credential(node):
    case = await brought(node, "granted")
    await asyncio.gather(*(decide.finish_by_clock(node, case.id) for _ in range(3)))
    assert (await lines(node, case.id)).count("T16") == 1
    async with node.db.reading() as tx:
        assert await tx.fetchval("SELECT count(*) FROM case_document WHERE case_id = $1 AND kind = 'granted'", case.id) == 1


async def test_refusing_names_reasons_and_remedies(node):
    case = await brought(node, "under_review")
    bare = await tried(node, case.id, decide.refuse, clerk("approver"), reasons=(), remedies=make.REMEDIES)
    assert bare[0].code == "cases.refuse.reasons"
    await act(node, case.id, decide.refuse, clerk("approver"), reasons=make.REASONS, remedies=make.REMEDIES)
    await decide.finish_by_clock(node, case.id)
    view = (await make.mirror(node, case.id)).view
    assert view.reasons == make.REASONS
    assert view.remedies[0].kind == "行政复议"
    assert (view.state, view.credential) == ("finished", "")


async def test_refusing_to_accept(node):
    case = await brought(node, "received")
    done = await act(
        node, case.id, intake.refuse_acceptance, clerk("acceptor"), reason="not_competent", competent_body="江北区分局",
        reasons=make.REASONS, remedies=make.REMEDIES,
    )  # fmt: skip
    assert done.state == "not_accepted"
    assert "江北区分局" in (await make.mirror(node, case.id)).view.told[-1].text


async def test_special_procedure_and_extension(node, clock):
    case = await brought(node, "special_procedure")
    assert case.due_on is None
    mirrored = await make.mirror(node, case.id)
    assert mirrored.view.paused
    clock.move(timedelta(days=7))
    try:
        back = await act(node, case.id, review.end_special, clerk("examiner"), result="签名是真的")
        assert back.state == "under_review"
        before = (await clocks(node, case.id))["decision"]
        longer = await act(node, case.id, review.extend, clerk("head"), reason="要跨省核实")
        after = (await clocks(node, case.id))["decision"]
        assert (longer.extended, after.limit_days - before.limit_days) == (True, 10)
        twice = await tried(node, case.id, review.extend, clerk("head"), reason="还要")
        assert twice[0].code == "cases.extend.again"
    finally:
        clock.move(timedelta(days=-7))


async def test_withdrawing_before_a_decision(node):
    case = await brought(node, "under_review")
    async with node.db.transaction() as tx:
        done = await ask.withdraw(tx, node, citizen(), case.id)
    assert isinstance(done, Mirror)
    assert (await held(node, case.id)).state == "withdrawn"
    assert (await make.mirror(node, case.id)).state == "withdrawn"
    late = await tried(node, case.id, decide.grant, clerk("approver"))
    assert late[0].code == "cases.grant.state"


async def test_withdrawing_after_a_decision_is_answered(node):
    case = await brought(node, "granted")
    async with node.db.transaction() as tx:
        # the mirror may not know yet: the request is sent as if from an older page
        await tx.execute("UPDATE case_mirror SET state = 'under_review', rev = rev - 1 WHERE id = $1", case.id)
        await ask.withdraw(tx, node, citizen(), case.id)
    async with node.db.reading() as tx:
        from tongban.cases.queries import mirrors

        asked = await mirrors.requests(tx, make.XIAOYU, case.id)
    assert [one.answer for one in asked] == ["refused"]
    assert (await held(node, case.id)).state == "granted"


async def test_opening_starts_the_correction_clock_and_delivers(node):
    case = await brought(node, "to_correct")
    presumed = (await clocks(node, case.id))["correction"].due_on
    async with node.db.transaction() as tx:
        assert await mirror.opened(tx, node, await _mirror(tx, node, case.id), "correction:1")
        assert not await mirror.opened(tx, node, await _mirror(tx, node, case.id), "correction:1")
    opened = await clocks(node, case.id)
    assert opened["correction"].due_on < presumed
    assert (await make.mirror(node, case.id)).view.correction.last_day == opened["correction"].due_on
    done = await brought(node, "finished")
    async with node.db.transaction() as tx:
        await mirror.opened(tx, node, await _mirror(tx, node, done.id), "result")
    assert (await held(node, done.id)).state == "delivered"


async def _mirror(tx, node, case_id):
    from tongban.cases.queries import mirrors

    return await mirrors.of_person(tx, node, make.XIAOYU, case_id)


async def test_silence_is_acceptance_from_the_day_of_receipt(node, clock):
    case = await brought(node, "received")
    clock.move(timedelta(days=7))
    try:
        await closing.deem_accepted(node)  # Wednesday: the fifth day, not over yet
        assert (await held(node, case.id)).state == "received"
        clock.move(timedelta(days=1))
        await closing.deem_accepted(node)
        await closing.deem_accepted(node)
    finally:
        clock.move(timedelta(days=-8))
    assert await lines(node, case.id) == ["T03", "T07"]
    assert (await clocks(node, case.id))["decision"].started_on == date(2026, 11, 18)


async def test_a_correction_lapses_only_after_its_last_day(node, clock):
    case = await brought(node, "to_correct")
    clock.move(timedelta(days=30))
    await closing.lapse(node)
    assert (await held(node, case.id)).state == "to_correct"
    clock.move(timedelta(days=40))
    try:
        await closing.lapse(node)
        assert (await held(node, case.id)).state == "correction_lapsed"
        assert (await make.mirror(node, case.id)).final_at is not None
        wordless = await tried(node, case.id, intake.reinstate, clerk("acceptor"), reason="")
        assert wordless[0].code == "cases.reinstate_lapsed.reason"
        back = await act(node, case.id, intake.reinstate, clerk("acceptor"), reason="停电那天算错了")
        assert back.state == "received"
        assert (await make.mirror(node, case.id)).final_at is None
    finally:
        clock.move(timedelta(days=-70))


async def test_closing_after_thirty_days_without_a_review(node, clock):
    case = await brought(node, "delivered")
    clock.move(timedelta(days=31))
    try:
        await closing.close(node)
    finally:
        clock.move(timedelta(days=-31))
    assert (await held(node, case.id)).state == "closed"


async def test_void_takes_two_persons_and_the_credential(node):
    case = await brought(node, "finished", actor=citizen("n1" + "c" * 32))
    first, second = clerk("supervisor", staff_id="S-A"), clerk("supervisor", staff_id="S-B")
    await act(node, case.id, void.propose, first, reason="made_in_error", reasons=make.REASONS, remedies=make.REMEDIES)
    assert (await held(node, case.id)).state == "finished"
    alone = await tried(node, case.id, void.confirm, first)
    assert alone[0].code == "cases.make_void.two_persons"
    done = await act(node, case.id, void.confirm, second)
    assert done.state == "void"
    async with node.db.reading() as tx:
        assert (await credentials.of_case(tx, node, case.id)).state == "revoked"


async def test_history_cannot_be_rewritten(node):
    case = await brought(node, "received")
    for statement in ("UPDATE case_history SET title = 'x' WHERE case_id = $1", "DELETE FROM case_history WHERE case_id = $1"):
        with pytest.raises(asyncpg.RaiseError, match="append-only"):
            async with node.db.transaction() as tx:
                await tx.execute(statement, case.id)


async def test_a_transition_is_all_or_nothing(node, monkeypatch):
    case = await brought(node, "received")

    async def broken(*_args, **_more):
        raise OSError("disk full")

    from tongban.cases.actions import speak

    monkeypatch.setattr(speak, "tell", broken)
    with pytest.raises(OSError, match="disk full"):
        await tried(node, case.id, intake.accept, clerk("acceptor"), complete=True)
    monkeypatch.undo()
    assert (await held(node, case.id)).state == "received"
    assert await lines(node, case.id) == ["T03"]
    assert set(await clocks(node, case.id)) == {"intake"}
    async with node.db.reading() as tx:
        assert await tx.fetchval("SELECT count(*) FROM case_document WHERE case_id = $1", case.id) == 0


async def test_a_second_permit_takes_the_place_of_the_first(node):
    who = citizen("n1" + "e" * 32)
    first = await brought(node, "finished", actor=who)
    second = await brought(node, "finished", actor=who)
    async with node.db.reading() as tx:
        cards = {card.id: card.state for card in await credentials.of_holder(tx, node, who.subject)}
    assert cards[second.credential] == "valid"
    assert cards.get(first.credential) != "valid"


async def test_remote_medical_runs_end_to_end(node):
    who = citizen("n1" + "f" * 32)
    case_id = (await sent(node, who, make.REMOTE)).id
    case = await held(node, case_id)
    desk = {"division": case.division, "org": case.org_code}
    await act(node, case_id, intake.accept, clerk("acceptor", **desk), complete=True)
    if not case.immediate:
        await act(node, case_id, review.start_review, clerk("examiner", **desk))
        await tried(node, case_id, review.give_opinion, clerk("examiner", **desk), "参保有效", favourable=True)
    await act(node, case_id, decide.grant, clerk("approver", **desk))
    done = await act(node, case_id, decide.finish, SYSTEM)
    async with node.db.reading() as tx:
        card = next(one for one in await credentials.of_holder(tx, node, who.subject))
    assert done.credential == card.id
    assert card.data["treatment_place"].reveal() == "成都市"
    assert isinstance(done, Case)
    assert Reason is not None
