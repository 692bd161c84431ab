"""What is known is not asked again; a source that is away leaves the field to be typed, marked 待核验."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest

from tongban import catalogue, consent, credentials, exchange, identity, notifications
from tongban.cases.actions import agree, drafts, prefill
from tongban.cases.pages.found import told
from tongban.cases.queries import mirrors
from tongban.cases.tests import make
from tongban.identity.actions import corrections, subjects
from tongban.identity.model import Corrected
from tongban.identity.queries import desk
from tongban.kernel.gm import Personal

WHEN = datetime(2026, 11, 18, 1, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
async def node(make_node):
    return await make.ready(await make_node("500000"))


async def begun(node, who):
    async with node.db.transaction() as tx:
        draft = await drafts.begin(tx, node, who, make.PERMIT)
        return draft, await catalogue.item(tx, make.PERMIT)


async def again(node, draft):
    async with node.db.reading() as tx:
        return await mirrors.draft(tx, node, draft.subject, draft.id)


async def test_a_source_that_is_away_never_blocks(node):
    who = make.citizen("n1" + "1" * 32)
    draft, item = await begun(node, who)
    await prefill.fill(node, who, draft, item)  # not enrolled: nobody can be asked
    found = (await again(node, draft)).file
    assert found.filled
    assert found.sources["name"].pending
    page = await make.Browser(node, who).get(f"/apply/{draft.id}/person")
    assert "请自己填，之后会核对" in page.text
    async with node.db.transaction() as tx:
        current = await mirrors.draft(tx, node, who.subject, draft.id, lock=True)
        await drafts.save(tx, node, current, item, "person", make.ANSWERS[make.PERMIT])
    check = await make.Browser(node, who).get(f"/apply/{draft.id}/check")
    assert "待核验" in check.text


async def test_a_register_fills_and_is_named(node, monkeypatch):
    who = make.citizen("n1" + "2" * 32)

    async def fetch(_node, _actor, *, resource, key_subject, fields, purpose, **_):
        assert (key_subject, purpose) == (who.subject, "case.prefill")
        known = {"name": "演示陈晓雨", "number": make.NUMBER, "address": "重庆市渝中区演示路 2 号"}
        values = {name: Personal(known[name]) for name in fields if name in known}
        return exchange.Fetched(values=values, source="公安部人口登记", at=WHEN, resource=resource, line_id="1")

    monkeypatch.setattr(exchange, "fetch", fetch)
    draft, item = await begun(node, who)
    await prefill.fill(node, who, draft, item)
    found = (await again(node, draft)).file
    assert found.answers["name"] == "演示陈晓雨"
    assert found.sources["name"].name == "公安部人口登记"
    browser = make.Browser(node, who)
    page = await browser.get(f"/apply/{draft.id}/person")
    assert "来自公安部人口登记" in page.text
    assert 'name="name"' not in page.text  # locked: a card, not a field
    assert make.NUMBER not in page.text  # masked by default, like on the check page (privacy.md 1)
    assert "500103********4528" in page.text
    async with node.db.transaction() as tx:
        current = await mirrors.draft(tx, node, who.subject, draft.id, lock=True)
        saved, _ = await drafts.save(tx, node, current, item, "person", {"name": ("别人",), "mobile": ("13800138000",)})
    assert saved.file.answers["name"] == "演示陈晓雨"
    assert saved.file.sources["mobile"].kind == "typed"


async def test_what_was_typed_is_never_overwritten(node, monkeypatch):
    who = make.citizen("n1" + "3" * 32)
    draft, item = await begun(node, who)
    async with node.db.transaction() as tx:
        current = await mirrors.draft(tx, node, who.subject, draft.id, lock=True)
        await drafts.save(tx, node, current, item, "living", {"address": ("我自己写的地址一号",)})

    async def fetch(_node, _actor, *, resource, fields, **_):
        values = {name: Personal("登记的地址二号") for name in fields}
        return exchange.Fetched(values=values, source="公安部", at=WHEN, resource=resource, line_id="1")

    monkeypatch.setattr(exchange, "fetch", fetch)
    await prefill.fill(node, who, await again(node, draft), item)
    assert (await again(node, draft)).file.answers["address"] == "我自己写的地址一号"


async def test_a_licence_in_the_wallet_fills(node, monkeypatch):
    who = make.citizen("n1" + "4" * 32)
    await make.brought(node, "finished", actor=who)
    draft, item = await begun(node, who)
    await prefill.fill(node, who, draft, item)
    found = (await again(node, draft)).file
    assert found.answers["permit_number"] == "500103000000000001"
    assert found.sources["permit_number"].name == "电子证照：居住证"


async def test_starting_twice_takes_up_the_same_draft(node):
    who = make.citizen("n1" + "5" * 32)
    one, _ = await begun(node, who)
    two, _ = await begun(node, who)
    assert one.id == two.id


async def test_drafts_follow_a_person_who_is_matched(node):
    who = make.citizen("l" + "y" * 26, acr=1)
    draft, _ = await begun(node, who)
    async with node.db.transaction() as tx:
        await drafts.follow(tx, node, who.subject, "n1" + "6" * 32)
        assert (await mirrors.draft(tx, node, "n1" + "6" * 32, draft.id)).file == draft.file


async def test_a_disputed_value_is_used_marked_and_open_to_be_typed(node, monkeypatch):
    """R-304: while a dispute is open the form goes on; the value is marked 待核验 and the person may write the right one."""
    who = make.citizen("n1" + "7" * 32)

    async def fetch(_node, _actor, *, resource, key_subject, fields, purpose, **_):
        known = {"name": "演示陈小雨", "number": make.NUMBER, "address": "重庆市渝中区演示路 2 号"}
        values = {name: Personal(known[name]) for name in fields if name in known}
        disputed = ("name",) if "name" in values else ()
        return exchange.Fetched(values=values, source="公安部人口登记", at=WHEN, resource=resource, line_id="1", disputed=disputed)

    monkeypatch.setattr(exchange, "fetch", fetch)
    draft, item = await begun(node, who)
    await prefill.fill(node, who, draft, item)
    found = (await again(node, draft)).file
    assert found.answers["name"] == "演示陈小雨"
    assert found.sources["name"].pending
    assert not found.sources["number"].pending
    page = await make.Browser(node, who).get(f"/apply/{draft.id}/person")
    assert "正在纠错" in page.text
    async with node.db.transaction() as tx:
        current = await mirrors.draft(tx, node, who.subject, draft.id, lock=True)
        saved, _ = await drafts.save(tx, node, current, item, "person", {"name": ("演示陈晓雨",), "mobile": ("13800138000",)})
    assert saved.file.answers["name"] == "演示陈晓雨"
    assert saved.file.sources["name"].pending, "typed against the register: still to be checked"
    check = await make.Browser(node, who).get(f"/apply/{draft.id}/check")
    assert "待核验" in check.text


async def test_forms_that_used_a_value_before_its_correction_are_listed_once_for_their_owner(node, monkeypatch):
    """R-304: the register corrected a name; the drafts that carry it are named to the person, and nobody else's."""
    who, other = make.citizen("n1" + "6" * 32), make.citizen("n1" + "5" * 32)

    async def fetch(_node, _actor, *, resource, key_subject, fields, purpose, **_):
        known = {"name": "演示陈小雨", "number": make.NUMBER}
        values = {name: Personal(known[name]) for name in fields if name in known}
        return exchange.Fetched(values=values, source="公安部人口登记", at=WHEN, resource=resource, line_id="1")

    monkeypatch.setattr(exchange, "fetch", fetch)
    for one in (who, other):
        draft, item = await begun(node, one)
        await prefill.fill(node, one, draft, item)
    corrected = Corrected(
        subject=who.subject, attribute="name", version=2, effective=WHEN.date(), dispute="01900000-0000-7000-8000-000000000009", value="演示陈晓雨"
    )
    async with node.db.transaction() as tx:
        await subjects.put_visitor(tx, node, who.subject, home="510000", proof=2, name_masked="演****")
        for _ in range(2):
            await corrections.apply(tx, node, corrected)
        mine, others = await desk.used_before(tx, node, who.subject), await desk.used_before(tx, node, other.subject)
        told = [message.text.reveal() for thread in await notifications.messages(tx, node, who.subject) for message in thread.messages]
    assert [(one.kind, one.title) for one in mine] == [("draft", item.name)]
    assert mine[0].link.startswith("/apply/")
    assert others == []
    assert any("1 件事用过更正前的姓名" in text for text in told)


