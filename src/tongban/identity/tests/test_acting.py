"""Acting for another over real nodes: a company of its legal representative, an agent at another home, removed at once (R-301)."""

from __future__ import annotations

import asyncio
import re
import time

import msgspec
import pytest

from tongban import federation, identity, notifications
from tongban.federation.tests.make import deliver
from tongban.identity import letters as letter_doors
from tongban.identity.actions import guardians, hall, organisations, other_guardians
from tongban.identity.actions import mandates as verbs
from tongban.identity.actions.mandates import Wanted
from tongban.identity.letters import accounts
from tongban.identity.queries import mandates as queries
from tongban.identity.queries.organisations import org_entry, subject_of
from tongban.identity.rules.mandates import ACT_WORDS
from tongban.identity.rules.roles import assignment
from tongban.identity.tests.make import PC_AGENT, Browser, citizen, household, sign_in, step_up
from tongban.kernel.actor import Actor
from tongban.kernel.errors import Failure
from tongban.kernel.gm import Personal
from tongban.kernel.ids import uuid7

ITEM = "11510100DEM000014N3000199901000"
COMPANY = "91500103MADEM2002L"
ORG = subject_of(COMPANY)
_nation = {}
BOSS, AGENT = citizen("何志远"), citizen("吴思涵")


@identity.offer_items
async def _offers(_tx, _node, _kind):
    return {ITEM: "开公司、办营业执照"}


@pytest.fixture(scope="module")
async def nodes(make_node):
    async with household(make_node, "samr", "500000", "510000") as found:
        await organisations.find_representatives(found["samr"])
        _nation.update(found)
        yield found
        _nation.clear()


async def until(look, *, seconds=30.0):
    """Wait for a letter or a job; the answer of `look` as soon as it is true."""
    started = time.monotonic()
    while time.monotonic() - started < seconds:
        if found := await look():
            return found
        await deliver(_nation)
        await asyncio.sleep(0.05)
    raise AssertionError("it did not come")


async def mandate(node, grantor, state=None):
    async with node.db.reading() as tx:
        rows = await tx.fetch(f"SELECT {queries.COLUMNS} FROM mandate WHERE grantor = $1 AND basis <> 'legal_rep' ORDER BY made_at DESC", grantor)
    found = [queries.mandate_of(node, row) for row in rows]
    return next((one for one in found if state is None or one.state == state), None)


async def actor_of(node, browser):
    return await identity.resolve(node, browser.jar[node.settings.base_url.split("//")[1].split(":")[0]])


def acting_words(page):
    found = re.search(r'<aside class="acting.*?</aside>', page.body, re.DOTALL)
    return found[0] if found else ""


async def at_three(browser, node, path):
    """A page that asks level 3, by the face check when that is still needed."""
    page = await browser.get(node, path)
    if page.status == 403:
        page = await step_up(browser, node, await browser.get(node, f"/step-up?level=3&next={path}"))
    return page


async def switch_to(browser, node, who):
    """Ask the registers, then act for `who`; the page one is on afterwards."""
    page = await browser.get(node, "/me/switch")
    page = await browser.submit(node, page, "/me/switch/ask")
    assert "查过登记了" in page.body, page.body
    await at_three(browser, node, "/me/agents/new")
    page = await browser.get(node, "/me/switch")
    form = next(one for one in re.findall(r"<form\b.*?</form>", page.body, re.DOTALL) if f"切换到{who}" in one)
    fields = dict(re.findall(r'<input[^>]*?name="([^"]+)"[^>]*?value="([^"]*)"', form))
    return await browser.post(node, "/me/switch", fields)


@pytest.fixture(scope="module")
async def boss(nodes):
    browser = Browser()
    await sign_in(browser, nodes["500000"], BOSS)
    return browser


@pytest.fixture(scope="module")
async def agent(nodes):
    browser = Browser()
    await sign_in(browser, nodes["510000"], AGENT)
    return browser


