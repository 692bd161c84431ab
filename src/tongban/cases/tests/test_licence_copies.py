"""查看证照副本 (R-403, R-405, R-406): who has a case in hands sees how its licence is now and opens one copy, for a reason the holder reads."""

from __future__ import annotations

import io
import re

import pytest
from pyhanko.pdf_utils.reader import PdfFileReader

from tongban import consent, credentials, evidence, federation, seals
from tongban.cases.actions import decide, intake, licence_copies, review
from tongban.cases.errors import CaseUnknown, NotYourCounty, OwnCase
from tongban.cases.model import CopyAsked, FoundCard
from tongban.cases.queries import records
from tongban.cases.rules import desk
from tongban.cases.tests import make
from tongban.cases.tests.make import act, citizen, clerk, held, tried
from tongban.cases.tests.test_licence_materials import TYPE, begun, given, handed_in, node
from tongban.credentials.actions import share
from tongban.kernel.actor import SYSTEM
from tongban.kernel.errors import Failure, NotAllowed
from tongban.kernel.gm import b64
from tongban.kernel.ids import uuid7

__all__ = ["node"]
WHY = "核对签注地址（演示）"
STATES = ("received", "accepted", "under_review", "special_procedure", "granted", "finished")
IN_HANDS = {"received": {"acceptor"}, "accepted": {"examiner"}, "under_review": {"examiner", "approver", "head"}, "special_procedure": {"examiner"}}


def person() -> str:
    return "n1" + uuid7().replace("-", "")


async def applied(node, subject=""):
    """A case whose residence permit a licence stands for: (its id, the licence)."""
    who = citizen(subject or person())
    card = await given(node, who.subject)
    case_id = await begun(node, who)
    await handed_in(node, who, case_id)
    return case_id, card


async def brought(node, case_id, state):
    steps = {
        "accepted": (intake.accept, clerk("acceptor"), {"complete": True}), "under_review": (review.start_review, clerk("examiner"), {}),
        "special_procedure": (review.start_special, clerk("examiner"), {"kind": "鉴定", "reason": "要鉴定签名", "days": 10}),
    }  # fmt: skip
    for name in STATES[1 : STATES.index(state) + 1]:
        if name in steps and not (name == "special_procedure" and state != name):
            verb, who, more = steps[name]
            await act(node, case_id, verb, who, **more)
    if state in {"granted", "finished"}:
        await tried(node, case_id, review.give_opinion, clerk("examiner"), "都符合", favourable=True)
        await act(node, case_id, decide.grant, clerk("approver"))
    if state == "finished":
        await act(node, case_id, decide.finish, SYSTEM)


async def asked(node, case_id, who=None, reason=WHY, material="permit"):
    return await licence_copies.ask(node, who or clerk("acceptor"), case_id, material, reason)


async def taken(node, case_id, ticket, who=None, material="permit"):
    return await licence_copies.take(node, who or clerk("acceptor"), case_id, material, ticket)


async def ticket_of(node, case_id, **more):
    got = await asked(node, case_id, **more)
    assert isinstance(got, CopyAsked), got
    assert got.told.ticket, got.told
    return got.told.ticket


async def lines(node, case_id):
    case = await held(node, case_id)
    async with node.db.reading() as tx:
        return [one for one in await consent.lines(tx, node.id, case.subject, limit=1000) if one.about == f"case:{case_id}"]


async def counts(node):
    async with node.db.reading() as tx:
        tables = [row["relname"] for row in await tx.fetch("SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace")]
        return {table: await tx.fetchval(f'SELECT count(*) FROM "{table}"') for table in tables}


