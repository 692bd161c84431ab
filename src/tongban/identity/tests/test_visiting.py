"""Acting for another while roaming, over real nodes: carried, proven by whose word it is, told to all, stopped everywhere (R-301, R-303)."""

from __future__ import annotations

import asyncio
import re
import time
from datetime import timedelta

import msgspec
import pytest

from tongban import federation, identity, notifications
from tongban.federation.tests.make import deliver
from tongban.identity.actions import acting, confirming, guardians, mandates, organisations, visiting
from tongban.identity.actions.mandates import Agent, Wanted
from tongban.identity.actions.sessions import BELL
from tongban.identity.queries import mandates as queries
from tongban.identity.queries.organisations import subject_of
from tongban.identity.tests.make import Browser, citizen, household, sign_in, step_up
from tongban.kernel.errors import Failure
from tongban.kernel.gm import Personal
from tongban.kernel.ids import uuid7

ITEM = "12500000DEM00003002002099903000"
ORG = subject_of("91500103MADEM2002L")
GRANTOR, HOME, AWAY = "500000", "510000", "samr"
SUBMIT = identity.Deed(act="submit", item=ITEM, audience=frozenset({"organisation", "person"}), level=3)


@pytest.fixture(scope="module")
async def nodes(make_node):
    async with household(make_node, "samr", "500000", "510000") as found:
        await organisations.find_representatives(found["samr"])
        yield found


@pytest.fixture(scope="module")
async def boss(nodes):
    """何志远, at home in 重庆, acting for his company there."""
    return await acting_at_home(nodes[GRANTOR], "何志远", "重庆巴山")


@pytest.fixture(scope="module")
async def agent(nodes):
    """吴思涵, at home in 四川."""
    browser = Browser()
    await sign_in(browser, nodes[HOME], citizen("吴思涵"))
    return browser


async def actor_of(node, browser):
    return await identity.resolve(node, browser.jar.get(node.settings.host, {}))


def forms(page):
    return re.findall(r"<form\b.*?</form>", page.body, re.DOTALL)


async def switch_to(browser, node, who, **more):
    """Act for `who` through the switch page, after the face check where level 3 is asked."""
    page = await browser.get(node, "/me/switch")
    for _ in range(2):
        form = next(one for one in forms(page) if f"切换到{who}" in one)
        fields = dict(re.findall(r'<input[^>]*?name="([^"]+)"[^>]*?value="([^"]*)"', form))
        fields.pop("agree", None)
        done = await browser.post(node, "/me/switch", {**fields, **more})
        if done.path != "/step-up":
            return done
        home = node if done.url.startswith(node.settings.base_url) else None
        page = await step_up(browser, home or node, done)
        page = await browser.get(node, "/me/switch")
    return done


async def acting_at_home(home, name, who, **more):
    browser = Browser()
    await sign_in(browser, home, citizen(name))
    await browser.submit(home, await browser.get(home, "/me/switch"), "/me/switch/ask")
    page = await browser.get(home, "/step-up?level=3&next=/me/access")
    if page.path == "/step-up":
        await step_up(browser, home, page)
    await switch_to(browser, home, who, **more)
    assert (await actor_of(home, browser)).for_subject
    return browser


async def visit(browser, node, home):
    """Silent roaming, as by a link from home (identity.md 6.2)."""
    browser.jar.pop(node.settings.host, None)
    page = await browser.get(node, f"/login?next=/me/access?from={home}")
    assert page.path == "/me/access", page.body
    return page


async def until(nodes, look):
    started = time.monotonic()
    while time.monotonic() - started < 30:
        if found := await look():
            return found
        await deliver(nodes)
        await asyncio.sleep(0.02)
    raise AssertionError("it did not come")


async def row(node, mandate_id):
    async with node.db.reading() as tx:
        return await queries.by_id(tx, node, mandate_id)


async def given(nodes, boss, agent):
    """A mandate of the company for its agent, accepted at the agent's home."""
    home, there = nodes[GRANTOR], nodes[HOME]
    who, helper = await actor_of(home, boss), await actor_of(there, agent)
    who = msgspec.structs.replace(who, acr=3)
    await identity.freshen(home, who, level=3)
    wanted = Wanted(items=(ITEM,), acts=("view", "draft", "submit"), days=30)
    async with home.db.transaction() as tx:
        made = await mandates.grant(tx, home, who, Agent(subject=helper.subject, home=HOME, name=Personal("吴思涵")), wanted, names={ITEM: "演示事项"})
    assert not isinstance(made, tuple), made

    async def offered():
        found = await row(there, made.id)
        return found if found and found.state == "offered" else None

    await until(nodes, offered)
    async with there.db.transaction() as tx:
        await mandates.accept(tx, there, helper, made.id)

    async def accepted():
        return (await row(home, made.id)).state == "active"

    await until(nodes, accepted)
    return made


