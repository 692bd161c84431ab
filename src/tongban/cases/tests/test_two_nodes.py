"""A case between real nodes: 重庆 submits and mirrors, 四川 owns, by letters and calls over loopback (C-1 … C-6, I-1, I-6, I-8)."""

from __future__ import annotations

from datetime import timedelta

import asyncpg
import msgspec
import pytest

from tongban import catalogue, consent, credentials, evidence, federation, identity
from tongban.cases import letters
from tongban.cases.actions import ask, closing, decide, intake, mirror, review, transfer
from tongban.cases.errors import LetterNotOurs, NotYourCounty
from tongban.cases.model import Defect, Mirror
from tongban.cases.queries import mirrors, records
from tongban.cases.tests import make
from tongban.cases.tests.make import act, citizen, clerk, held, tried
from tongban.federation.tests.make import deliver as one_round
from tongban.federation.tests.make import nation
from tongban.identity.actions import corrections, subjects
from tongban.identity.model import Corrected
from tongban.kernel.actor import SYSTEM
from tongban.kernel.errors import NotAllowed
from tongban.kernel.gm import digest
from tongban.kernel.ids import uuid7
from tongban.main import rooms

HERE, THERE = "500000", "510000"
ITEM = "11510100DEM000014N3000199901000"
WUHOU = "510107"


def small() -> catalogue.Item:
    """居住证签注 as if 成都 offered it, with a photo to hand in: small to fill, owned elsewhere."""
    from tongban.catalogue.tests.make import item

    permit = item(make.PERMIT)
    materials = tuple(msgspec.structs.replace(one, needed="", necessity="needed") if one.name == "still_here" else one for one in permit.materials)
    return item(
        make.PERMIT, owner_node=THERE, division="510100", materials=materials, catalog_code=permit.catalog_code,
        result=msgspec.structs.replace(permit.result),
    )  # fmt: skip


async def deliver(nodes):
    """Letters and the answers to them."""
    for _ in range(2):
        await one_round(nodes)


@pytest.fixture(scope="module")
async def nodes(make_node):
    async with nation(
        make_node, "cn", HERE, THERE, letters_too=identity.follow_aliases(rooms.letters()), calls=rooms.calls(), clocks=False
    ) as found:
        for node in found.values():
            await make.set_up(node)
            async with node.db.transaction() as tx:
                await tx.execute("DELETE FROM item WHERE task_code = $1", make.PERMIT)
                await make.shelve(tx, node, small())
        await deliver(found)
        yield found


async def at(nodes, who=None, **more) -> Mirror:
    """A case submitted at 重庆 and received at 四川."""
    mine = await sent_with_photo(nodes[HERE], who or citizen())
    await deliver(nodes)
    return mine


async def sent_with_photo(node, who) -> Mirror:
    from tongban.cases.actions import drafts, numbers, submit

    draft_id = await make.filled(node, who)
    async with node.db.transaction() as tx:
        draft = await mirrors.draft(tx, node, who.person, draft_id, lock=True)
        item = await catalogue.item(tx, make.PERMIT)
        _, wrong = await drafts.attach(tx, node, who, draft, item, "still_here", make.upload())
        assert not wrong
    number = await numbers.reserve(node)
    async with node.db.transaction() as tx:
        done = await submit.submit(tx, node, who, draft_id, number=number, posted=make.TICKED)
    assert isinstance(done, Mirror), done
    return done


def officer(*names, **more):
    return clerk(*names, division="510100", **more)


async def seen(nodes, case_id, subject=make.XIAOYU):
    await deliver(nodes)
    return await make.mirror(nodes[HERE], case_id, subject)


async def test_submitted_here_received_there(nodes):
    mine = await sent_with_photo(nodes[HERE], citizen())
    assert (mine.state, mine.rev, mine.view) == ("submitted", 0, None)  # nothing is promised before the owner speaks
    assert (await seen(nodes, mine.id)).state == "received"
    case = await held(nodes[THERE], mine.id)
    assert case.applicant_node == HERE
    assert case.number == mine.number