async def test_only_the_legal_representative_can_act_for_a_company(nodes, boss, agent):
    home = nodes["500000"]
    before = boss.jar["500000.localhost"]["__Host-tb_s"]
    page = await switch_to(boss, home, "重庆巴山演示机械有限公司（演示）")
    assert boss.jar["500000.localhost"]["__Host-tb_s"] != before, "the cookie value turns with the identity (identity.md 7)"
    who = await actor_of(home, boss)
    assert (who.for_subject, who.basis, who.acr) == (ORG, "legal_rep", 3)
    page = await boss.get(home, "/me/agents")
    assert "重庆巴山演示机械有限公司" in acting_words(page)
    page = await agent.get(nodes["510000"], "/me/switch")
    page = await agent.submit(nodes["510000"], page, "/me/switch/ask")
    assert "重庆巴山" not in page.body
    assert "成都锦江演示书店" in page.body, "her own one is there"
    other = await mandate_by_law(nodes["500000"], ORG)
    refused = await agent.post(nodes["510000"], "/me/switch", {**page.fields("/me/switch/ask"), "mandate": other})
    assert refused.status == 403, "another's mandate id opens nothing (T-42)"


async def mandate_by_law(node, grantor):
    async with node.db.reading() as tx:
        return await tx.fetchval("SELECT id FROM mandate WHERE grantor = $1 AND basis = 'legal_rep' AND state = 'active'", grantor)


async def test_both_registers_wrote_down_who_asked(nodes, boss):
    """The asking is in the ledger at samr and at home, with the same digest (privacy.md 6)."""
    who = await actor_of(nodes["500000"], boss)
    lines = []
    for node in (nodes["samr"], nodes["500000"]):
        async with node.db.reading() as tx:
            rows = await tx.fetch("SELECT digest, fields FROM access_record WHERE subject = $1 AND source = 'samr'", who.subject)
        lines.append({row["digest"] for row in rows if "担任法定代表人的企业" in row["fields"]})
    assert lines[0]
    assert lines[0] == lines[1]


async def granted(nodes, boss):
    """The company gives its agent in 四川 a mandate, through the four pages; the row at the agent's home, waiting."""
    home = nodes["500000"]
    page = await at_three(boss, home, "/me/agents/new")
    page = await boss.submit(home, page, "/me/agents/new", name=AGENT.name, number=AGENT.number)
    assert "能办什么" in page.body, page.body
    assert AGENT.number not in page.body, "the number is typed once and not carried along"
    page = await boss.post(home, "/me/agents/new", {**page.fields("/me/agents/new"), "_step": "what", "set_name": "", "items": ITEM, "acts": "submit"})
    assert "办到什么时候" in page.body, page.body
    page = await boss.submit(home, page, "/me/agents/new", days="30")
    assert "看一遍" in page.body, page.body
    assert "开公司" in page.body
    page = await boss.submit(home, page, "/me/agents/new")
    assert page.path == "/me/agents", page.body
    return await until(lambda: mandate(nodes["510000"], ORG, "offered"))


async def test_an_agent_of_a_company_is_appointed_acts_and_is_removed_at_once(nodes, boss, agent):
    home, there = nodes["500000"], nodes["510000"]
    offer = await granted(nodes, boss)
    assert (offer.basis, offer.granted_node, offer.agent_node, offer.acts) == ("org_agent", "500000", "510000", ("view", "submit"))
    page = await agent.get(there, f"/me/agents/{offer.id}")
    assert "重庆巴山" in page.body
    await agent.submit(there, page, f"/me/agents/{offer.id}/accept")
    await until(lambda: mandate(home, ORG, "active"))
    page = await agent.get(there, "/me/switch")
    form = next(one for one in re.findall(r"<form\b.*?</form>", page.body, re.DOTALL) if "切换到重庆巴山" in one)
    await agent.post(there, "/me/switch", dict(re.findall(r'<input[^>]*?name="([^"]+)"[^>]*?value="([^"]*)"', form)))
    who = await actor_of(there, agent)
    assert (who.for_subject, who.basis, who.items) == (ORG, "org_agent", frozenset({ITEM}))
    submit = identity.Deed(act="submit", item=ITEM, audience=frozenset({"organisation"}), level=3)
    await identity.freshen(there, who, level=3)
    async with there.db.transaction() as tx:
        await identity.require_act(tx, there, who, submit)
        await identity.record_act(tx, there, who, "submit", what="内资公司设立登记", about="case:x")
        with pytest.raises(Failure) as other:
            await identity.require_act(tx, there, who, identity.Deed(act="submit", item="9" * 31, audience=frozenset({"organisation"})))
        with pytest.raises(Failure) as onward:
            await verbs.grant(tx, there, who, verbs.Agent(subject="n1z", home="510000", name=who.name), Wanted(), names={})
    assert other.value.failure_code == "identity.mandate_scope"
    assert onward.value.failure_code == "identity.never_delegable", "an agent never delegates on (T-85)"

    async def told():
        async with home.db.reading() as tx:
            threads = await notifications.messages(tx, home, (await actor_of(home, boss)).subject)
        return next((one for thread in threads for one in thread.messages if one.kind == "mandate.acted"), None)

    message = await until(told)
    assert message.title.reveal() == "吴思涵替重庆巴山演示机械有限公司（演示）提交了申请"
    assert (message.link, message.link_words) == (f"/me/agents/{offer.id}/stop", "停止授权"), "it stands in the message itself"
    page = await boss.get(home, message.link)
    page = await boss.submit(home, page, f"/me/agents/{offer.id}/stop")
    assert "停了" in page.body
    # at once: the home that grants says no to the very next question, before any letter could have come
    with pytest.raises(Failure) as late:  # noqa: PT012  whichever of the two hears it first
        await identity.freshen(there, who, level=3)
        async with there.db.transaction() as tx:
            await identity.require_act(tx, there, who, submit)
    assert late.value.failure_code == "identity.mandate_ended"
    await until(lambda: mandate(there, ORG, "stopped"))
    now = await actor_of(there, agent)
    assert (now.for_subject, now.acting_ended) == ("", True), "the browser falls back to the person alone"
    page = await agent.get(there, "/me/agents")
    assert "授权已经停了" in acting_words(page)


