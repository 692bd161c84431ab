"""一证通办 of a credit code (R-405): a company's licence is found for who acts for it, in whosever wallet it lies, and for nobody else."""

from __future__ import annotations

import pytest

from tongban import catalogue, credentials, identity
from tongban.cases.actions import drafts, gather, power, prefill
from tongban.cases.queries import mirrors
from tongban.cases.tests import make
from tongban.catalogue import Prefill
from tongban.credentials.actions import share
from tongban.identity.actions import acting
from tongban.identity.actions.acting import ByLaw
from tongban.identity.queries.organisations import REGISTER
from tongban.kernel.clock import SetClock
from tongban.kernel.errors import Failure
from tongban.kernel.gm import Personal
from tongban.kernel.ids import CreditCode

FOUNDER = make.citizen("n1" + "b1" * 16)
BOSS = make.citizen("n1" + "b2" * 16)
CODE = CreditCode.make("91", "510107", "MADEM00C1").value
OTHER = CreditCode.make("91", "510107", "MADEM00C2").value
AWAY = CreditCode.make("91", "510107", "MADEM00C3").value
ORG = "o1" + CODE.lower()
NAME = {CODE: "成都锦云演示科技有限公司", OTHER: "成都青羊演示商贸有限公司", AWAY: "成都武侯演示物流有限公司"}


@pytest.fixture(scope="module")
async def node(make_node):
    made = await make.ready(await make_node("510000", clock=SetClock(make.WEDNESDAY)), make.COMPANY)
    issuer = credentials.Issuer(CreditCode.make("11", "510100", "MB0000001").value, "成都市市场监督管理局（演示）")
    async with made.db.transaction() as tx:
        for code, name in NAME.items():
            data = {
                "company_name": name, "credit_code": code, "company_type": "有限责任公司(自然人独资)", "legal_representative": "演示陈晓雨",
                "business_scope": "软件开发", "capital": "壹佰万元整", "founded_on": "2026-11-01", "address": "天府大道演示路 88 号",
            }  # fmt: skip
            await credentials.issue(
                tx, made, make.clerk(), type_code=credentials.type_named(made, "营业执照").code, issuer=issuer, data=data,
                holder=credentials.Holder(FOUNDER.subject, made.id, Personal(name), Personal(code), kind="legal"),
            )  # fmt: skip
    return made


async def boss_of(node, code=CODE, who=BOSS):
    """The legal representative, as the register said, acting for the company."""
    company = "o1" + code.lower()
    async with node.db.transaction() as tx:
        until = node.clock.now().replace(year=2027)
        found = [ByLaw(grantor=company, name=Personal(NAME[code]), until=until)]
        await acting._put(tx, node, who.subject, Personal("演示陈晓雨"), "legal_rep", REGISTER, found)
        (mandate,) = [one for one in await identity.usable(tx, node, who.subject) if one.grantor == company]
    return make.changed(
        who, for_subject=company, mandate=mandate.id, basis="legal_rep", acts=frozenset(mandate.acts), for_name=Personal(NAME[code])
    )


async def wanting(node):
    """An item of companies that fills a field from the business licence."""
    async with node.db.reading() as tx:
        item = await catalogue.item(tx, make.COMPANY)
    licence = (Prefill(source="licence", resource="营业执照", field="名称"),)
    steps = tuple(
        make.changed(step, fields=tuple(make.changed(one, prefill=licence) if one.name == "company_name" else one for one in step.fields))
        for step in item.form.steps
    )
    return make.changed(item, audience=("organisation",), form=make.changed(item.form, steps=steps))


async def test_who_acts_for_a_company_finds_its_licence_in_the_founders_wallet(node):
    who, item = await boss_of(node), await wanting(node)
    async with node.db.transaction() as tx:
        draft = await drafts.begin(tx, node, who, make.COMPANY)
    assert draft.subject == ORG
    await prefill.fill(node, who, draft, item)  # not enrolled: every register is away, and the form goes on
    async with node.db.reading() as tx:
        draft = await mirrors.draft(tx, node, ORG, draft.id)
        again = await gather.looked_again(tx, node, who, draft, item)
    assert draft.file.answers["company_name"] == NAME[CODE], "the credit code alone found no licence"
    source = draft.file.sources["company_name"]
    assert (source.kind, source.name) == ("licence", "电子证照：营业执照")
    assert source.at == int(make.WEDNESDAY.timestamp() * 1000), "its age is not said"
    assert [(one.type_name, one.org_name, one.state) for one in draft.file.cards] == [("营业执照", "成都市市场监督管理局（演示）", "valid")]
    assert again.file.cards == draft.file.cards


async def test_nobody_else_finds_a_companys_licence_by_its_code(node):
    who, item = await boss_of(node), await wanting(node)
    deed = power.deed("draft", item)
    another = await boss_of(node, OTHER, make.citizen("n1" + "b4" * 16))
    async with node.db.transaction() as tx:
        (card,) = await credentials.of_company(tx, node, who, ORG, deed)
        assert card.number == CODE, "a card of the founder's other company came along"
        for one in (make.citizen("n1" + "b3" * 16), FOUNDER, make.clerk(), another):
            assert await credentials.of_company(tx, node, one, ORG, deed) == (), "found by somebody who does not act for the company"
        borrowed = make.changed(make.citizen("n1" + "b3" * 16), for_subject=ORG, mandate=who.mandate)
        with pytest.raises(Failure) as no:
            await credentials.of_company(tx, node, borrowed, ORG, deed)
        assert no.value.failure_code == "identity.mandate_scope"
        await acting.end(tx, node, who.mandate, "ended", "register")
        with pytest.raises(Failure) as over:
            await credentials.of_company(tx, node, who, ORG, deed)
        assert over.value.failure_code == "identity.mandate_ended"


async def test_what_lies_in_a_wallet_elsewhere_is_found_where_it_was_registered(node, monkeypatch):
    """By the division in the code; the company's ledger has the line, its founder's name is asked for by nobody."""
    who, item = await boss_of(node, AWAY), await wanting(node)

    async def need(_tx, _task_code):
        return credentials.Need(item.name, node.id, {"营业执照": frozenset({"名称"})})

    monkeypatch.setattr(share, "_finder", [need])
    async with node.db.transaction() as tx:
        draft = await drafts.begin(tx, node, who, make.COMPANY)
        await tx.execute("DELETE FROM credential_card WHERE number = $1", AWAY)  # its founder is at home elsewhere
        assert await credentials.of_company(tx, node, who, draft.subject, power.deed("draft", item)) == ()
    await prefill.fill(node, who, draft, item)
    async with node.db.reading() as tx:
        draft = await mirrors.draft(tx, node, draft.subject, draft.id)
        again = await gather.looked_again(tx, node, who, draft, item)
        used = await tx.fetch("SELECT DISTINCT subject, result FROM credential_use WHERE case_id = $1", f"case:{draft.id}")
    assert draft.file.answers["company_name"] == NAME[AWAY], "the credit code alone found no licence"
    assert [(one.type_name, one.state, one.node) for one in again.file.cards] == [("营业执照", "valid", "510000")]
    assert [tuple(one) for one in used] == [(draft.subject, "0")]
    plan = catalogue.prefill_plan(item.form)
    assert (await gather.cards(node, make.citizen("n1" + "b3" * 16), draft, item, plan)).found == (), "found by somebody who does not act for it"
    other = await boss_of(node, OTHER)
    assert (await gather.cards(node, other, draft, item, plan)).found == ()
