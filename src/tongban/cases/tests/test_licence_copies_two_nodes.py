"""查看证照副本 between nodes (R-403, T-28): the desk in 四川, the licence and its holder in 重庆, under a grant, once, in both ledgers."""

from __future__ import annotations

import pytest

from tongban import catalogue, consent, credentials, federation, seals
from tongban.cases.actions import drafts, intake, licence_copies, numbers, prefill, submit
from tongban.cases.model import CopyAsked, Mirror
from tongban.cases.queries import mirrors
from tongban.cases.tests import make
from tongban.cases.tests.make import act, citizen
from tongban.cases.tests.test_licence_copies import WHY, counts, person
from tongban.cases.tests.test_licence_materials import TYPE, given
from tongban.cases.tests.test_two_nodes import HERE, THERE, deliver, nodes, officer
from tongban.credentials.rules import resources
from tongban.credentials.tests.make import granted

__all__ = ["nodes"]


async def applied(nodes):
    """A case handed in at 重庆, received in 四川, a residence permit of 重庆 standing for a material: (its id, who, the licence)."""
    node, who = nodes[HERE], citizen(person())
    card = await given(node, who.subject)
    draft_id = await make.filled(node, who)
    async with node.db.transaction() as tx:
        draft = await mirrors.draft(tx, node, who.subject, draft_id, lock=True)
        item = await catalogue.item(tx, make.PERMIT)
        _, wrong = await drafts.attach(tx, node, who, draft, item, "still_here", make.upload())
        assert not wrong
    async with node.db.reading() as tx:
        draft = await mirrors.draft(tx, node, who.subject, draft_id)
    await prefill.fill(node, who, draft, item, again=True)
    number = await numbers.reserve(node)
    async with node.db.transaction() as tx:
        done = await submit.submit(tx, node, who, draft_id, number=number, posted=make.TICKED)
    assert isinstance(done, Mirror), done
    await deliver(nodes)
    return done.id, who, card


async def asked(nodes, case_id):
    got = await licence_copies.ask(nodes[THERE], officer("acceptor"), case_id, "permit", WHY)
    assert isinstance(got, CopyAsked), got
    return got.told


async def taken(nodes, case_id, ticket):
    return await licence_copies.take(nodes[THERE], officer("acceptor"), case_id, "permit", ticket)


async def end_grants(node):
    async with node.db.transaction() as tx:
        await tx.execute("UPDATE data_grant SET state = 'ended' WHERE state = 'active'")


async def test_a_licence_of_another_node_is_opened_once_under_a_grant_and_stands_in_the_holders_ledger_at_home(nodes):
    home, desk = nodes[HERE], nodes[THERE]
    await end_grants(home)
    await granted(home, THERE, TYPE, fields=(resources.COPY,))
    case_id, who, card = await applied(nodes)
    before = await counts(desk)
    told = await asked(nodes, case_id)
    assert (told.standing, told.words) == ("valid", "有效")
    copy = await taken(nodes, case_id, told.ticket)
    assert isinstance(copy, credentials.LicenceCopy), copy
    assert copy.form == "pdf"
    async with desk.db.reading() as tx:
        assert (await seals.verify_pdf(copy.content, await seals.anchors(tx))).ok
    assert f"办理居住证签注：{WHY}" in copy.watermark
    assert officer("acceptor").unit in copy.watermark, "the copy does not name the desk"
    assert await taken(nodes, case_id, told.ticket) == (licence_copies.GONE,), "a copy opened twice"
    after = await counts(desk)
    assert "credential_file" not in {table for table in after if after[table] != before.get(table)}, "the desk keeps the issuer's file"
    async with home.db.reading() as tx:
        there = [one for one in await consent.lines(tx, HERE, who.subject) if one.fields == ("证照文件",)]
        assert [one.purpose for one in there] == [f"办理居住证签注：{WHY}"], "the holder does not read at home who and why"
        assert there[0].leaf
        assert await tx.fetchval("SELECT count(*) FROM credential_use WHERE credential = $1 AND side = 'owner'", card.id) >= 1
    async with desk.db.reading() as tx:
        here = [one for one in await consent.lines(tx, THERE, who.subject) if one.fields == ("证照文件",)]
    assert [one.digest for one in here] == [one.digest for one in there], "the two ends wrote down different things"


async def test_a_file_id_that_ran_out_gives_nothing(nodes):
    home = nodes[HERE]
    await end_grants(home)
    await granted(home, THERE, TYPE, fields=(resources.COPY,))
    case_id, _, card = await applied(nodes)
    told = await asked(nodes, case_id)
    async with home.db.transaction() as tx:
        await tx.execute("UPDATE credential_file SET expires_at = $2 WHERE credential = $1", card.id, home.clock.now())
    assert await taken(nodes, case_id, told.ticket) == (licence_copies.GONE,), "taken late"


async def test_without_a_grant_the_state_is_told_and_no_copy(nodes):
    """Whether a licence stands is for everybody; its copy is not: the desk reads what is missing and whom to ask."""
    await end_grants(nodes[HERE])
    case_id, _, _ = await applied(nodes)
    told = await asked(nodes, case_id)
    assert (told.standing, told.words, told.ticket) == ("valid", "有效", ""), "a copy without a grant"
    assert "授权" in told.why or "登记" in told.why


async def test_an_issuer_that_is_away_stops_nothing_and_answers_later(nodes, monkeypatch):
    home = nodes[HERE]
    await end_grants(home)
    await granted(home, THERE, TYPE, fields=(resources.COPY,))
    case_id, _, _ = await applied(nodes)
    held = (await asked(nodes, case_id)).ticket

    async def away(*_args, **_more):
        raise federation.CallFailed("unreachable", retryable=True)

    with monkeypatch.context() as cut:
        cut.setattr(federation, "call", away)
        told = await asked(nodes, case_id)
        assert (told.standing, told.ticket, told.why) == ("unknown", "", licence_copies.AWAY)
        assert await taken(nodes, case_id, held) == (licence_copies.CLOSED,)
        with pytest.raises(licence_copies.CaseUnknown):
            await licence_copies.ask(nodes[THERE], officer("acceptor"), case_id, "still_here", WHY)
    assert isinstance(await taken(nodes, case_id, held), credentials.LicenceCopy), "the id was used up though nobody answered"
    await act(nodes[THERE], case_id, intake.accept, officer("acceptor"), complete=True)
