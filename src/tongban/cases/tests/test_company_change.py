"""内资企业变更登记 at its owner (R-403, R-405, R-406): the company's own licence fills the form, and a change renews it."""

from __future__ import annotations

import pytest

from tongban import credentials
from tongban.cases.actions import decide, drafts, intake, numbers, prefill, review, submit
from tongban.cases.errors import CompanyOnly, NoLicenceToRenew
from tongban.cases.model import Case, Mirror
from tongban.cases.pages.found import told
from tongban.cases.queries import mirrors
from tongban.cases.rules import forms
from tongban.cases.tests import make
from tongban.cases.tests.make import CHANGE, Browser, act, citizen, clerk, held, tried
from tongban.credentials.actions import wallet
from tongban.credentials.errors import CardGone
from tongban.credentials.pages.wallet import _lent
from tongban.identity.actions import acting
from tongban.identity.actions.acting import ByLaw
from tongban.identity.queries import mandates
from tongban.identity.queries.organisations import REGISTER
from tongban.identity.queries.persons import number_index
from tongban.kernel.actor import SYSTEM
from tongban.kernel.clock import SetClock
from tongban.kernel.errors import Failure
from tongban.kernel.gm import Personal
from tongban.kernel.ids import CredentialId, CreditCode, uuid7

FOUNDER, BOSS, AGENT = (citizen("n1" + digits * 16) for digits in ("c1", "c2", "c3"))
CODE, FROZEN = (CreditCode.make("91", "510107", body).value for body in ("MADEM00D1", "MADEM00D2"))
NAME, NEW_NAME = "成都锦云演示科技有限公司", "成都川岚演示科技有限公司"
DESK = {"division": "510100"}
ADDRESS = {
    "changes": ["address"], "new_district": "510104", "new_address": "演示路 18 号 3 幢 502 室", "premises": "promise",
}  # fmt: skip
REST = {"resolved_on": "2026-11-10", "by_resolution": "true", "amends_articles": "true", "mobile": "13800138000", "delivery": "electronic"}


@pytest.fixture(scope="module")
async def node(make_node):
    made = await make.ready(await make_node("510000", clock=SetClock(make.WEDNESDAY)), CHANGE, make.COMPANY)
    async with made.db.transaction() as tx:
        for code in (CODE, FROZEN):
            await licensed(tx, made, code)
    return made


async def licensed(tx, node, code, **more):
    """The licence of a company, in its founder's wallet as 设立登记 leaves it."""
    data = {
        "company_name": NAME, "credit_code": code, "company_type": "有限责任公司", "legal_representative": "演示陈晓雨",
        "business_scope": "软件开发", "capital": "50 万元人民币", "founded_on": "2026-11-01", "address": "武侯区演示路 88 号",
        "registered_on": "2026-11-01",
    }  # fmt: skip
    return await credentials.issue(
        tx, node, clerk(), type_code=credentials.type_named(node, "营业执照").code, data=data,
        issuer=credentials.Issuer("11510100DEM000014N", "成都市市场监督管理局（演示）"),
        holder=credentials.Holder(FOUNDER.subject, node.id, Personal(NAME), Personal(code), kind="legal"), **more,
    )  # fmt: skip


def company(code=CODE):
    return f"o1{code.lower()}"


async def boss_of(node, code=CODE):
    async with node.db.transaction() as tx:
        found = [ByLaw(grantor=company(one), name=Personal(NAME), until=node.clock.now().replace(year=2027)) for one in (CODE, FROZEN)]
        await acting._put(tx, node, BOSS.subject, Personal("演示陈晓雨"), "legal_rep", REGISTER, found)
        (mandate,) = [one for one in await mandates.usable(tx, node, BOSS.subject) if one.grantor == company(code)]
    return acts_under(BOSS, mandate)


def acts_under(who, mandate):
    return make.changed(
        who, for_subject=mandate.grantor, mandate=mandate.id, basis=mandate.basis, acts=frozenset(mandate.acts),
        items=frozenset(mandate.items), for_name=Personal(NAME),
    )  # fmt: skip


async def agent_for(node, item):
    """Somebody whom the company asked to do this one item, accepted a day ago."""
    made = uuid7()
    async with node.db.transaction() as tx:
        await tx.execute(
            "INSERT INTO mandate (grantor, id, agent, basis, items, acts, from_at, until_at, granted_acr, granted_by_subject, granted_node,"
            " agent_node, state, offered_until, accepted_at, news_at, grantor_name, agent_name, made_at) VALUES ($1,$2,$3,'org_agent',$4,$5,$6,$7,"
            " 3,$8,$9,$9,'active',$6,$6,$6,$10,$11,$6)",
            company(), made, AGENT.subject, [item], ["view", "draft", "submit", "receive"], node.clock.now(), node.clock.now().replace(year=2027),
            BOSS.subject, node.id, node.cipher.seal("identity", "mandate.grantor_name", made, NAME),
            node.cipher.seal("identity", "mandate.agent_name", made, "演示李四"),
        )  # fmt: skip
        return acts_under(AGENT, await mandates.by_id(tx, node, made))