async def test_the_material_is_fetched_and_opens_only_with_its_key(nodes):
    mine = await at(nodes)
    async with nodes[THERE].db.reading() as tx:
        case = await records.held(tx, nodes[THERE], mine.id)
        before = (await records.materials(tx, nodes[THERE], case))["still_here"][0]
        assert not before.held
    await evidence.fetch_wanted(nodes[THERE])
    async with nodes[THERE].db.reading() as tx:
        opened = await evidence.read(tx, nodes[THERE], make.XIAOYU, before.id)
    assert opened.content == make.photo()
    with pytest.raises(federation.CallRefused):  # the hub was not told of it
        await federation.call(nodes["cn"], HERE, "evidence.content.get", {"address": before.address, "offset": 0})


async def test_the_whole_way_between_two_nodes(nodes):
    mine = await at(nodes)
    there = nodes[THERE]
    await act(there, mine.id, intake_correction, officer("acceptor"))
    asked = await seen(nodes, mine.id)
    assert asked.state == "to_correct"
    here = nodes[HERE]
    async with here.db.transaction() as tx:
        await mirror.opened(tx, here, asked, "correction:1")
        done = await ask.correct(
            tx, here, citizen(), mine.id, posted={}, files={"still_here": make.upload(make.photo(120))}, reused={}
        )
        assert isinstance(done, Mirror)
        twice = await ask.correct(tx, here, citizen(), mine.id, posted={}, files={"still_here": make.upload()}, reused={})
        assert isinstance(twice, Mirror)
    back = await seen(nodes, mine.id)
    assert back.state == "received"
    async with there.db.reading() as tx:
        kept = await records.materials(tx, there, await records.held(tx, there, mine.id))
    assert len(kept["still_here"]) == 1
    await act(there, mine.id, intake.accept, officer("acceptor"), complete=True)
    await act(there, mine.id, review.start_review, officer("examiner"))
    await tried(there, mine.id, review.give_opinion, officer("examiner"), "都符合", favourable=True)
    await act(there, mine.id, decide.grant, officer("approver"))
    done = await act(there, mine.id, decide.finish, SYSTEM)
    finished = await seen(nodes, mine.id)
    assert (finished.state, finished.view.credential) == ("finished", done.credential)
    async with here.db.reading() as tx:
        cards = {card.id for card in await credentials.of_holder(tx, here, make.XIAOYU)}
    assert done.credential in cards  # in her wallet at home
    async with here.db.transaction() as tx:
        await mirror.opened(tx, here, finished, "result")
    assert (await seen(nodes, mine.id)).state == "delivered"
    owner = await held(there, mine.id)
    end = await make.mirror(here, mine.id)
    assert (end.term, end.rev, end.state) == (owner.term, owner.rev, owner.state)  # I-6


async def intake_correction(tx, node, actor, case):
    return await intake.ask_correction(tx, node, actor, case, (Defect("material", "still_here", "居住证明", "要清楚"),))


async def test_a_document_is_fetched_when_opened(nodes):
    mine = await at(nodes)
    await act(nodes[THERE], mine.id, intake.accept, officer("acceptor"), complete=True)
    view = (await seen(nodes, mine.id)).view
    wanted = view.documents[0]
    about = {"case": mine.id, "document": wanted.id}
    content = await evidence.open_travelling(nodes[HERE], wanted.material, "cases.document", about)
    assert content[:2] == b"PK"
    with pytest.raises(federation.CallRefused):
        await federation.call(nodes["cn"], THERE, "cases.document.get", {**about, "offset": 0})


async def test_a_mirror_is_rebuilt_by_asking(nodes):
    mine = await at(nodes)
    here = nodes[HERE]
    async with here.db.transaction() as tx:
        await tx.execute("UPDATE case_mirror SET term = 0, rev = 0, state = 'submitted' WHERE id = $1", mine.id)
    assert await mirror.rebuild(here, await make.mirror(here, mine.id))
    assert (await make.mirror(here, mine.id)).state == "received"
    with pytest.raises(federation.CallRefused):
        await federation.call(nodes["cn"], THERE, "cases.state.get", {"case": mine.id})


