"""Families: a proxy of an elder waits 24 h, a hall's begins at once, many grantors alert, a minor's guardian confirms (T-85 … T-94)."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from tongban import identity
from tongban.identity.actions import (
    acting,
    confirming,
    following,
    guardians,
    hall,
    mandate_terms,
    mandates,
    organisations,
    staff,
)
from tongban.identity.actions.sessions import Opening, open_session
from tongban.identity.letters import mandates as letters
from tongban.identity.queries import mandates as queries
from tongban.identity.queries import staff as queries_of_staff
from tongban.identity.queries.organisations import Organisation
from tongban.identity.tests.make_family import (
    CLERK,
    ITEM,
    NAMES,
    ORG,
    SUBMIT,
    WANTED,
    acting_for,
    allowed,
    as_agent,
    changed,
    for_company,
    granted,
    refused,
    someone,
    taken,
    texts,
    told,
    with_phone,
)
from tongban.kernel.errors import Failure, LevelNeeded, NotAllowed, SelfOnly
from tongban.kernel.ids import uuid7


@pytest.fixture(scope="module")
async def node(make_node, set_clock_of_module):
    """The register's own node, which is also everybody's home here: no letters are needed to judge families."""
    made = await make_node("mps", clock=set_clock_of_module, divisions=("50",))
    await identity.set_up(made)
    return made


@pytest.fixture(scope="module")
def set_clock_of_module():
    from datetime import UTC, datetime

    from tongban.kernel.clock import SetClock

    return SetClock(datetime(2026, 11, 18, 2, 0, tzinfo=UTC))


async def test_an_elders_proxy_fills_in_at_once_and_submits_after_a_day(node, set_clock_of_module):
    """T-94: a first-ever mandate from afar cannot submit within 24 h; T-85: each act is told with a stop inside."""
    elder, helper = await someone(node, "刘建国"), await someone(node, "陈晓雨")
    low = msgspec.structs.replace(elder, acr=2)
    async with node.db.transaction() as tx:
        with pytest.raises(LevelNeeded):
            await mandates.grant(tx, node, low, as_agent(helper), WANTED, names=NAMES)
    made = await granted(node, elder, helper)
    who = acting_for(helper, made)
    assert (await refused(node, who, SUBMIT)).failure_code == "identity.mandate_ended", "nothing before it is accepted"
    async with node.db.transaction() as tx:
        with pytest.raises(Failure):
            await mandates.accept(tx, node, elder, made.id)
        await mandates.accept(tx, node, helper, made.id)
    assert await told(node, elder.subject, "mandate.accepted")
    await allowed(node, who, msgspec.structs.replace(SUBMIT, act="draft"))
    why = await refused(node, who, SUBMIT)
    assert why.failure_code == "identity.mandate_wait"
    assert "11月19日 10:00 起可以提交" in why.sentence
    for forbidden in ("phone.change", "authenticator.bind", "payee.set", "home.change", "account.close"):
        assert (await refused(node, who, identity.Deed(act=forbidden))).failure_code == "identity.never_delegable", forbidden
    with pytest.raises(SelfOnly):
        who.require_self("换手机号")
    set_clock_of_module.move(timedelta(hours=25))
    await allowed(node, who, SUBMIT)
    async with node.db.transaction() as tx:
        await identity.record_act(tx, node, who, "submit", what="异地就医备案", about="case:1")
    message = (await told(node, elder.subject, "mandate.acted"))[0]
    assert (message.title.reveal(), message.link, message.link_words) == ("陈晓雨替你提交了申请", f"/me/agents/{made.id}/stop", "停止授权")
    async with node.db.transaction() as tx:
        with pytest.raises(Failure):
            await mandates.stop(tx, node, helper, made.id)
        await mandates.stop(tx, node, elder, made.id)
    assert (await refused(node, who, SUBMIT)).failure_code == "identity.mandate_ended"
    assert await told(node, helper.subject, "mandate.over")


async def test_an_elder_without_an_app_is_told_by_text_message(node, set_clock_of_module):
    """T-85, T-94: the beginning of a family's mandate on every channel, each act to whoever is signed in nowhere; no name, no number."""
    elder, helper, phone = await someone(node, "邓春梅"), await someone(node, "陈晓雨"), "13900000031"
    await with_phone(node, elder, phone)
    made = await taken(node, elder, helper)
    who, link = acting_for(helper, made), f"{node.settings.base_url}/me/agents/{made.id}/stop"
    async with node.db.transaction() as tx:
        await identity.record_act(tx, node, who, "draft", what="异地就医备案", about="draft:1")
    sent = await texts(node, phone)
    assert len(sent) == 2
    assert all(link in one for one in sent)
    assert not any(word in one for one in sent for word in ("陈晓雨", "邓春梅", "异地就医"))
    assert "开始填表" in sent[0]
    async with node.db.transaction() as tx:
        await open_session(tx, node, Opening(subject=elder.subject, kind="citizen", proof=3, acr=2, amr=("otp",), agent="x"))
        await identity.record_act(tx, node, who, "draft", what="异地就医备案", about="draft:2")
    assert len(await texts(node, phone)) == 2, "who is signed in reads the message itself"
    assert len(await told(node, elder.subject, "mandate.acted")) >= 2