async def test_a_new_representative_ends_what_the_former_one_gave(nodes, boss, agent):
    """T-87: the letter `register.changed` ends the mandate at every node, and the former one acts no more."""
    home, there = nodes["500000"], nodes["510000"]
    await switch_to(boss, home, "重庆巴山演示机械有限公司（演示）") if not (await actor_of(home, boss)).for_subject else None
    offer = await granted(nodes, boss)
    await agent.submit(there, await agent.get(there, f"/me/agents/{offer.id}"), f"/me/agents/{offer.id}/accept")
    former = await actor_of(home, boss)
    assert former.for_subject == ORG
    heir = citizen("马志明")
    async with nodes["samr"].db.transaction() as tx:
        version = await organisations.enter(tx, nodes["samr"], organisations.NewOrganisation(
            code=COMPANY, name="重庆巴山演示机械有限公司（演示）", division="500103", legal_name=heir.name, legal_number=heir.number,
            registered_on=nodes["samr"].clock.today(),
        ), by="samr")  # fmt: skip
    assert version == 2
    await until(lambda: _ended(there, offer.id))
    assert (await actor_of(home, boss)).acting_ended
    with pytest.raises(Failure) as late:
        async with home.db.transaction() as tx:
            await identity.require_act(tx, home, former, identity.Deed(act="submit", audience=frozenset({"organisation"})))
    assert late.value.failure_code == "identity.mandate_ended"


async def _ended(node, mandate_id):
    async with node.db.reading() as tx:
        found = await queries.by_id(tx, node, mandate_id)
    return found if found.state == "ended" and found.over_why == "register" else None


@pytest.mark.parametrize("basis", ["family", "hall"])
async def test_a_node_cannot_offer_for_a_person_of_another_home(nodes, basis):
    """T-22, T-32: a forged offer is kept aside and ended, because the register's statement names another home; a hall's no less."""
    there, forged = nodes["510000"], uuid7()
    async with nodes["mps"].db.reading() as tx:
        victim = await tx.fetchval("SELECT subject FROM register_entry WHERE home = '500000' LIMIT 1")
        target = await tx.fetchval("SELECT subject FROM register_entry WHERE home = '510000' LIMIT 1")
    async with nodes["samr"].db.transaction() as tx:
        await federation.send(tx, nodes["samr"], to="510000", kind="mandate.offered", about="mandate:x", body={
            "id": forged, "grantor": victim, "agent": target, "basis": basis, "items": [ITEM],
            "set_name": "", "set_version": 0, "acts": ["view", "submit"], "from_at": 0, "until_at": 4102444800000, "wait_until": 0,
            "granted_acr": 4, "granted_by_subject": "", "granted_staff": "", "state": "active", "offered_until": 4102444800000,
            "grantor_name": "演示", "agent_name": "演示", "proof": "",
        })  # fmt: skip

    async def judged():
        async with there.db.reading() as tx:
            found = await queries.by_id(tx, there, forged)
        return found.over_why if found is not None and found.state != "arriving" else None

    assert await until(judged) == "not_proven"