async def test_withdrawing_races_the_decision(nodes):
    mine = await at(nodes)
    there, here = nodes[THERE], nodes[HERE]
    await act(there, mine.id, intake.accept, officer("acceptor"), complete=True)
    await act(there, mine.id, review.start_review, officer("examiner"))
    await tried(there, mine.id, review.give_opinion, officer("examiner"), "都符合", favourable=True)
    await deliver(nodes)
    async with here.db.transaction() as tx:
        await ask.withdraw(tx, here, citizen(), mine.id)
    assert (await make.mirror(here, mine.id)).state == "under_review"  # 撤回申请已提交, never 已撤回 by itself
    await act(there, mine.id, decide.grant, officer("approver"))  # decided before the letter came
    await deliver(nodes)
    async with here.db.reading() as tx:
        assert [one.answer for one in await mirrors.requests(tx, make.XIAOYU, mine.id)] == ["refused"]
    assert (await held(there, mine.id)).state == "granted"


async def test_letters_come_twice_and_change_nothing(nodes):
    mine = await at(nodes)
    there = nodes[THERE]
    body = msgspec.to_builtins(mine.submission)
    letter = federation.Letter(
        id=make.fresh(), origin=HERE, to=THERE, epoch=1, seq=1, kind="case.submitted", kind_version=1, about=f"case:{mine.id}",
        at=0, counts_at=0, body=body,
    )  # fmt: skip
    async with there.db.transaction() as tx:
        await letters.submitted(tx, there, letter)
    assert (await held(there, mine.id)).rev == 1


async def test_a_node_speaks_only_for_itself(nodes):
    mine = await at(nodes)
    there, here = nodes[THERE], nodes[HERE]
    body = msgspec.to_builtins(mine.submission)

    def letter(kind, origin, body):
        return federation.Letter(
            id=make.fresh(), origin=origin, to="x", epoch=1, seq=1, kind=kind, kind_version=1, about=f"case:{mine.id}", at=0,
            counts_at=0, body=body,
        )  # fmt: skip

    for handler, node, sent_letter in (
        (letters.submitted, there, letter("case.submitted", "cn", body)),
        (letters.withdraw_requested, there, letter("case.withdraw_requested", "cn", {"case": mine.id, "request": make.fresh(), "seen": [1, 1]})),
        (letters.opened, there, letter("case.opened", "cn", {"case": mine.id, "what": "result"})),
        (letters.taken, there, letter("case.taken", "cn", {"case": mine.id, "term": 2})),
        (letters.forwarded, there, letter("case.forwarded", "cn", {"case": mine.id, "kind": "withdraw", "origin": HERE, "at": 0, "body": {}})),
    ):  # fmt: skip
        with pytest.raises(LetterNotOurs):
            async with node.db.transaction() as tx:
                await handler(tx, node, sent_letter)
    async with there.db.transaction() as tx:
        view = await letters.speak.view_of(tx, there, await records.held(tx, there, mine.id), HERE)
    lie = msgspec.structs.replace(view, owner_node="cn", rev=99, state="refused", term=1)
    async with here.db.transaction() as tx:
        await letters.state(tx, here, letter("case.state", "cn", msgspec.to_builtins(lie)))
    assert (await make.mirror(here, mine.id)).state == "received"  # kept aside, not believed (I-15)
    with pytest.raises(LetterNotOurs):
        async with here.db.transaction() as tx:
            await letters.state(tx, here, letter("case.state", "cn", msgspec.to_builtins(view)))


