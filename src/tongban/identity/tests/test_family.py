"""Families: a proxy of an elder waits 24 h, a hall's begins at once, many grantors alert, a minor's guardian confirms (T-85 … T-94)."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from tongban import identity, notifications
from tongban.identity.actions import acting, following, guardians, hall, mandates
from tongban.identity.actions.mandates import Agent, Wanted
from tongban.identity.actions.sessions import Opening, open_session
from tongban.identity.actions.set_up import people
from tongban.identity.actions.subjects import put_person
from tongban.identity.letters import mandates as letters
from tongban.identity.providers.register import subject_of
from tongban.identity.queries import mandates as queries
from tongban.identity.rules.roles import assignment
from tongban.kernel.actor import Actor
from tongban.kernel.errors import Failure, LevelNeeded, NotAllowed, SelfOnly
from tongban.kernel.gm import Personal
from tongban.kernel.ids import uuid7

ITEM = "12500000DEM00003002002099903000"
NAMES = {ITEM: "异地就医备案"}
WANTED = Wanted(items=(ITEM,), acts=("view", "draft", "submit", "receive"), days=30)
SUBMIT = identity.Deed(act="submit", item=ITEM, audience=frozenset({"person"}), level=2)
CLERK = Actor(kind="staff", subject="s1", staff_id="YZ-DT-01", unit="大厅", assignments=(assignment("hall_clerk", "500103"),))


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


async def someone(node, name, *, acr=3):
    """An invented person with an account at this node; who they are."""
    one = next(one for one in people().citizens if one.name == name)
    subject = subject_of(node, "111", one.number)
    async with node.db.transaction() as tx:
        await put_person(tx, node, subject, home=node.id, proof=3, name=one.name, number=one.number, photo_held=True, matched=True)
        await tx.execute(
            "INSERT INTO account (subject, id, proof, proof_method, proof_at, opened_at) VALUES ($1, $2, 3, 'face', $3, $3) ON CONFLICT DO NOTHING",
            subject, uuid7(), node.clock.now(),
        )  # fmt: skip
        await tx.execute("UPDATE register_entry SET home = $2 WHERE subject = $1", subject, node.id)
    return Actor(kind="citizen", subject=subject, acr=acr, sid="s", home=node.id, name=Personal(one.name))


def as_agent(one, name=""):
    number = next((known.number for known in people().citizens if known.name == name), "")
    return Agent(subject=one.subject, home=one.home, name=one.name, number=Personal(number))


async def granted(node, elder, helper, wanted=WANTED):
    async with node.db.transaction() as tx:
        made = await mandates.grant(tx, node, elder, as_agent(helper), wanted, names=NAMES)
    assert not isinstance(made, tuple), made
    return made


async def taken(node, elder, helper, wanted=WANTED):
    made = await granted(node, elder, helper, wanted)
    async with node.db.transaction() as tx:
        return await mandates.accept(tx, node, helper, made.id)


def acting_for(helper, made):
    return msgspec.structs.replace(
        helper, for_subject=made.grantor, mandate=made.id, basis=made.basis, acts=frozenset(made.acts), items=frozenset(made.items)
    )


async def refused(node, who, deed):
    async with node.db.transaction() as tx:
        with pytest.raises(Failure) as why:
            await identity.require_act(tx, node, who, deed)
    return why.value


async def allowed(node, who, deed):
    async with node.db.transaction() as tx:
        await identity.require_act(tx, node, who, deed)


async def told(node, subject, kind):
    async with node.db.reading() as tx:
        threads = await notifications.messages(tx, node, subject)
    return [one for thread in threads for one in thread.messages if one.kind == kind]


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
    await mandates.tidy(node)
    assert (await at(node, offer.id)).state == "lapsed", "seven days to accept"
    assert not await told(node, elder.subject, "mandate.ending")
    set_clock_of_module.move(timedelta(days=23))
    await mandates.tidy(node)
    assert await told(node, elder.subject, "mandate.ending")
    assert await told(node, helper.subject, "mandate.ending")
    set_clock_of_module.move(timedelta(days=30))
    assert (await refused(node, acting_for(helper, held), SUBMIT)).failure_code == "identity.mandate_ended", "before any clock ran"
    await mandates.tidy(node)
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


async def test_an_agent_for_many_is_an_alert_and_no_block(node):
    """T-86: three new grantors within seven days, more than five in all."""
    helper = await someone(node, "马志明")
    names = ("刘建国", "罗桂兰", "陈晓雨", "周雨桐", "何志远", "邓春梅")
    for number, name in enumerate(names, start=1):
        await taken(node, await someone(node, name), helper)
        async with node.db.reading() as tx:
            kinds = {row["kind"]: row["grantors"] for row in await tx.fetch("SELECT kind, grantors FROM mandate_alert WHERE agent = $1", helper.subject)}
        assert kinds == ({} if number < 3 else {"fast": number} if number < 6 else {"fast": 6, "many": 6})


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
    await guardians.ask_guardians(node, msgspec.json.decode(payload))
    link = (await told(node, mother.subject, "guardian.asked"))[0].link
    ask_id = link.rsplit("/", 1)[1]
    assert not await asked()
    async with node.db.transaction() as tx:
        with pytest.raises(Failure):
            await guardians.answer(tx, node, child, ask_id, agrees=True)
        await guardians.answered(tx, node, ask_id, mother.subject, "yes", by="510000")
    assert not await asked(), "a node that is not the guardian's home has no word (T-32)"
    async with node.db.transaction() as tx:
        await guardians.answer(tx, node, mother, ask_id, agrees=True)
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