async def test_a_representative_roams_and_goes_on_acting(nodes, boss):
    """The home's ID token says for whom; the visited node asks the register of organisations itself and draws the banner."""
    away = nodes[HOME]
    page = await visit(boss, away, GRANTOR)
    who = await actor_of(away, boss)
    assert (who.home, who.for_subject, who.basis) == (GRANTOR, ORG, "legal_rep")
    assert "正在替" in page.body
    assert "重庆巴山" in page.body
    async with away.db.reading() as tx:
        party = await identity.party(tx, away, ORG)
        asked = await tx.fetchval("SELECT count(*) FROM access_record WHERE subject = $1 AND source = 'samr' AND receiver = $2", who.subject, away.id)
    assert party is not None
    assert party.number is not None
    assert party.number.reveal() == "91500103MADEM2002L"
    assert asked, "the visited node asked samr, and wrote it down"
    left = await boss.post(away, "/me/switch", {**page_token(await boss.get(away, "/me/switch")), "mandate": "self"})
    assert "正在替" not in left.body
    assert (await actor_of(nodes[GRANTOR], boss)).for_subject == ORG, "each browser session switches by itself"
    await switch_to(boss, away, "重庆巴山")
    assert (await actor_of(away, boss)).for_subject == ORG


def page_token(page):
    return {"tb_token": re.search(r'name="tb_token" value="([^"]+)"', page.body)[1]}


async def test_an_agent_acts_at_a_third_node_and_is_stopped_there_within_seconds(nodes, boss, agent):
    """T-85, T-87: granted in 重庆, agent of 四川, acting elsewhere; scope there; told at home and to the giver; stopped by call at once."""
    home, there, away = nodes[GRANTOR], nodes[HOME], nodes[AWAY]
    made = await given(nodes, boss, agent)
    await visit(agent, away, HOME)
    page = await agent.get(away, "/me/switch")
    assert "重庆巴山" in page.body, page.body
    unproven = await row(away, made.id)
    assert (unproven.state, unproven.told_by) == ("arriving", HOME), "what the home shows is not believed before it is proven"
    await switch_to(agent, away, "重庆巴山")
    who = await actor_of(away, agent)
    assert (who.for_subject, who.basis, who.items) == (ORG, "org_agent", frozenset({ITEM}))
    await identity.freshen(away, who, level=3)
    async with away.db.transaction() as tx:
        await identity.require_act(tx, away, who, SUBMIT)
        await identity.record_act(tx, away, who, "submit", what="演示事项", about="case:x")
        with pytest.raises(Failure) as other:
            await identity.require_act(tx, away, who, msgspec.structs.replace(SUBMIT, item="9" * 31))
    assert other.value.failure_code == "identity.mandate_scope"

    async def told():
        async with home.db.reading() as tx:
            threads = await notifications.messages(tx, home, (await actor_of(home, boss)).subject)
        return [one for thread in threads for one in thread.messages if one.kind == "mandate.acted"]

    assert "提交了申请" in (await until(nodes, told))[0].title.reveal()

    async def kept():
        async with there.db.reading() as tx:
            return await queries.done_under(tx, there, made.id)

    assert (await until(nodes, kept))[0].what.reveal() == "演示事项", "the agent's home has it too"
    async with home.db.transaction() as tx:
        started = time.monotonic()
        await mandates.stop(tx, home, await actor_of(home, boss), made.id)
    while (await row(away, made.id)).state == "active":  # no letter is delivered meanwhile: the call alone brings it
        since = away.bell.generation(BELL)
        await away.bell.wait(BELL, seconds=0.2, since=since)
        assert time.monotonic() - started < 5, "stopping takes effect in every node within 5 s"
    now = await actor_of(away, agent)
    assert (now.for_subject, now.acting_ended) == ("", True)
    with pytest.raises(Failure) as late:
        async with away.db.transaction() as tx:
            await identity.require_act(tx, away, who, SUBMIT)
    assert late.value.failure_code == "identity.mandate_ended"
    await visiting.ask(away, now)
    assert (await row(away, made.id)).state == "ended", "a home that has not heard yet does not bring it back"