async def test_a_hall_gives_for_people_of_its_own_node_only(nodes, boss, agent):
    """T-22, T-85: the word of a mandate is the grantor's home's, and there the grantor hears of each act; the agent may live anywhere."""
    home, there = nodes["500000"], nodes["510000"]
    near, far = await actor_of(home, boss), await actor_of(there, agent)
    clerk = Actor(kind="staff", subject="s1", staff_id="YZ-DT-01", unit="大厅", assignments=(assignment("hall_clerk", "500103"),))
    mine = verbs.Agent(subject=near.subject, home="500000", name=Personal(BOSS.name), number=Personal(BOSS.number))
    theirs = verbs.Agent(subject=far.subject, home="510000", name=Personal(AGENT.name), number=Personal(AGENT.number))
    wanted, names = Wanted(items=(ITEM,), acts=("view", "submit"), days=30), {ITEM: "开公司、办营业执照"}
    async with home.db.transaction() as tx:
        refused = await hall.grant_at_hall(tx, home, clerk, theirs, mine, wanted, names=names)
    assert [(one.code, one.field) for one in refused] == [("identity.hall_elsewhere", "grantor_number")]
    assert "四川" in refused[0].sentence
    async with home.db.transaction() as tx:
        made = await hall.grant_at_hall(tx, home, clerk, mine, theirs, wanted, names=names)
    assert (await until(lambda: mandate(there, near.subject, "active"))).id == made.id, "proven by the register's statement"
    desk = Browser(PC_AGENT)
    page = await desk.submit(home, await desk.get(home, "/staff/login?next=/staff/mandates"), "/staff/login", key="YZ-DT-01")
    page = await desk.submit(home, page, "/staff/mandates/stop", stop_name=BOSS.name, stop_number=BOSS.number)
    assert f"{AGENT.name}替{BOSS.name}办" in page.body, page.body
    page = await desk.submit(home, page, f"/staff/mandates/stop/{made.id}")
    assert "停掉了" in page.body
    assert (await until(lambda: mandate(there, near.subject, "stopped"))).id == made.id, "stopped at the agent's home too"


async def test_a_company_founded_in_a_province_is_known_to_the_register_by_letter(nodes, agent):
    """The licence's letter `organisation.registered`, believed only from the authority of that division (T-32)."""
    who = await actor_of(nodes["510000"], agent)
    wu = citizen("吴思涵")
    mine, foreign = "91510107MADEM2003M", "91500103MADEM2002L"
    for node, code, case in ((nodes["510000"], mine, "a"), (nodes["510000"], foreign, "b")):
        async with node.db.transaction() as tx:
            await organisations.company_registered(tx, node, organisations.NewOrganisation(
                code=code, name="成都武侯演示新公司（演示）", division=code[2:8], legal_name=wu.name, legal_number=wu.number,
                registered_on=node.clock.today(),
            ), case=case)  # fmt: skip

    async def known():
        await organisations.find_representatives(nodes["samr"])
        async with nodes["samr"].db.reading() as tx:
            return await tx.fetchval("SELECT legal_subject FROM org_entry WHERE code = $1", mine)

    assert await until(known) == who.subject
    async with nodes["samr"].db.reading() as tx:
        assert "新公司" not in await tx.fetchval("SELECT name FROM org_entry WHERE code = $1", foreign)
    companies = await organisations.ask(nodes["510000"], who.subject)
    assert "成都武侯演示新公司（演示）" in {one.name for one in companies}


async def test_a_change_that_names_no_representative_leaves_the_one_there_is(nodes):
    """变更登记 with a new name only: the register keeps who represents it; a new company without one is not taken."""
    wu, (code, strange) = citizen("吴思涵"), ("91510107MADEM2005U", "91510107MADEM2006Y")
    first = organisations.NewOrganisation(
        code=code, name="成都武侯演示旧名公司（演示）", division="510107", legal_name=wu.name, legal_number=wu.number, registered_on=nodes["samr"].clock.today(),
    )  # fmt: skip
    renamed = organisations.NewOrganisation(code=code, name="成都武侯演示改名公司（演示）", division="510107", registered_on=first.registered_on)
    unknown = organisations.NewOrganisation(code=strange, name="成都武侯演示无名公司（演示）", division="510107", registered_on=first.registered_on)
    for number, new in enumerate((first, renamed, unknown)):
        async with nodes["510000"].db.transaction() as tx:
            await organisations.company_registered(tx, nodes["510000"], new, case=f"change-{number}")

    async def known():
        async with nodes["samr"].db.reading() as tx:
            return await org_entry(tx, nodes["samr"], organisations.subject_of(code))

    await until(known)

    async def after():
        found = await known()
        return found if found.version == 2 else None

    found = await until(after)
    assert (found.name, found.legal_name.reveal()) == (renamed.name, wu.name)
    async with nodes["samr"].db.reading() as tx:
        number = await tx.fetchval("SELECT legal_number FROM org_entry WHERE code = $1", code)
        assert nodes["samr"].cipher.open("sensitive", "org_entry.legal_number", organisations.subject_of(code), number).reveal() == wu.number
        assert await tx.fetchval("SELECT count(*) FROM org_entry WHERE code = $1", strange) == 0