async def test_a_mandate_of_another_person_is_not_found(node):
    """T-42: neither accepted, refused nor stopped by a stranger who knows the id."""
    elder, helper, stranger = await someone(node, "刘建国"), await someone(node, "陈晓雨"), await someone(node, "罗桂兰")
    made = await granted(node, elder, helper)
    for verb in (mandates.accept, mandates.refuse, mandates.stop):
        async with node.db.transaction() as tx:
            with pytest.raises(Failure) as why:
                await verb(tx, node, stranger, made.id)
        assert why.value.failure_code == "identity.mandate_gone"
    stolen = acting_for(stranger, made)
    assert (await refused(node, stolen, SUBMIT)).failure_code == "identity.mandate_scope"


async def test_offers_lapse_terms_end_and_both_are_reminded(node, set_clock_of_module):
    elder, helper = await someone(node, "刘建国"), await someone(node, "何志远")
    offer = await granted(node, elder, helper)
    held = await taken(node, elder, helper, msgspec.structs.replace(WANTED, days=60))
    set_clock_of_module.move(timedelta(days=8))
    await mandate_terms.tidy(node)
    assert (await at(node, offer.id)).state == "lapsed", "seven days to accept"
    assert not await told(node, elder.subject, "mandate.ending")
    set_clock_of_module.move(timedelta(days=23))
    await mandate_terms.tidy(node)
    assert await told(node, elder.subject, "mandate.ending")
    assert await told(node, helper.subject, "mandate.ending")
    set_clock_of_module.move(timedelta(days=30))
    assert (await refused(node, acting_for(helper, held), SUBMIT)).failure_code == "identity.mandate_ended", "before any clock ran"
    await mandate_terms.tidy(node)
    assert (await at(node, held.id)).over_why == "term"


async def at(node, mandate_id):
    async with node.db.reading() as tx:
        return await queries.by_id(tx, node, mandate_id)


async def test_a_hall_with_both_present_begins_at_once_and_reads_are_written_down(node):
    elder, helper = await someone(node, "罗桂兰"), await someone(node, "周雨桐")
    both = (as_agent(elder, "罗桂兰"), as_agent(helper, "周雨桐"))
    async with node.db.transaction() as tx:
        with pytest.raises(NotAllowed):
            await hall.grant_at_hall(tx, node, msgspec.structs.replace(CLERK, assignments=()), *both, WANTED, names=NAMES)
        mine = msgspec.structs.replace(CLERK, linked_subject=elder.subject)
        with pytest.raises(Failure, match="own_case"):
            await hall.grant_at_hall(tx, node, mine, *both, WANTED, names=NAMES)
    async with node.db.transaction() as tx:
        made = await hall.grant_at_hall(tx, node, CLERK, *both, WANTED, names=NAMES)
    assert (made.basis, made.state, made.granted_acr, made.wait_until) == ("hall", "active", 4, None)
    await allowed(node, acting_for(helper, made), SUBMIT)
    assert await told(node, elder.subject, "mandate.granted")
    async with node.db.reading() as tx:
        assert await tx.fetchval("SELECT count(*) FROM access_reason WHERE subject = $1 AND kind = 'visit'", elder.subject)
        assert await tx.fetchval("SELECT count(*) FROM access_reason WHERE subject = $1 AND kind = 'visit'", helper.subject)