async def test_the_letter_ends_a_copy_that_no_call_reached_and_nobody_elses_word_does(nodes, boss, agent, monkeypatch):
    """T-32: certainty by letter; only the agent's home and the giver have a say."""
    call = federation.call

    async def cut_off(node, to, service, *args, **more):
        if service == "identity.mandate_gone":
            raise federation.CallFailed("away", retryable=True)
        return await call(node, to, service, *args, **more)

    monkeypatch.setattr(federation, "call", cut_off)
    home, away = nodes[GRANTOR], nodes[AWAY]
    made = await given(nodes, boss, agent)
    await visit(agent, away, HOME)
    await switch_to(agent, away, "重庆巴山")
    async with away.db.transaction() as tx:
        assert not await visiting.heard_gone(tx, away, "cn", made.id)
        assert not await visiting.heard_gone(tx, away, "cn", "no id")
    assert (await row(away, made.id)).state == "active"
    async with home.db.transaction() as tx:
        await mandates.stop(tx, home, await actor_of(home, boss), made.id)

    async def over():
        return (await row(away, made.id)).state == "ended"

    await until(nodes, over)


@pytest.mark.parametrize("lie", ["representative", "own_grant", "no_such", "wider", "ward"])
async def test_a_home_cannot_invent_whom_its_person_acts_for(nodes, boss, agent, lie):
    """T-22, T-87: what a lying home shows is asked of whose word it is, and nothing is acted under before."""
    home, there, away = nodes[GRANTOR], nodes[HOME], nodes[AWAY]
    await visit(agent, away, HOME)
    who, victim = await actor_of(away, agent), await actor_of(home, boss)
    now = away.clock.ms()
    shown = visiting.Shown(
        id=uuid7(), grantor=victim.subject, basis="family", items=(ITEM,), acts=("submit",), from_at=now - 1000, until_at=now + 10**8,
        wait_until=0, granted_acr=3, granted_node=HOME, granted_by_subject="", grantor_name="演示",
    )  # fmt: skip
    if lie == "representative":
        shown = msgspec.structs.replace(shown, grantor=ORG, basis="legal_rep", items=(), granted_node="samr")
    elif lie == "ward":
        shown = msgspec.structs.replace(shown, basis="guardian", items=(), granted_node="mps")
    elif lie == "wider":
        made = await given(nodes, boss, agent)
        shown = msgspec.structs.replace(
            shown, id=made.id, grantor=ORG, basis="org_agent", items=("91" * 10, ITEM), granted_node=GRANTOR, granted_by_subject=victim.subject
        )
    elif lie == "own_grant":  # the home even has a row for it, and vouches
        async with there.db.transaction() as tx:
            await mandates.put(tx, there, {
                "id": shown.id, "grantor": shown.grantor, "agent": who.subject, "basis": "family", "items": (ITEM,), "acts": ("submit",),
                "set_name": "", "set_version": 0, "from_at": there.clock.now(), "until_at": there.clock.now() + timedelta(days=30_000),
                "granted_acr": 3, "granted_by_subject": "", "granted_node": HOME, "agent_node": HOME, "state": "active",
                "offered_until": there.clock.now(), "grantor_name": Personal("演示"), "agent_name": Personal("演示"),
            })  # fmt: skip
    async with away.db.transaction() as tx:
        await visiting._keep(tx, away, who, visiting.Answer(agent_name="演示", mandates=(shown,)))
    session = (await session_of(away, who.sid))
    with pytest.raises(Failure) as early:
        async with away.db.transaction() as tx:
            await acting.begin(tx, away, msgspec.structs.replace(who, acr=3), session, shown.id, guardian_consents=True)
    assert early.value.failure_code == "identity.mandate_ended", "unproven is nothing"
    with pytest.raises(Failure) as why:
        await visiting.admit(away, await row(away, shown.id))
    assert why.value.failure_code == "identity.mandate_ended"
    assert (await row(away, shown.id)).over_why == "not_proven"


@pytest.mark.parametrize("lie", ["", "no_wait", "longer"])
async def test_a_home_cannot_shorten_the_wait_or_lengthen_the_term(nodes, boss, agent, lie):
    """T-94: the 24 hours before submitting, and the end, are the word of who gave the mandate, also at a third node."""
    home, away, now = nodes[GRANTOR], nodes[AWAY], nodes[AWAY].clock.now()
    await visit(agent, away, HOME)
    who, elder = await actor_of(away, agent), await actor_of(home, boss)
    async with home.db.transaction() as tx:
        made = await mandates.put(tx, home, {
            "id": uuid7(), "grantor": elder.subject, "agent": who.subject, "basis": "family", "items": (ITEM,), "acts": ("view", "submit"), "set_name": "",
            "set_version": 0, "from_at": now, "until_at": now + timedelta(days=30), "wait_until": now + timedelta(days=1), "granted_acr": 3,
            "granted_by_subject": "", "granted_node": GRANTOR, "agent_node": HOME, "state": "active", "offered_until": now,
            "grantor_name": Personal("演示"), "agent_name": Personal("演示"),
        })  # fmt: skip
    shown = visiting.Shown(
        id=made.id, grantor=made.grantor, basis="family", items=made.items, acts=made.acts, from_at=visiting._ms(made.from_at),
        until_at=visiting._ms(made.until_at) + (864 * 10**5 if lie == "longer" else 0), granted_acr=3, granted_node=GRANTOR,
        wait_until=0 if lie == "no_wait" else visiting._ms(made.wait_until), granted_by_subject="", grantor_name="演示",
    )  # fmt: skip
    async with away.db.transaction() as tx:
        await visiting._keep(tx, away, who, visiting.Answer(agent_name="演示", mandates=(shown,)))
    if not lie:
        assert (await visiting.admit(away, await row(away, made.id))).state == "active", "the truth is believed"
        return
    with pytest.raises(Failure) as why:
        await visiting.admit(away, await row(away, made.id))
    assert why.value.failure_code == "identity.mandate_ended"


