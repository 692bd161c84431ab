"""A licence stands for a material where it was found and holds; else the paper is asked for, and the desk is told what there was (R-405, R-406)."""

from __future__ import annotations

from datetime import date
from types import SimpleNamespace

import pytest

from tongban import catalogue, credentials
from tongban.cases.actions import drafts, prefill
from tongban.cases.actions.submit import submit
from tongban.cases.model import Mirror
from tongban.cases.queries import mirrors
from tongban.cases.tests import make
from tongban.kernel.clock import SetClock
from tongban.kernel.gm import Personal
from tongban.kernel.ids import CreditCode

TYPE = "居住证"


@pytest.fixture(scope="module")
async def node(make_node):
    return await make.ready(await make_node("500000", clock=SetClock(make.WEDNESDAY)))


async def given(node, subject, **more):
    """An invented residence permit in the wallet here."""
    issuer = credentials.Issuer(CreditCode.make("11", "500103", "MB0000001").value, "渝中区分局（演示）")
    holder = credentials.Holder(subject, node.id, Personal("演示陈晓雨"), Personal(make.NUMBER))
    data = {"name": "演示陈晓雨", "number": make.NUMBER, "residence_address": "重庆市渝中区演示路 2 号", "authority": "渝中区分局（演示）"}
    async with node.db.transaction() as tx:
        return await credentials.issue(
            tx, node, make.clerk(), type_code=credentials.type_named(node, TYPE).code, holder=holder, issuer=issuer, data=data, **more
        )


async def begun(node, who):
    """A draft with every answer typed, after the registers and the wallet were looked at."""
    draft_id = await make.filled(node, who)
    async with node.db.reading() as tx:
        draft = await mirrors.draft(tx, node, who.subject, draft_id)
        item = await catalogue.item(tx, make.PERMIT)
    await prefill.fill(node, who, draft, item, again=True)
    return draft_id


async def handed_in(node, who, draft_id):
    number = await make.numbers.reserve(node)
    async with node.db.transaction() as tx:
        return await submit(tx, node, who, draft_id, number=number, posted=make.TICKED)


async def test_a_licence_nobody_found_is_asked_for_until_it_comes(node):
    who = make.citizen("n1" + "a1" * 16)
    draft_id = await begun(node, who)
    browser, path = make.Browser(node, who), f"/apply/{draft_id}"
    page = await browser.get(f"{path}/materials")
    assert "没有查到你的电子证照（居住证）" in page.text
    assert "material-permit" in page.text
    assert "material-id_card" not in page.text, "what every wallet gets by itself is not asked for"
    refused = await handed_in(node, who, draft_id)
    assert [(one.code, one.field) for one in refused] == [("cases.material_missing", "material-permit")]
    await given(node, who.subject)
    check = await browser.get(f"{path}/check")
    assert "用你的电子证照：居住证" in check.text
    sent = await handed_in(node, who, draft_id)
    assert isinstance(sent, Mirror), sent
    desk = await make.Browser(node, make.clerk()).get(f"/desk/{draft_id}")
    assert "电子证照：居住证，渝中区分局（演示），提交时查到有效" in desk.text
    assert "正在取" in desk.text


async def test_registers_are_asked_for_what_is_needed_and_for_the_rest_only_again(node, monkeypatch):
    """A household register matters for some answers only: nobody is asked for it when the form is opened."""
    who, asked = make.citizen("n1" + "a4" * 16), []

    async def missing(_node, _actor, subject, names):
        asked.append((subject, set(names)))
        return SimpleNamespace(coming={}, silent=())

    monkeypatch.setattr(credentials, "fetch_missing", missing)
    async with node.db.transaction() as tx:
        draft = await drafts.begin(tx, node, who, make.REMOTE)
        item = await catalogue.item(tx, make.REMOTE)
    await prefill.fill(node, who, draft, item)
    async with node.db.reading() as tx:
        draft = await mirrors.draft(tx, node, who.subject, draft.id)
    await prefill.fill(node, who, draft, item, again=True)
    first, second = asked
    assert first[0] == who.subject
    assert "医保电子凭证" in first[1]
    assert "居民户口簿" not in first[1], "asked about what may not matter"
    assert "居民户口簿" in second[1]


async def test_a_licence_that_ended_meanwhile_stands_for_nothing(node):
    who = make.citizen("n1" + "a2" * 16)
    card = await given(node, who.subject)
    draft_id = await begun(node, who)
    async with node.db.transaction() as tx:
        await credentials.revoke(tx, node, make.clerk(), who.subject, card.id, "虚假材料（演示）")
    refused = await handed_in(node, who, draft_id)
    assert not isinstance(refused, Mirror), "handed in on a licence that was revoked"
    assert [one.field for one in refused] == ["material-permit"]
    async with node.db.transaction() as tx:
        draft = await mirrors.draft(tx, node, who.subject, draft_id, lock=True)
        item = await catalogue.item(tx, make.PERMIT)
        draft = (await drafts.take(tx, node, who, draft_id))[0]
        _, wrong = await drafts.attach(tx, node, who, draft, item, "permit", make.upload())
    assert not wrong
    assert isinstance(await handed_in(node, who, draft_id), Mirror), "the paper does as well"


async def test_one_past_its_last_day_fills_nothing_whatever_the_list_says(node):
    """The issuer may be away for days: the calendar needs no list."""
    who = make.citizen("n1" + "a3" * 16)
    card = await given(node, who.subject, valid_until=date(2026, 11, 17))
    async with node.db.transaction() as tx:
        draft = await drafts.begin(tx, node, who, make.PERMIT)
        item = await catalogue.item(tx, make.PERMIT)
    await prefill.fill(node, who, draft, item)
    async with node.db.reading() as tx:
        assert (await credentials.credential(tx, node, who.subject, card.id)).state == "valid", "the round of the clock has not come"
        found = (await mirrors.draft(tx, node, who.subject, draft.id)).file
    assert [one.state for one in found.cards if one.type_name == TYPE] == ["expired"]
    assert not [name for name, source in found.sources.items() if TYPE in source.name]
    page = await make.Browser(node, who).get(f"/apply/{draft.id}/found")
    assert "过期" in page.text