async def begun(node, who):
    """A draft of the change, with everything asked that is to be asked."""
    async with node.db.transaction() as tx:
        draft = await drafts.begin(tx, node, who, CHANGE)
        item = await make.catalogue.item(tx, CHANGE)
    await prefill.fill(node, who, draft, item)  # not enrolled: every register is away, and the form goes on
    async with node.db.reading() as tx:
        return await mirrors.draft(tx, node, draft.subject, draft.id), item


async def handed_in(node, who, **typed):
    """The change, filled as a person fills it and submitted; the case as the owner holds it."""
    draft, item = await begun(node, who)
    posted = {name: tuple(value) if isinstance(value, list) else (value,) for name, value in {**REST, **typed}.items()}
    number = await numbers.reserve(node)
    async with node.db.transaction() as tx:
        for step in item.form.steps:
            draft, wrong = await drafts.save(tx, node, draft, item, step.name, {name: one for name, one in posted.items() if item.form.field(name) in step.fields})
            assert wrong == (), wrong
        done = await submit.submit(tx, node, who, draft.id, number=number, posted=make.TICKED)
    assert isinstance(done, Mirror), done
    return await held(node, done.id)


async def reviewed(node, case):
    await act(node, case.id, intake.accept, clerk("acceptor", **DESK), complete=True)
    await act(node, case.id, review.start_review, clerk("examiner", **DESK))
    await tried(node, case.id, review.give_opinion, clerk("examiner", **DESK), "都符合", favourable=True)


async def changed_licence(node, case):
    await reviewed(node, case)
    await act(node, case.id, decide.grant, clerk("approver", **DESK))
    await act(node, case.id, decide.finish, SYSTEM)
    async with node.db.reading() as tx:
        return await credentials.of_case(tx, node, case.id)


async def test_the_licence_fills_the_form_and_the_change_renews_it(node):
    who = await boss_of(node)
    draft, item = await begun(node, who)
    said = {"company_name": NAME, "credit_code": CODE, "legal_now": "演示陈晓雨", "address_now": "武侯区演示路 88 号", "capital_now": "50 万元人民币"}
    assert {name: draft.file.answers[name] for name in said} == said
    assert {(draft.file.sources[name].kind, draft.file.sources[name].name) for name in said} == {("licence", "电子证照：营业执照")}
    assert "licence" not in {one.material.name for one in forms.uploads(item, draft.file, make.TODAY)}, "the licence is asked for on paper"
    assert told(draft, item, make.TODAY).missing == ("联络员手机号码",), "what nobody asks with these answers is called missing"
    async with node.db.reading() as tx:
        assert [one.number for one in await _lent(tx, node, who, set())] == [CODE], "its wallet does not say where the licence lies"
        for other in (FOUNDER, await agent_for(node, "000199908000")):
            assert await _lent(tx, node, other, set()) == ()
    case = await handed_in(node, who, changes=["name", "capital"], new_name=NEW_NAME, new_capital="80")
    assert case.subject == company()
    async with node.db.reading() as tx:
        (before,) = [one for one in await credentials.of_holder(tx, node, FOUNDER.subject) if one.number == CODE]
    made = await changed_licence(node, case)
    now = {key: value.reveal() for key, value in made.data.items()}
    assert (now["company_name"], now["capital"], now["credit_code"]) == (NEW_NAME, "80 万元人民币", CODE)
    assert (now["address"], now["business_scope"], now["legal_representative"], now["founded_on"]) == ("武侯区演示路 88 号", "软件开发", "演示陈晓雨", "2026-11-01")
    assert now["registered_on"] == "2026-11-18"
    assert (made.subject, made.number, made.holder_name.reveal()) == (company(), CODE, NEW_NAME)
    assert CredentialId.parse(made.identifier).version == CredentialId.parse(before.identifier).version + 1
    async with node.db.reading() as tx:
        old = await credentials.credential(tx, node, FOUNDER.subject, before.id)
        named = await tx.fetchval("SELECT previous::text FROM credential WHERE id = $1", made.id)
        hers = {one.number for one in await credentials.of_holder(tx, node, FOUNDER.subject)}
        (its,) = await credentials.of_holder(tx, node, company())
    assert (old.state, named) == ("superseded", before.id)
    assert hers == {FROZEN}, "the one before lies in the founder's wallet still"
    assert (its.id, its.state) == (made.id, "valid")


async def test_an_agent_whose_mandate_covers_it_moves_the_company(node):
    """The licence is the company's own by now; it is found, renewed, and the papers of the new place are asked for as the law has it."""
    who = await agent_for(node, "000199908000")
    made = await changed_licence(node, await handed_in(node, who, **ADDRESS))
    assert made.data["address"].reveal().endswith("锦江区演示路 18 号 3 幢 502 室")
    assert made.data["company_name"].reveal() == NEW_NAME, "what was changed before"
    async with node.db.reading() as tx:
        assert [one.id for one in await credentials.issued_to_company(tx, node, company())] == [made.id], "two living licences of one company"