async def session_of(node, sid):
    from tongban.identity.queries.sessions import by_id

    async with node.db.reading() as tx:
        return await by_id(tx, sid)


async def test_a_mandate_is_shown_only_where_the_agent_is_now(nodes, boss, agent):
    """T-28: the list is told to a node the person is signed in at, and to nobody else; nor does a giver vouch for a stranger."""
    with pytest.raises(federation.CallRefused) as why:
        await visiting.show(nodes[GRANTOR], "cn", {"v": 1, "subject": (await actor_of(nodes[GRANTOR], boss)).subject})
    assert why.value.problem == "no_grant"
    made = await given(nodes, boss, agent)
    from tongban.identity.letters import mandates as doors

    for more in ({}, {"agent": "n1" + "a" * 32, "grantor": ORG}):
        with pytest.raises(federation.CallRefused) as no:
            await doors.mandate(nodes[GRANTOR], "cn", {"v": 1, "id": made.id, "level": 2, **more})
        assert no.value.problem == "not_found"


# ---- families between two nodes -----------------------------------------------------------------------------------


async def test_a_guardian_acts_away_from_home_and_the_child_hears_of_it_at_its_own(nodes):
    """T-88: mother at home in 重庆, child in 四川; she acts as a visitor in 四川's neighbour node; the register says so."""
    home, childs, away = nodes[GRANTOR], nodes[HOME], nodes[AWAY]
    child = Browser()
    await sign_in(child, childs, citizen("周子墨"))
    minor = (await actor_of(childs, child)).subject
    mother = await acting_at_home(home, "周雨桐", "周子墨", agree="yes")
    await visit(mother, away, GRANTOR)
    who = await actor_of(away, mother)
    assert (who.for_subject, who.basis) == (minor, "guardian")
    async with away.db.transaction() as tx:
        await identity.record_act(tx, away, who, "submit", what="社会保障卡申领", about="case:y")

    async def told():
        async with childs.db.reading() as tx:
            threads = await notifications.messages(tx, childs, minor)
        return [one for thread in threads for one in thread.messages if one.kind == "guardian.acted"]

    assert (await until(nodes, told))[0].title.reveal() == "周雨桐替你提交了申请"
    async with nodes["mps"].db.transaction() as tx:
        assert await guardians.freeze(tx, nodes["mps"], minor, (await actor_of(home, mother)).subject, "court")

    async def over():
        return (await actor_of(away, mother)).acting_ended

    await until(nodes, over)
    async with nodes["mps"].db.transaction() as tx:
        await tx.execute("UPDATE guardian_entry SET ended_at = NULL WHERE subject = $1", minor)


async def test_a_visiting_minor_is_confirmed_by_the_guardian_through_the_home(nodes):
    """T-88: at a visited node, which has no number of the child, a level-3 act waits for the mother at a third node."""
    mothers, childs, away = nodes[GRANTOR], nodes[HOME], nodes[AWAY]
    child = Browser()
    await sign_in(child, childs, citizen("周子墨"))
    mother = Browser()
    await sign_in(mother, mothers, citizen("周雨桐"))
    await visit(child, away, HOME)
    who = await actor_of(away, child)
    about = f"draft:{uuid7()}"

    async def confirmed():
        async with away.db.transaction() as tx:
            return await identity.confirmed(tx, away, who, level=3, about=about, what="社会保障卡申领")

    assert not await confirmed()
    guardian = await actor_of(mothers, mother)

    async def asked():
        async with mothers.db.reading() as tx:
            return await tx.fetchval("SELECT id FROM guardian_ask WHERE guardian_subject = $1 AND about LIKE $2", guardian.subject, f"%{about}")

    ask_id = await until(nodes, asked)
    assert not await confirmed()
    async with mothers.db.transaction() as tx:
        await confirming.answer(tx, mothers, guardian, str(ask_id), agrees=True)
    await until(nodes, confirmed)
    async with away.db.reading() as tx:
        threads = await notifications.messages(tx, away, who.subject)
    assert any(one.kind == "guardian.answered" for thread in threads for one in thread.messages)
