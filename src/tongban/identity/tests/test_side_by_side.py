"""Two changes of one number at a time 两个人都在换号 (identity.md 8): whoever knows name and number displaces nobody's (T-20)."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest

from tongban.identity import tasks
from tongban.identity.actions import phone_waiting
from tongban.identity.providers.sms import demo_messages
from tongban.identity.queries.persons import person_by_number, phone_of
from tongban.identity.rules import throttle as limits
from tongban.identity.tests.make import PC_AGENT, Browser, MakeNode, Page, citizen, code_for, household, sign_in
from tongban.kernel.node import Node

NOBODY = SimpleNamespace(name="某某某", number="11010519491231002X")


@pytest.fixture(scope="module")
async def house(make_node: MakeNode) -> AsyncIterator[Node]:
    async with household(make_node, "500000") as found:
        yield found["500000"]


@pytest.fixture
async def home(house: Node) -> Node:
    async with house.db.transaction() as tx:
        await tx.execute("DELETE FROM phone_change")
        await tx.execute("DELETE FROM throttle")
    return house


async def waits(home: Node, who: Any, phone: str) -> Page:
    """Somebody who knows name and number begins the 72 hours with a phone of their own."""
    browser = Browser(PC_AGENT)
    page = await browser.submit(home, await browser.get(home, "/recover/wait"), "/recover/wait", name=who.name, number=who.number, phone=phone)
    assert page.path == "/recover/confirm", page.body
    page = await browser.submit(home, page, "/recover/confirm", act="new", code=await code_for(browser, home, phone))
    return await browser.post(home, "/recover/confirm", {**page.fields("/recover/confirm"), "act": "wait"})


async def texts(home: Node, phone: str) -> list[str]:
    async with home.db.reading() as tx:
        return [text for _, text in await demo_messages(tx, home, phone, 20)]


async def due(home: Node, who: Any) -> list[Any]:
    async with home.db.reading() as tx:
        return await phone_waiting.waiting(tx, home, await subject_of(tx, home, who))


async def subject_of(tx: Any, home: Node, who: Any) -> str:
    found = await person_by_number(tx, home, who.number)
    assert found is not None
    return found.subject


async def later(home: Node) -> None:
    """73 hours pass."""
    async with home.db.transaction() as tx:
        await tx.execute("UPDATE phone_change SET due_at = due_at - interval '73 hours' WHERE state = 'waiting'")
    await tasks.recovery_due(home)


async def number_now(home: Node, who: Any) -> str | None:
    async with home.db.reading() as tx:
        return await phone_of(tx, home, await subject_of(tx, home, who))


def said(page: Page) -> str:
    """What a page says, without the moments in it."""
    return re.sub(r"\d+月\d+日 \d\d:\d\d", "…", re.sub(r'name="tb_token" value="[^"]+"', "", page.body))


async def test_a_strangers_change_neither_stops_nor_delays_the_owners(home: Node) -> None:
    """The owner began first; whatever strangers begin after, the owner's number is taken at its hour."""
    who, own = citizen("罗桂兰"), "13900007701"
    await sign_in(Browser(), home, who)
    await waits(home, who, own)
    first = (await due(home, who))[0]
    for stranger in ("13900007702", "13900007703"):
        await waits(home, who, stranger)
    after = await due(home, who)
    assert [one.phone for one in after] == [own, "13900007702", "13900007703"], "a stranger displaced the owner's change"
    assert after[0].due_at == first.due_at, "a stranger began the owner's hours again"
    assert sum("又有一个号码" in text for text in await texts(home, own)) == 1, "the first is told once that a second one waits"
    await later(home)
    assert await number_now(home, who) == own
    assert not await due(home, who), "begun against the number before, still waiting"
    for stranger in ("13900007702", "13900007703"):
        assert any("没有换成" in text for text in await texts(home, stranger)), "not told what became of it"