async def test_one_number_finds_everything_and_says_from_where_and_how_old(node, monkeypatch):
    """一证通办 (R-405): registers, wallet and account are asked by whose draft it is; the page names source and age of each."""
    who = make.citizen("n1" + "d" * 32)
    away: set[str] = {"mps.population"}
    known = {"name": "演示陈晓雨", "number": make.NUMBER, "address": "重庆市渝中区演示路 2 号"}

    async def fetch(_node, _actor, *, resource, key_subject, fields, **_):
        assert key_subject == who.subject
        if resource in away:
            return exchange.Unavailable(resource=resource, source="公安部人口登记", reason="away", sentence="", retryable=True)
        values = {name: Personal(known[name]) for name in fields if name in known}
        return exchange.Fetched(values=values, source="公安部人口登记", at=WHEN, resource=resource, line_id="1", as_of=datetime(2024, 3, 1, tzinfo=UTC))

    monkeypatch.setattr(exchange, "fetch", fetch)
    draft, item = await begun(node, who)
    await prefill.fill(node, who, draft, item)
    browser = make.Browser(node, who)
    page = await browser.get(f"/apply/{draft.id}/found")
    assert "公安部人口登记现在连不上" in page.text
    assert "还有" in page.text
    assert (await browser.get(f"/apply/{draft.id}/person")).status_code == 200, "one source away closed the form"
    away.clear()
    sent = await browser.post(f"/apply/{draft.id}/found", {}, page=f"/apply/{draft.id}/found")
    assert sent.status_code == 303
    page = await browser.get(f"/apply/{draft.id}/found")
    assert "连不上" not in page.text
    assert "公安部人口登记" in page.text
    assert "登记于 2024 年 3 月 1 日" in page.text
    assert make.NUMBER not in page.text
    assert (await again(node, draft)).file.answers["name"] == "演示陈晓雨"
    other = make.Browser(node, make.citizen("n1" + "e" * 32))
    assert (await other.get(f"/apply/{draft.id}/found")).status_code == 404