async def test_a_clerk_gives_a_reason_sees_the_state_and_opens_the_copy_once(node):
    case_id, card = await applied(node)
    browser, path = make.Browser(node, clerk("acceptor")), f"/desk/{case_id}/licences/permit"
    page = await browser.get(f"/desk/{case_id}")
    assert f'href="{path}"' in page.text
    assert page.text.count("查看证照副本</a>") == 2, "for the permit and for the identity card that is on its way, and for nothing else"
    first = await browser.get(path)
    assert first.status_code == 200
    assert "写上理由后查" in first.text
    without = await browser.post(path, {"reason": "  "}, page=path)
    assert without.status_code == 422
    assert "写清为什么要看" in without.text
    assert without.text.count("有 1 处要改") == 1, "the same fault is told twice"
    before, told = await counts(node), len(await lines(node, case_id))
    second = await browser.post(path, {"reason": WHY}, page=path)
    assert second.status_code == 200
    assert second.text.count(">有效</span>") == 2, "the state now stands beside that at submission"
    ticket = re.search(r'name="ticket" value="([^"]+)"', second.text)[1]
    assert str(card.id) not in second.text
    assert "data-file" in second.text, "a button that stays busy after the file came"
    third = await browser.post(f"{path}/copy", {"ticket": ticket}, page=path)
    assert third.headers["content-type"] == "application/pdf"
    assert third.headers["content-disposition"].startswith("attachment")
    assert third.headers["cache-control"] == "no-store"
    async with node.db.reading() as tx:
        assert (await seals.verify_pdf(third.content, await seals.anchors(tx))).ok
    said = str(PdfFileReader(io.BytesIO(third.content)).root_ref.get_pdf_handler().trailer["/Info"]["/Keywords"])
    assert f"用途 仅供渝中区分局（演示）“办理居住证签注：{WHY}”使用，" in said
    assert said.endswith("调取")
    again = await browser.post(f"{path}/copy", {"ticket": ticket}, page=path)
    assert again.status_code == 409, "a copy opened twice"
    assert "打开过了，或者过了 10 分钟" in again.text
    after = await counts(node)
    grown = {table for table in after if after[table] != before.get(table)}
    assert grown <= {"access_record", "access_reason", "leaf", "log_leaf", "log_entry", "log_pending", "credential_use", "credential_file", "seal_use"}, "a copy stays here"
    new = (await lines(node, case_id))[: len(await lines(node, case_id)) - told]
    views = [one for one in new if one.kind == "view" and f"证照副本：{TYPE}" in one.fields]
    shares = [one for one in new if one.fields == ("证照文件",)]
    assert [one.purpose for one in views] == [one.purpose for one in shares] == [f"办理居住证签注：{WHY}"], "the person does not read who and why"
    assert views[0].leaf
    assert views[0].who == "渝中区分局（演示）"


async def test_only_who_has_the_case_in_hands_and_only_in_its_place(node):
    """The role matrix: every role, in every state, at home, in the next county, in another department, for another item."""
    cases = {}
    for state in STATES:
        cases[state] = (await applied(node))[0]
        await brought(node, cases[state], state)
        assert (await held(node, cases[state])).state == state
    elsewhere = ({"division": "500105"}, {"division": "510104"}, {"org": "11500105DEM000099X"})
    for role in make.roles():
        for state, case_id in cases.items():
            case, right = await held(node, case_id), role in IN_HANDS.get(state, set())
            assert desk.in_hand(clerk(role), case) is right, f"{role} at {state}"
            for who, may in ((clerk(role), right), *((clerk(role, **one), False) for one in elsewhere)):
                if may:
                    async with node.db.transaction() as tx:
                        assert (await licence_copies.look(tx, node, who, case_id, "permit")).card.type_name == TYPE
                    continue
                for verb, word in ((licence_copies.ask, WHY), (licence_copies.take, "x")):
                    with pytest.raises(Failure) as no:
                        await verb(node, who, case_id, "permit", word)
                    assert isinstance(no.value, NotYourCounty | NotAllowed), f"licence opened by {role} at {state}"


async def test_nobody_opens_the_licence_of_the_own_case_and_no_citizen_anybodys(node):
    subject = person()
    case_id, _ = await applied(node, subject)
    with pytest.raises(OwnCase):
        await asked(node, case_id, who=clerk("acceptor", linked_subject=subject))
    with pytest.raises(Failure):
        await asked(node, case_id, who=citizen(subject))
    stranger = make.Browser(node, clerk("acceptor", division="500105"))
    for path in (f"/desk/{case_id}/licences/permit", f"/desk/{case_id}"):
        assert (await stranger.get(path)).status_code == 403


async def test_only_a_licence_linked_to_the_case_is_found(node):
    """A material that nothing stands for, one of another item, names of types, rubbish: the same answer, and nobody is asked."""
    case_id, _ = await applied(node)
    before = await counts(node)
    for material in ("still_here", "insured_card", "id_card ", "nothing", "../permit", TYPE, "%00", "' OR 1=1", "x" * 500):
        with pytest.raises(CaseUnknown):
            await asked(node, case_id, material=material)
        with pytest.raises(CaseUnknown):
            await taken(node, case_id, "x", material=material)
    for bad in ("x", "", uuid7(), case_id + "'"):
        with pytest.raises(CaseUnknown):
            await asked(node, bad)
    assert await counts(node) == before, "something was asked or written"