async def test_a_hall_stops_what_somebody_at_its_counter_gave(node, set_clock_of_module):
    """T-85: an elder without a phone of their own stops it at a window; only who stands there, and what they gave themselves."""
    elder, helper, phone = await someone(node, "罗桂兰"), await someone(node, "何志远"), "13900000032"
    set_clock_of_module.move(timedelta(minutes=1))
    await with_phone(node, elder, phone)
    made, other = await taken(node, elder, helper), await taken(node, await someone(node, "刘建国"), helper)
    number = as_agent(elder, "罗桂兰").number.reveal()
    async with node.db.transaction() as tx:
        assert [one.code for one in await hall.given_at_hall(tx, node, CLERK, "罗桂芳", number)] == ["identity.visit_unknown"]
        found = await hall.given_at_hall(tx, node, CLERK, "罗桂兰", number)
    assert made.id in {one.id for one in found.mandates}
    assert other.id not in {one.id for one in found.mandates}
    for clerk, mandate in ((CLERK, other.id), (msgspec.structs.replace(CLERK, subject="s2"), made.id)):
        async with node.db.transaction() as tx:
            with pytest.raises(Failure) as why:
                await hall.stop_at_hall(tx, node, clerk, mandate)
        assert why.value.failure_code == "identity.mandate_gone", "not at this counter"
    async with node.db.transaction() as tx:
        await hall.stop_at_hall(tx, node, CLERK, made.id)
    assert ((await at(node, made.id)).state, (await at(node, made.id)).over_why) == ("stopped", "grantor")
    assert await told(node, elder.subject, "mandate.stopped")
    assert await told(node, helper.subject, "mandate.over")
    assert "停掉了" in (await texts(node, phone))[0]


async def test_an_agent_for_many_is_an_alert_and_no_block(node):
    """T-86: three new grantors within seven days, more than five in all; the security officers are told where to look."""
    async with node.db.transaction() as tx:
        guard = await queries_of_staff.staff_by_number(tx, node, "GA-YZ-01")
        await staff.put_assignment(tx, staff.Proposed(subject=guard.subject, role="security_officer", division="500000", proposed_by="setup"), "setup")
    helper = await someone(node, "马志明")
    names = ("刘建国", "罗桂兰", "陈晓雨", "周雨桐", "何志远", "邓春梅")
    for number, name in enumerate(names, start=1):
        await taken(node, await someone(node, name), helper)
        async with node.db.reading() as tx:
            kinds = {row["kind"]: row["grantors"] for row in await tx.fetch("SELECT kind, grantors FROM mandate_alert WHERE agent = $1", helper.subject)}
            told = await tx.fetchval("SELECT count(*) FROM staff_notice WHERE kind = 'alert.mandates'")
        assert kinds == ({} if number < 3 else {"fast": number} if number < 6 else {"fast": 6, "many": 6})
        assert (told > 0) is (number >= 3), "no alert"


async def test_a_recovered_account_grants_nothing_for_a_day(node, set_clock_of_module):
    elder, helper = await someone(node, "吴思涵"), await someone(node, "陈晓雨")
    async with node.db.transaction() as tx:
        await tx.execute("UPDATE account SET recovered_until = $2 WHERE subject = $1", elder.subject, set_clock_of_module.now() + timedelta(hours=1))
        with pytest.raises(Failure) as why:
            await mandates.grant(tx, node, elder, as_agent(helper), WANTED, names=NAMES)
    assert why.value.failure_code == "identity.recovered_wait"


# ---- minors ----------------------------------------------------------------------------------------------------