async def test_a_source_that_asks_for_consent_offers_it_where_it_is_needed(node, monkeypatch):
    """What is not given for want of a consent is not said to be away: the page of the consent is one tap off, for this item alone."""
    who = make.citizen("n1" + "9" * 32)
    population = msgspec.structs.replace(exchange.resource("mps.population"), consent=True, owner_name="公安部人口登记")

    async def definition(_tx, name):
        return population if name == population.id else None

    async def fetch(_node, _actor, *, resource, key_subject, fields, agreed, **_):
        async with node.db.reading() as tx:
            held = await consent.allows(tx, key_subject, agreed, node.id, at=node.clock.now(), fields=population.words(fields))
        if resource == population.id and held is None:
            return exchange.Unavailable(resource=resource, source="公安部人口登记", reason="no_consent", sentence="", retryable=False)
        values = {"name": Personal("演示陈晓雨")} if resource == population.id else {}
        return exchange.Fetched(values=values, source="公安部人口登记", at=WHEN, resource=resource, line_id="1")

    monkeypatch.setattr(exchange, "fetch", fetch)
    monkeypatch.setattr(exchange, "definition", definition)
    draft, item = await begun(node, who)
    await prefill.fill(node, who, draft, item)
    assert "name" not in (await again(node, draft)).file.sources, "a field to be checked later"
    browser, here = make.Browser(node, who), f"/apply/{draft.id}/found"
    assert "同意就替你取" in (await browser.get(f"/apply/{draft.id}/person")).text
    page = await browser.get(here)
    assert "连不上" not in page.text
    assert "公安部人口登记要你同意才给" in page.text
    assert (await browser.post(here, {"agree": "mps.vehicle"}, page=here)).status_code == 404, "something nobody asked for"
    sent = await browser.post(here, {"agree": population.id}, page=here)
    asked = sent.headers["location"].removeprefix("/consent/")
    async with node.db.transaction() as tx:
        assert await consent.answer(tx, node, who, asked, agrees=True, channel="h5") == here
        (given,) = await consent.consents(tx, who.subject)
    assert (given.giver, given.receiver, given.why) == ("mps", node.id, f"办理{item.name}")
    page = await browser.get(here)
    assert "同意才给" not in page.text
    assert (await again(node, draft)).file.answers["name"] == "演示陈晓雨"
    async with node.db.reading() as tx:
        for other in ("case.prefill", agree.purpose_of(make.REMOTE)):
            assert await consent.allows(tx, who.subject, other, node.id, at=node.clock.now()) is None, "a consent for this item held for another"
    agent = msgspec.structs.replace(who, subject="n1" + "8" * 32, for_subject=who.subject)
    assert "同意才给" not in (await make.Browser(node, agent).get(here)).text, "an agent was asked for the person's own consent"