async def test_a_ticket_is_good_for_its_clerk_case_and_material_and_ten_minutes(node):
    case_id, card = await applied(node)
    her = citizen((await held(node, case_id)).subject)
    other = await begun(node, her)
    await handed_in(node, her, other)  # the same licence stands for a material of her second case
    ticket = await ticket_of(node, case_id)
    await ticket_of(node, other)
    colleague = clerk("acceptor", staff_id="S-colleague")
    assert await taken(node, other, ticket) == (licence_copies.GONE,), "licence of another case opened"
    assert await taken(node, case_id, ticket, who=colleague) == (licence_copies.GONE,), "ticket of another clerk taken"
    for bad in ("", "x", "*", b64(b"short"), ticket[:-4], ticket[:-4] + "AAAA", "证", "x" * 5000):
        assert await taken(node, case_id, bad) == (licence_copies.GONE,), bad
    async with node.db.transaction() as tx:
        await tx.execute("UPDATE credential_file SET expires_at = $2 WHERE credential = $1", card.id, node.clock.now())
    assert await taken(node, case_id, ticket) == (licence_copies.GONE,), "taken late"
    fresh = await ticket_of(node, case_id)
    await act(node, case_id, intake.accept, clerk("acceptor"), complete=True)
    with pytest.raises(NotAllowed):
        await taken(node, case_id, fresh)  # the case went on to another desk between the two presses


async def test_a_reason_that_says_nothing_or_cannot_be_printed_is_refused(node):
    case_id, _ = await applied(node)
    before = await counts(node)
    for reason in ("", " \n ", "理" * 101, "看看\U0001f600", "\x00", "\u202e核对"):
        got = await asked(node, case_id, reason=reason)
        assert [one.field for one in got] == ["reason"], "asked without a reason"
    assert await counts(node) == before


async def test_a_paper_handed_in_instead_leaves_no_licence_to_open(node):
    """Corrected by a file of the applicant's own: the licence stands for nothing any more."""
    case_id, _ = await applied(node)
    case = await held(node, case_id)
    async with node.db.transaction() as tx:
        done = await evidence.store(tx, node, citizen(case.subject), make.upload(), kind="photo")
        await tx.execute(
            "INSERT INTO case_material (subject, case_id, code, material, round) VALUES ($1, $2, 'permit', $3, 1)", case.subject, case_id, done.id
        )
    with pytest.raises(CaseUnknown):
        await asked(node, case_id)
    page = await make.Browser(node, clerk("acceptor")).get(f"/desk/{case_id}")
    assert f"/desk/{case_id}/licences/permit" not in page.text


@pytest.mark.parametrize(("deed", "words"), [("suspend", "暂停使用"), ("revoke", "已作废")])
async def test_what_happened_since_submission_is_said_and_no_copy_is_given(node, deed, words):
    case_id, card = await applied(node)
    case = await held(node, case_id)
    async with node.db.transaction() as tx:
        await getattr(credentials, deed)(tx, node, clerk("approver"), case.subject, card.id, "核查（演示）")
    got = await asked(node, case_id)
    assert (got.told.standing, got.told.words, got.told.ticket) == ("ended", words, "")
    page = await make.Browser(node, clerk("acceptor")).post(
        f"/desk/{case_id}/licences/permit", {"reason": WHY}, page=f"/desk/{case_id}/licences/permit"
    )
    assert words in page.text
    assert ">有效</span>" in page.text, "the state at submission is not said any more"
    assert 'name="ticket"' not in page.text
    await act(node, case_id, intake.accept, clerk("acceptor"), complete=True)


async def test_one_that_runs_out_is_said_to_be_expired(node):
    who = citizen(person())
    await given(node, who.subject, valid_until=make.TODAY)
    case_id = await begun(node, who)
    await handed_in(node, who, case_id)
    make.later(node.clock, days=1)
    try:
        told = (await asked(node, case_id)).told
    finally:
        make.later(node.clock, days=-1)
    assert (told.standing, told.words) == ("ended", "过期了")