async def test_a_guardian_acts_for_a_child_until_the_register_says_no_more(node):
    """T-88: the relation is the register's; frozen by a court it gives nothing at the next question, nor after the letter."""
    mother = await someone(node, "周雨桐")
    wards = {one.name: one for one in await guardians.ask_wards(node, mother.subject)}
    assert set(wards) == {"周子墨", "周子涵"}
    await acting.powers_by_law(node, mother)
    async with node.db.reading() as tx:
        held = {one.grantor_name.reveal(): one for one in await queries.usable(tx, node, mother.subject) if one.basis == "guardian"}
    made = held["周子涵"]
    assert made.until_at == wards["周子涵"].grown_up_at, "it ends by itself at 18"
    async with node.db.reading() as tx:
        assert await queries.family_of(tx, node, mother.subject) >= {made.grantor}
    who = acting_for(mother, made)
    await allowed(node, who, SUBMIT)
    house = identity.Deed(act="submit", item=ITEM, item_name="不动产转移登记", audience=frozenset({"person"}))
    assert (await refused(node, who, house)).failure_code == "identity.never_delegable"
    async with node.db.transaction() as tx:
        opened = await open_session(tx, node, Opening(subject=mother.subject, kind="citizen", proof=3, acr=3, amr=("otp",), agent="x"))
        with pytest.raises(Failure) as why:
            await acting.begin(tx, node, mother, opened.session, made.id)
        assert why.value.failure_code == "identity.guardian_consent", "separate consent of the guardian"
        turned = await acting.begin(tx, node, mother, opened.session, made.id, guardian_consents=True)
        assert turned.cookie != opened.cookie
    async with node.db.transaction() as tx:
        assert await guardians.freeze(tx, node, made.grantor, mother.subject, "court")
    await identity.freshen(node, who, level=3)
    assert (await refused(node, who, SUBMIT)).failure_code == "identity.mandate_ended"


async def test_from_fourteen_a_level_three_act_asks_the_guardian(node):
    child, mother = await someone(node, "周子墨"), await someone(node, "周雨桐")
    about = f"draft:{uuid7()}"

    async def asked(level=3, what=about, who=child):
        async with node.db.transaction() as tx:
            return await identity.confirmed(tx, node, who, level=level, about=what, what="社会保障卡申领")

    assert await asked(level=2), "below level 3 nobody is asked"
    assert await asked(who=mother), "an adult needs nobody"
    assert not await asked()
    async with node.db.reading() as tx:
        payload = await tx.fetchval("SELECT payload FROM pgqueuer WHERE entrypoint = 'identity.ask_guardians' ORDER BY id DESC LIMIT 1")
    assert "社会保障卡".encode() not in payload, "the queue keeps no words about a person"
    await confirming.ask_guardians(node, msgspec.json.decode(payload))
    link = (await told(node, mother.subject, "guardian.asked"))[0].link
    ask_id = link.rsplit("/", 1)[1]
    assert not await asked()
    async with node.db.transaction() as tx:
        with pytest.raises(Failure):
            await confirming.answer(tx, node, child, ask_id, agrees=True)
        await confirming.answered(tx, node, ask_id, mother.subject, "yes", by="510000")
    assert not await asked(), "a node that is not the guardian's home has no word (T-32)"
    async with node.db.transaction() as tx:
        await confirming.answer(tx, node, mother, ask_id, agrees=True)
    assert await asked()
    assert not await asked(what=f"draft:{uuid7()}"), "the yes is for this one thing"
    assert await told(node, child.subject, "guardian.answered")


async def test_the_register_tells_a_guardianship_to_the_home_only(node):
    from tongban import federation

    mother = await someone(node, "周雨桐")
    for call in (letters.wards, letters.guardians_asked):
        with pytest.raises(federation.CallRefused) as why:
            await call(node, "510000", {"v": 1, "subject": mother.subject})
        assert why.value.problem == "no_grant"


async def test_mandates_go_with_a_person_whose_subject_changes(node):
    """R-301: the row hangs on the subject, so a changed number takes the mandate along (identity.md 1)."""
    elder, helper = await someone(node, "刘建国"), await someone(node, "罗桂兰")
    made = await taken(node, elder, helper)
    async with node.db.transaction() as tx:
        await following.rewrite_rows(tx, helper.subject, "n1" + "z" * 32)
        moved = await queries.by_id(tx, node, made.id)
        await following.rewrite_rows(tx, "n1" + "z" * 32, helper.subject)
    assert (moved.agent, moved.agent_name.reveal()) == ("n1" + "z" * 32, "罗桂兰")


async def guardian_asked(node, guardian):
    """The job that was put down asks the guardians; the id of the newest question to this one."""
    async with node.db.reading() as tx:
        payload = await tx.fetchval("SELECT payload FROM pgqueuer WHERE entrypoint = 'identity.ask_guardians' ORDER BY id DESC LIMIT 1")
    await confirming.ask_guardians(node, msgspec.json.decode(payload))
    async with node.db.transaction() as tx:
        await tx.execute("DELETE FROM pgqueuer WHERE entrypoint = 'identity.ask_guardians'")
        return str(await tx.fetchval("SELECT id FROM guardian_ask WHERE guardian_subject = $1 ORDER BY asked_at DESC, id DESC LIMIT 1", guardian.subject))