async def test_a_window_needs_the_document_and_nothing_else(node, monkeypatch):
    """R-405 at a hall: number and name from the card, and the form the clerk sees is filled, each field with its source."""
    subject = make.citizen("n1" + "c" * 32).subject
    asked = []

    async def fetch(_node, actor, *, resource, key_subject, fields, **_):
        asked.append((actor.kind, key_subject))
        values = {name: Personal("演示陈晓雨") for name in fields if name == "name"}
        return exchange.Fetched(values=values, source="公安部人口登记", at=WHEN, resource=resource, line_id="1")

    monkeypatch.setattr(exchange, "fetch", fetch)
    clerk = make.clerk("window", staff_id="W-ONE")
    async with node.db.transaction() as tx:
        draft = await drafts.begin(tx, node, clerk, make.PERMIT, subject=subject)
        item = await catalogue.item(tx, make.PERMIT)
    await prefill.fill(node, clerk, draft, item)
    async with node.db.reading() as tx:
        found = (await mirrors.draft_by(tx, node, clerk.subject, draft.id)).file
    assert found.answers["name"] == "演示陈晓雨"
    assert set(asked) == {("staff", subject)}


async def test_licences_of_another_node_are_found_and_used(node, monkeypatch):
    """The person's home is elsewhere: its licences are found there, one fills a field, and a silent node is named."""
    who = make.citizen("n1" + "f" * 32)

    async def home_of(_tx, _subject):
        return "510000"

    async def find(_node, _actor, *, subject, home, types, purpose):
        assert (subject, home) == (who.subject, "510000")
        assert purpose.case.startswith("case:")
        assert "居住证" in types
        card = credentials.FoundLicence("1", "1.2.156", "居住证", "510000", "成都市公安局（演示）", "valid", None, WHEN)
        return credentials.LicencesFound((card,), ("公安部（演示）",))

    async def data(_node, _actor, licence, *, subject, purpose, fields):
        return credentials.LicenceData(
            licence.id, licence.type_name, licence.identifier, licence.issuer, licence.org_name, "valid", None,
            {name: Personal("510104000000000009") for name in fields}, WHEN, "l",
        )  # fmt: skip

    monkeypatch.setattr(identity, "home_of", home_of)
    monkeypatch.setattr(credentials, "find_licences", find)
    monkeypatch.setattr(credentials, "licence_data", data)
    draft, item = await begun(node, who)
    await prefill.fill(node, who, draft, item)
    found = (await again(node, draft)).file
    assert found.answers["permit_number"] == "510104000000000009"
    assert (found.sources["permit_number"].name, found.sources["permit_number"].as_of) == ("电子证照：居住证", int(WHEN.timestamp() * 1000))
    assert [one.org_name for one in found.cards] == ["成都市公安局（演示）"]
    assert "公安部（演示）" in found.silent
    assert found.not_granted == ()

    async def no_grant(*_args, **_more):
        return credentials.LicenceRefused("100", "no_grant")

    monkeypatch.setattr(credentials, "licence_data", no_grant)
    await prefill.fill(node, who, draft, item, again=True)
    draft = await again(node, draft)
    assert draft.file.not_granted == ("510000",), "the person is told why it has to be typed"
    assert told(draft, item, node.clock.today()).not_granted == ("510000",)