async def test_an_issuer_that_is_away_stops_nothing(node, monkeypatch):
    case_id, _ = await applied(node)
    ticket = await ticket_of(node, case_id)

    async def away(*_args, **_more):
        raise federation.CallFailed("unreachable", retryable=True)

    monkeypatch.setattr("tongban.credentials.actions.use._LOCAL", dict.fromkeys((share.FILE_BY_ID, share.VERIFY, share.DOWNLOAD), away))
    got = await asked(node, case_id)
    assert (got.told.standing, got.told.why) == ("unknown", licence_copies.AWAY)
    assert await taken(node, case_id, ticket) == (licence_copies.CLOSED,)
    page = await make.Browser(node, clerk("acceptor")).post(
        f"/desk/{case_id}/licences/permit", {"reason": WHY}, page=f"/desk/{case_id}/licences/permit"
    )
    assert page.status_code == 200
    assert "现在查不到" in page.text
    assert "过几分钟再试" in page.text
    await act(node, case_id, intake.accept, clerk("acceptor"), complete=True)


async def relinked(node, case_id, card):
    """What a node that lies, or an older one, says of the licence in its submission."""
    case = await held(node, case_id)
    sent = case.file.submission
    cards = tuple(card if one.type_name == TYPE else one for one in sent.licences)
    moved = make.changed(case, file=make.changed(case.file, submission=make.changed(sent, licences=cards)))
    async with node.db.transaction() as tx:
        row = await records.locked(tx, node, case_id)
        from tongban.cases.queries import rows

        await tx.execute(
            "UPDATE case_record SET file = $2 WHERE id = $1", case_id, await rows.seal(tx, node, row.subject, "case_record.file", case_id, moved.file)
        )


async def test_another_persons_licence_named_in_a_submission_tells_nothing(node):
    """A node that lies about which licence it found: its issuer looks whose it is, for the copy and for the state."""
    case_id, card = await applied(node)
    _, foreign = await applied(node)
    sent = next(one for one in (await held(node, case_id)).file.submission.licences if one.type_name == TYPE)
    await relinked(node, case_id, make.changed(sent, id=str(foreign.id), identifier=foreign.identifier))
    told = (await asked(node, case_id)).told
    assert (told.standing, told.ticket) == ("unknown", ""), "another person's licence opened"
    assert "核对不上" in told.why
    assert sent.id == str(card.id)
    for bad in ({"id": uuid7(), "identifier": "x"}, {"issuer": "999999"}, {"id": uuid7(), "identifier": "y" * 3000}, {"issuer": "../cn"}):
        await relinked(node, case_id, make.changed(sent, **bad))
        told = (await asked(node, case_id)).told
        assert (told.standing, told.ticket) == ("unknown", ""), bad
    for bad in ({"id": "x"}, {"id": "x" * 3000}, {"issuer": ""}):  # names none: the holder's own is looked for
        await relinked(node, case_id, make.changed(sent, **bad))
        assert await ticket_of(node, case_id)


async def test_one_that_was_coming_or_that_an_older_node_sent_is_found_by_holder(node):
    case_id, _ = await applied(node)
    sent = next(one for one in (await held(node, case_id)).file.submission.licences if one.type_name == TYPE)
    for state in ("coming", "valid"):
        await relinked(node, case_id, FoundCard(TYPE, sent.org_name, state, "", sent.at, node.id))
        ticket = await ticket_of(node, case_id)
        got = await taken(node, case_id, ticket)
        assert isinstance(got, credentials.LicenceCopy)
        assert got.form == "pdf"
    page = await make.Browser(node, clerk("acceptor")).get(f"/desk/{case_id}/licences/permit")
    assert page.status_code == 200
    nothing, _ = await applied(node)
    case = await held(node, nothing)
    async with node.db.transaction() as tx:
        (card,) = [one for one in await credentials.of_holder(tx, node, case.subject) if one.type_name == TYPE]
        await credentials.revoke(tx, node, clerk("approver"), case.subject, card.id, "虚假材料（演示）")
    await relinked(node, nothing, FoundCard(TYPE, sent.org_name, "coming", "", sent.at, node.id))
    told = (await asked(node, nothing)).told
    assert (told.standing, told.words) == ("unknown", "没有查到现在有效的")