async def test_hand_over_and_a_request_on_its_way(nodes):
    """B = 四川 offers to C = the hub's node; the applicant asks to withdraw meanwhile; it is forwarded and answered by C."""
    mine = await at(nodes)
    there, here, third = nodes[THERE], nodes[HERE], nodes["cn"]
    offered = await act(
        there, mine.id, transfer.offer, officer("acceptor"), to="cn", org_code="11100000000013338W", division="110101",
        reason="not_competent",
    )  # fmt: skip
    assert (offered.state, offered.public_state) == ("transferring", "待受理")
    frozen = await tried(there, mine.id, intake.accept, officer("acceptor"), complete=True)
    assert frozen[0].code == "cases.accept.state"  # I-13
    assert (await seen(nodes, mine.id)).view.new_owner == "cn"
    async with here.db.transaction() as tx:
        await ask.withdraw(tx, here, citizen(), mine.id)
    await deliver(nodes)
    assert (await held(there, mine.id)).state == "transferring"  # the request waits
    async with third.db.transaction() as tx:
        given = await records.offer(tx, mine.id, 1, "in", lock=True)
        with pytest.raises(NotYourCounty):
            await transfer.take(tx, third, clerk("acceptor", division="310000"), given)
        taken = await transfer.take(tx, third, clerk("acceptor", division="110101"), given)
        assert (taken.term, taken.rev, taken.state) == (2, 1, "received")
    async with third.db.transaction() as tx:
        again = await transfer.take(tx, third, clerk("acceptor", division="110101"), given)
        assert again[0].code == "cases.take.answered"
    for _ in range(4):
        await deliver(nodes)
    old = await held(there, mine.id)
    assert (old.state, old.term) == ("transferred", 1)
    new = await held(third, mine.id)
    assert (new.state, new.term) == ("withdrawn", 2)  # forwarded and answered (I-8)
    end = await make.mirror(here, mine.id)
    assert (end.owner_node, end.term, end.state) == ("cn", 2, "withdrawn")
    async with here.db.reading() as tx:
        assert [one.answer for one in await mirrors.requests(tx, make.XIAOYU, mine.id)] == ["done"]


async def test_a_declined_offer_comes_back(nodes):
    mine = await at(nodes)
    there, third = nodes[THERE], nodes["cn"]
    await act(there, mine.id, intake.accept, officer("acceptor"), complete=True)
    due = (await held(there, mine.id)).due_on
    await act(
        there, mine.id, transfer.offer, officer("acceptor"), to="cn", org_code="11100000000013338W", division="110101",
        reason="first_review",
    )  # fmt: skip
    await deliver(nodes)
    async with third.db.transaction() as tx:
        given = await records.offer(tx, mine.id, 1, "in", lock=True)
        assert (await transfer.decline(tx, third, clerk("acceptor", division="110101"), given, reason=""))[0].field == "reason"
        assert await transfer.decline(tx, third, clerk("acceptor", division="110101"), given, reason="也不归我们") == ()
        assert (await transfer.decline(tx, third, clerk("acceptor", division="110101"), given, reason="x"))[0].code == "cases.decline.answered"
    assert (await seen(nodes, mine.id)).state == "under_review"
    back = await held(there, mine.id)
    assert (back.state, back.new_owner, back.due_on) == ("under_review", "", due)
    once = await tried(
        there, mine.id, transfer.offer, officer("acceptor"), to="cn", org_code="11100000000013338W", division="110101",
        reason="first_review",
    )  # fmt: skip
    assert once[0].code == "cases.offer_transfer.again"


async def test_accepted_cases_are_taken_into_review(nodes):
    mine = await at(nodes)
    there, third = nodes[THERE], nodes["cn"]
    await act(there, mine.id, intake.accept, officer("acceptor"), complete=True)
    await act(
        there, mine.id, transfer.offer, officer("acceptor"), to="cn", org_code="11100000000013338W", division="110101",
        reason="first_review",
    )  # fmt: skip
    await deliver(nodes)
    async with third.db.transaction() as tx:
        given = await records.offer(tx, mine.id, 1, "in", lock=True)
        taken = await transfer.take(tx, third, clerk("acceptor", division="110101"), given)
    assert (taken.state, taken.term) == ("under_review", 2)
    assert taken.due_on == (await held(there, mine.id)).due_on  # not moved by 转报
    for _ in range(3):
        await deliver(nodes)
    assert (await make.mirror(nodes[HERE], mine.id)).owner_node == "cn"
    assert (await held(there, mine.id)).state == "transferred"