async def test_an_agent_for_something_else_does_not(node):
    who = await agent_for(node, "000199901000")
    async with node.db.transaction() as tx:
        with pytest.raises(Failure) as no:
            await drafts.begin(tx, node, who, CHANGE)
    assert no.value.failure_code == "identity.mandate_scope"


async def test_a_person_is_led_to_the_switch(node):
    """It is done for a company only, and the page says so with the way there."""
    async with node.db.transaction() as tx:
        for subject in ("", FOUNDER.subject):  # by oneself, and at a window
            with pytest.raises(CompanyOnly):
                await drafts.begin(tx, node, FOUNDER if not subject else clerk(), CHANGE, subject=subject)
        own = await drafts.begin(tx, node, FOUNDER, make.COMPANY)
    page = f"/apply/{own.id}/name"
    answer = await Browser(node, FOUNDER).post("/apply", {"task_code": CHANGE}, page=page)
    assert answer.status_code == 403
    assert "这件事要替企业办" in answer.text
    assert f'href="/me/switch?next=/s/{CHANGE}"' in answer.text


async def test_a_window_takes_it_for_nobody_and_says_nothing_of_who_is_known(node):
    """Companies have no window yet: the same words for a right name and a wrong one, and nobody is read (T-60)."""
    async with node.db.transaction() as tx:
        await tx.execute(
            "INSERT INTO person (subject, home, proof, name, number, bi_number, seen_at) VALUES ($1, '510000', 3, $2, $3, $4, now())",
            FOUNDER.subject, node.cipher.seal("identity", "person.name", FOUNDER.subject, "演示陈晓雨"),
            node.cipher.seal("sensitive", "person.number", FOUNDER.subject, make.NUMBER), number_index(node, make.NUMBER),
        )  # fmt: skip
    desk = Browser(node, clerk("window", **DESK))
    start = (await desk.get("/desk/receive")).text
    assert CHANGE not in start
    assert make.COMPANY in start
    answers = [
        await desk.post("/desk/receive", {"task_code": CHANGE, "number": make.NUMBER, "name": name}, page="/desk/receive")
        for name in ("演示陈晓雨", "演示别人")
    ]
    assert [one.status_code for one in answers] == [422, 422]
    assert all("切换到企业在网上办" in one.text for one in answers)
    async with node.db.reading() as tx:
        assert await tx.fetchval("SELECT count(*) FROM counter_visit WHERE subject = $1", FOUNDER.subject) == 0
        assert await tx.fetchval("SELECT count(*) FROM access_reason") == 0


async def test_no_licence_puts_another_companys_away(node, monkeypatch):
    """One replaces another with its own number only, whoever names it: the issuer's register and the wallet both judge."""
    stranger = CreditCode.make("91", "510107", "MADEM00D3").value
    async with node.db.reading() as tx:
        (theirs,) = await credentials.issued_to_company(tx, node, company(FROZEN))
    with pytest.raises(CardGone):
        async with node.db.transaction() as tx:
            await licensed(tx, node, stranger, previous=str(theirs.id))
    came = []
    receive = wallet.receive

    async def keep(_tx, _node, _origin, body):
        came.append(body)

    async with node.db.transaction() as tx:
        monkeypatch.setattr(wallet, "receive", keep)
        await licensed(tx, node, stranger)
        await receive(tx, node, node.id, {**came[0], "previous": str(theirs.id)})
        (card,) = [one for one in await credentials.of_holder(tx, node, FOUNDER.subject) if one.number == FROZEN]
    assert str(card.id) == str(theirs.id)


async def test_a_frozen_licence_is_not_renewed(node):
    """Submitted while it was good, and frozen since: it cannot be granted, and nothing is left half done."""
    case = await handed_in(node, await boss_of(node, FROZEN), **ADDRESS)
    async with node.db.transaction() as tx:
        (licence,) = await credentials.issued_to_company(tx, node, company(FROZEN))
        await credentials.suspend(tx, node, clerk(), licence.subject, str(licence.id), "演示冻结")
    await reviewed(node, case)
    done = await tried(node, case.id, decide.grant, clerk("approver", **DESK))
    assert not isinstance(done, Case)
    assert [one.code for one in done] == [NoLicenceToRenew.code]
    assert (await held(node, case.id)).state == "under_review"
    async with node.db.transaction() as tx:
        await credentials.resume(tx, node, clerk(), licence.subject, str(licence.id), "演示恢复")
    await act(node, case.id, decide.grant, clerk("approver", **DESK))
    async with node.db.transaction() as tx:
        await credentials.revoke(tx, node, clerk(), licence.subject, str(licence.id), "演示撤销")
    with pytest.raises(NoLicenceToRenew):  # between grant and issue: the case waits, decided, for a person
        await decide.finish_by_clock(node, case.id)
    assert (await held(node, case.id)).state == "granted"