async def test_the_second_is_told_and_a_hall_ends_both(home: Node) -> None:
    """A stranger was first: the owner reads so at once, and the hall is the way that waits for nobody."""
    who = citizen("陈晓雨")
    await sign_in(Browser(), home, who)
    assert "填得更早" not in (await waits(home, who, "13900007711")).body
    page = await waits(home, who, "13900007712")
    assert "还有一个号码填得更早" in page.body, "the second is not told"
    assert "带身份证到大厅" in page.body
    desk = Browser(PC_AGENT)
    page = await desk.submit(home, await desk.get(home, "/staff/login?next=/staff/recovery"), "/staff/login", key="YZ-DT-01")
    await desk.submit(home, page, "/staff/recovery", name=who.name, number=who.number, how="face", demo="works")
    assert not await due(home, who)
    for phone in ("13900007711", "13900007712"):
        assert any("没有换成" in text for text in await texts(home, phone))


async def test_the_answer_to_a_second_one_does_not_tell_who_has_an_account(home: Node) -> None:
    """T-18: the same words for a person nobody here knows, to the browser and to both phones, at the beginning and at the end."""
    who = citizen("郑浩然")
    await sign_in(Browser(), home, who)
    known = [await waits(home, who, phone) for phone in ("13900007721", "13900007722")]
    nobody = [await waits(home, NOBODY, phone) for phone in ("13900007731", "13900007732")]
    assert [said(page) for page in known] == [said(page) for page in nobody], "who has an account shows"
    heard = [[len([t for t in await texts(home, phone) if "又有一个号码" in t]) for phone in pair] for pair in (
        ("13900007721", "13900007722"), ("13900007731", "13900007732"),
    )]  # fmt: skip
    assert heard[0] == heard[1] == [1, 0], "who has an account shows in the messages"
    await later(home)
    assert any("没有换成" in text for text in await texts(home, "13900007731")), "waited 72 hours and heard nothing"


async def test_the_owner_stops_a_strangers_and_keeps_the_own(home: Node) -> None:
    """停止 is for one: each is shown with its number, masked; a word of a notice stops the one it is about."""
    who, own = citizen("周雨桐"), Browser()
    await sign_in(own, home, who)
    await waits(home, who, "13900007741")
    await waits(home, who, "13900007742")
    await waits(home, who, "13900007743")
    rows = await due(home, who)
    page = await own.get(home, "/me/phone")
    for one in rows:
        assert f"139 **** {one.phone[-4:]}" in page.body
        assert one.phone not in page.body
    await own.post(home, "/me/phone/stop", {**page.fields("/me/phone/stop"), "id": rows[1].id})
    assert [one.phone for one in await due(home, who)] == ["13900007741", "13900007743"], "stopping one stopped another"
    words = [found[0] for text in await texts(home, who.phone) if (found := re.search(r"/recover/stop/[\w-]+", text))]
    anybody = Browser(PC_AGENT)
    await anybody.submit(home, await anybody.get(home, words[0]), words[0])
    assert [one.phone for one in await due(home, who)] == ["13900007741"]
    other = Browser()
    await sign_in(other, home, citizen("刘建国"))
    token = (await other.get(home, "/me/phone")).fields("/me/phone")
    await other.post(home, "/me/phone/stop", {**token, "id": rows[0].id})
    assert [one.phone for one in await due(home, who)] == ["13900007741"], "stopped by somebody else"


async def test_the_same_number_again_waits_on_as_before(home: Node) -> None:
    """Who typed it twice loses nothing, and the old channels are not told twice."""
    who = citizen("邓春梅")
    await sign_in(Browser(), home, who)
    await waits(home, who, "13900007751")
    before, told = await due(home, who), len(await texts(home, who.phone))
    page = await waits(home, who, "13900007751")
    assert phone_waiting.words(before[0].due_at) in page.body
    assert [(one.id, one.due_at) for one in await due(home, who)] == [(one.id, one.due_at) for one in before]
    assert len(await texts(home, who.phone)) == told