async def test_no_time_out_while_the_mail_is_incomplete(nodes, monkeypatch):
    """I-7: the last day is over at the owner, but the applicant's node has not said that everything is here."""
    mine = await at(nodes)
    there = nodes[THERE]
    await act(there, mine.id, intake_correction, officer("acceptor"))
    async with there.db.transaction() as tx:
        await tx.execute("UPDATE case_clock SET due_on = $2 WHERE case_id = $1 AND kind = 'correction'", mine.id, make.date(2020, 1, 1))
    await closing.lapse(there)
    complete = (await held(there, mine.id)).state

    async def incomplete(*_):
        return False

    other = await at(nodes)
    await act(there, other.id, intake_correction, officer("acceptor"))
    async with there.db.transaction() as tx:
        await tx.execute("UPDATE case_clock SET due_on = $2 WHERE case_id = $1 AND kind = 'correction'", other.id, make.date(2020, 1, 1))
    monkeypatch.setattr(federation, "mail_complete", incomplete)
    await closing.lapse(there)
    assert (await held(there, other.id)).state == "to_correct"
    assert complete in {"correction_lapsed", "to_correct"}


async def test_a_clerk_of_another_county_does_nothing(nodes):
    mine = await at(nodes)
    wrong = clerk("acceptor", "approver", division=WUHOU)
    with pytest.raises(NotAllowed):
        await tried(nodes[THERE], mine.id, intake.accept, wrong, complete=True)


async def test_a_case_its_ledger_and_consents_follow_a_changed_number_on_both_nodes(nodes, monkeypatch):
    """R-304, identity.md 1: the register's letter; the owner, who never met her, asks for the successor; the case goes on."""
    here, there, old, new = nodes[HERE], nodes[THERE], "n1" + "c" * 32, "n1" + "d" * 32
    mine = await at(nodes, citizen(old))
    async with here.db.transaction() as tx:
        line = await consent.record_access(tx, here, consent.Access(
            subject=old, kind="view", who="演示", fields=("姓名",), purpose="演示", source=HERE, receiver=HERE, basis="演示",
        ))  # fmt: skip
        ask_for = consent.Ask(
            purpose="demo", why="演示", giver=HERE, giver_name="演示", receiver=HERE, receiver_name="演示", fields=("姓名",),
            until=here.clock.now() + timedelta(days=9),
        )  # fmt: skip
        given = await consent.give(tx, here, citizen(old), ask_for, channel="h5")

    async def register(*_, **__):
        return {"successor": new}

    monkeypatch.setattr(federation, "call", register)
    for node, told in ((here, new), (there, "")):  # the value is sealed for the home; the owner hears only that it changed
        change = Corrected(subject=old, attribute="number", version=2, effective=node.clock.today(), dispute=uuid7(), value="", successor=told)
        async with node.db.transaction() as tx:
            await corrections.apply(tx, node, change)
        await corrections.ask_successors(node, {})
        await subjects.rewrite(node, {})
    monkeypatch.undo()
    async with here.db.transaction() as tx:
        assert [one.id for one in await mirrors.mine(tx, here, new)] == [mine.id]
        assert not await mirrors.mine(tx, here, old)
        (kept,) = await consent.lines(tx, here.id, new)
        assert (kept.id, kept.written_subject) == (line.id, old)
        assert digest(consent.fact_of(new, kept)) == kept.digest, "the receipt still proves the line as it was written"
        assert [one.id for one in await consent.consents(tx, new)] == [given.id]
        await tx.execute("SELECT set_config('tongban.follow', 'on', true)")
        with pytest.raises(asyncpg.PostgresError):
            await tx.execute("UPDATE access_record SET subject = $2, who = 'x' WHERE subject = $1", new, old)
    async with there.db.reading() as tx:
        case = await records.held(tx, there, mine.id)
        lines = await records.history(tx, there, new, mine.id)
    assert (case.subject, bool(lines)) == (new, True)
    await act(there, mine.id, intake.accept, officer("acceptor"), complete=True)
    assert (await seen(nodes, mine.id, new)).state == "accepted", "the case goes on under the new subject"