async def test_a_minor_gives_no_mandate_before_a_guardian_says_yes(node):
    """T-88: giving a mandate is a level-3 act, or a friend of age would hand in what the guardian never saw."""
    child, mother, friend = await someone(node, "周子墨"), await someone(node, "周雨桐"), await someone(node, "何志远")

    async def give(wanted=WANTED):
        async with node.db.transaction() as tx:
            return await mandates.grant(tx, node, child, as_agent(friend), wanted, names=NAMES)

    waits = await give()
    assert [one.code for one in waits] == ["identity.guardian_first"]
    async with node.db.reading() as tx:
        assert not [one for one in await queries.given(tx, node, child.subject) if one.agent == friend.subject]
    ask_id = await guardian_asked(node, mother)
    async with node.db.transaction() as tx:
        await confirming.answer(tx, node, mother, ask_id, agrees=True)
    assert (await told(node, child.subject, "guardian.answered"))[0].link == "/me/agents/new"
    wider = await give(msgspec.structs.replace(WANTED, days=365))
    assert [one.code for one in wider] == ["identity.guardian_first"], "the yes is for this very mandate"
    assert (await give()).state == "offered"


async def test_a_question_nobody_answered_may_be_asked_again(node, set_clock_of_module):
    """The guardian was away for a week, or said no: the child is not shut out of the same thing for ever."""
    child, mother, about = await someone(node, "周子墨"), await someone(node, "周雨桐"), "closing:演示"

    async def confirmed():
        async with node.db.transaction() as tx:
            return await identity.confirmed(tx, node, child, level=3, about=about, what="注销账号")

    for said in (None, False):
        assert not await confirmed()
        ask_id = await guardian_asked(node, mother)
        if said is not None:
            async with node.db.transaction() as tx:
                await confirming.answer(tx, node, mother, ask_id, agrees=said)
            assert (await told(node, child.subject, "guardian.answered"))[0].link == "/me/closing"
        assert not await confirmed()
        set_clock_of_module.move(timedelta(days=8))
    assert not await confirmed()
    ask_id = await guardian_asked(node, mother)
    async with node.db.transaction() as tx:
        await confirming.answer(tx, node, mother, ask_id, agrees=True)
    assert await confirmed()


# ---- companies -------------------------------------------------------------------------------------------------


async def test_a_company_that_took_another_name_is_called_by_it(node):
    """The banner, the switch and the messages say what the register says now; an older letter that comes late changes nothing back."""
    made = await for_company(node, await someone(node, "陈晓雨"))
    await changed(node, "name", origin="510000")
    assert (await at(node, made.id)).grantor_name.reveal() == "旧名公司（演示）", "nobody but the register says so (T-32)"
    await changed(node, "name")
    assert (await at(node, made.id)).grantor_name.reveal() == "新名公司（演示）"
    async with node.db.transaction() as tx:
        await organisations.keep(tx, node, Organisation(
            subject=ORG, code=ORG[2:].upper(), name="新名公司（演示）", status="存续", division="500103", version=2
        ))  # fmt: skip
    await changed(node, "name", version=1, name="更早的名字（演示）")
    assert (await at(node, made.id)).grantor_name.reveal() == "新名公司（演示）"


async def test_a_late_letter_of_a_new_representative_ends_only_what_was_before(node, set_clock_of_module):
    """T-87: the former one's mandate ends; what the new one gave before the letter came stays."""
    helper, other = await someone(node, "陈晓雨"), await someone(node, "何志远")
    before = await for_company(node, helper)
    happened = set_clock_of_module.now() + timedelta(minutes=1)
    set_clock_of_module.move(timedelta(hours=3))
    after = await for_company(node, other)
    await changed(node, "representative", at=happened, version=3)
    assert ((await at(node, before.id)).state, (await at(node, before.id)).over_why) == ("ended", "register")
    assert (await at(node, after.id)).state == "active"
    await changed(node, "representative", version=4)
    assert (await at(node, after.id)).state == "ended"