async def test_two_proofs_end_whatever_strangers_began(home: Node) -> None:
    """The owner proves it is her: a stranger's 72 hours do not run on behind the new number, which no notice went to."""
    who, own = citizen("何志远"), Browser()
    await sign_in(own, home, who)
    await waits(home, who, "13900007761")
    page = await own.submit(home, await own.get(home, "/me/phone"), "/me/phone", phone="13900007762")
    page = await own.submit(home, page, "/recover/confirm", act="new", code=await code_for(own, home, "13900007762"))
    token = page.fields("/recover/confirm")
    await own.post(home, "/recover/confirm", {**token, "act": "ask_old"})
    await own.post(home, "/recover/confirm", {**token, "act": "old", "code": await code_for(own, home, who.phone)})
    await own.post(home, "/recover/confirm", {**token, "act": "face", "agree": "yes", "demo": "works"})
    page = await own.post(home, "/recover/confirm", {**token, "act": "now"})
    assert "手机号换好了" in page.body
    await later(home)
    assert await number_now(home, who) == "13900007762", "a stranger's change ran on behind the proved one"


async def test_two_that_fall_due_together_are_taken_in_their_order(home: Node) -> None:
    """The clock slept: both are due, also when the later one is looked at first; the earlier one is taken."""
    who = citizen("吴思涵")
    await sign_in(Browser(), home, who)
    await waits(home, who, "13900007771")
    await waits(home, who, "13900007772")
    first, second = await due(home, who)
    async with home.db.transaction() as tx:
        await phone_waiting._finish(tx, home, {"subject": second.subject, "id": second.id})
    assert [one.id for one in await due(home, who)] == [first.id, second.id], "the later one was taken before the earlier"
    await later(home)
    assert await number_now(home, who) == "13900007771"


async def test_one_phone_waits_only_so_often_in_a_week(home: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """Notices to the owner cost the stranger phones of his own; the count is of the phone that answered, so nobody empties another's."""
    monkeypatch.setattr(limits, "DEMO_FACTOR", 1)
    people = [citizen(name) for name in ("罗桂兰", "陈晓雨", "郑浩然", "周雨桐")]
    pages = []
    for who in people:
        pages.append(await waits(home, who, "13900007781"))
        async with home.db.transaction() as tx:
            await tx.execute("DELETE FROM throttle WHERE seconds <> $1", limits.WEEK)
    assert ["记下了" in page.body for page in pages] == [True, True, True, False]
    assert pages[-1].status == 429
    assert int(pages[-1].headers["retry-after"]) > 0


async def test_nobody_sends_codes_without_end_to_a_phone_that_is_not_theirs(home: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who knows only a phone number: from many addresses, in many changes, it gets so many codes an hour and no more."""
    monkeypatch.setattr(limits, "DEMO_FACTOR", 1)
    phone, browser, refused = "13900007791", Browser(PC_AGENT), 0
    for _ in range(10):
        async with home.db.transaction() as tx:
            await tx.execute("UPDATE throttle SET count = 0 WHERE count > 0 AND seconds = $1", limits.DAY)  # other addresses
        page = await browser.get(home, "/recover/wait")
        page = await browser.submit(home, page, "/recover/wait", name=NOBODY.name, number=NOBODY.number, phone=phone)
        refused += page.status == 429
        if page.path == "/recover/confirm":
            await browser.post(home, "/recover/confirm", {**page.fields("/recover/confirm"), "act": "ask_new"})
    assert refused > 0
    assert len([text for text in await texts(home, phone) if "验证码" in text]) == limits.codes(known_device=False, demo=False)[0][1]


async def test_a_shared_gateway_is_not_emptied_by_one_of_its_people() -> None:
    """identity.md 8: shared mobile gateways raise theirs by data, for what is begun without signing in too."""
    assert limits.a_day(5, "203.0.113.9", demo=False) == ((86400, 5),)
    assert limits.a_day(5, "100.64.0.1", demo=False) == ((86400, 100),)
    assert limits.widened(limits.LOOKUPS_BLOCK, "203.0.113.9") == limits.LOOKUPS_BLOCK
    assert limits.widened(limits.LOOKUPS_BLOCK, "100.64.0.1") == ((3600, 2400),)