async def test_name_and_number_are_told_only_while_the_session_lives(nodes, agent):
    """T-28: a node where somebody was signed in once does not learn the number ever after (identity.md 10)."""
    there = nodes["510000"]
    asked = {"v": 1, "sid": (await actor_of(there, agent)).sid}

    async def told(caller):
        return await accounts.full_person(there, caller, asked)

    async with there.db.transaction() as tx:
        await tx.execute("UPDATE session SET visited = '{500000}' WHERE id = $1", asked["sid"])
    assert (await told("500000"))["number"] == AGENT.number
    with pytest.raises(federation.CallRefused):
        await told("samr")
    for column in ("idle_until", "ends_at"):
        async with there.db.transaction() as tx:
            before = await tx.fetchval(f"SELECT {column} FROM session WHERE id = $1", asked["sid"])
            await tx.execute(f"UPDATE session SET {column} = $2 WHERE id = $1", asked["sid"], there.clock.now())
        with pytest.raises(federation.CallRefused) as why:
            await told("500000")
        assert why.value.problem == "no_grant", column
        async with there.db.transaction() as tx:
            await tx.execute(f"UPDATE session SET {column} = $2 WHERE id = $1", asked["sid"], before)


async def test_what_one_guardian_did_the_others_hear_of(nodes, boss, agent):
    """T-88: at home here and elsewhere, on the register's word; a node that is not that guardian's home tells nobody anything."""
    mps, home, there, child, browser = nodes["mps"], nodes["500000"], nodes["510000"], citizen("周子涵"), Browser()
    await sign_in(browser, home, citizen("周雨桐"))
    async with mps.db.transaction() as tx:
        for one in (BOSS, AGENT):
            await guardians.enter(tx, mps, child.number, one.number, "监护人", mps.clock.today())
    await browser.submit(home, await browser.get(home, "/me/switch"), "/me/switch/ask")
    mother, near, far = await actor_of(home, browser), await actor_of(home, boss), await actor_of(there, agent)
    async with home.db.reading() as tx:
        held = next(one for one in await queries.usable(tx, home, mother.subject) if one.grantor_name.reveal() == child.name)
    who = msgspec.structs.replace(mother, for_subject=held.grantor, mandate=held.id, basis="guardian")
    async with home.db.transaction() as tx:
        await identity.record_act(tx, home, who, "submit", what="社会保障卡申领", about="case:z")

    async def told(node, subject):
        async with node.db.reading() as tx:
            threads = await notifications.messages(tx, node, subject)
        return [one for thread in threads for one in thread.messages if one.kind == "guardian.told"]

    for node, subject in ((home, near.subject), (there, far.subject)):
        assert (await until(lambda node=node, subject=subject: told(node, subject)))[0].title.reveal() == "周雨桐替孩子提交了申请"
    assert not await told(home, mother.subject), "whoever did it knows"
    forged = {"minor": held.grantor, "by": mother.subject, "guardian": far.subject, "act_id": uuid7(), "origin": "samr"}
    words = other_guardians._sealed(there, forged["act_id"], ("演示", "submit", "演示", ""))
    for lie in ({}, {"origin": "500000", "by": near.subject, "minor": far.subject}):
        await other_guardians.check(there, {**forged, **lie, "words": words})
    assert len(await told(there, far.subject)) == 1, "told on a stranger's word"
    async with mps.db.transaction() as tx:
        await tx.execute("DELETE FROM guardian_entry WHERE guardian_subject = ANY($1::text[])", [near.subject, far.subject])


def test_every_letter_of_mandates_has_a_reader():
    assert {"mandate.offered", "mandate.accepted", "mandate.over", "mandate.acted", "register.changed"} <= {kind for kind, _ in letter_doors.LETTERS}
    assert ACT_WORDS["submit"]
