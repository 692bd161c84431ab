"""Words on paper 纸上的码: nobody counts wrong ones, so who knows a person's number uses up nothing of the owner's (T-20)."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import timedelta

import msgspec
import pytest

from tongban.identity.actions import joining
from tongban.identity.rules import paper
from tongban.identity.rules.factors import FACTORS
from tongban.identity.tests.make import PC_AGENT, Browser, MakeNode, citizen, household, sign_in
from tongban.identity.tests.test_joining import NEW, joined
from tongban.kernel.node import Node

WRONG = 25
"""Far more than were ever counted."""


@pytest.fixture(scope="module")
async def home(make_node: MakeNode) -> AsyncIterator[Node]:
    async with household(make_node, "500000") as found:
        yield found["500000"]


async def at_desk(home: Node, path: str) -> Browser:
    desk = Browser(PC_AGENT)
    await desk.submit(home, await desk.get(home, f"/staff/login?next={path}"), "/staff/login", key="YZ-DT-01")
    return desk


def printed(body: str) -> str:
    """The digits a page prints in groups of four, as one types them."""
    found = re.search(r"\d{4}( \d{4})+", body[body.index("<main") :])
    assert found, body
    return found[0]


def another(word: str) -> str:
    """A word of the same length that is not this one."""
    return "".join(str((int(digit) + 1) % 10) for digit in word.replace(" ", ""))


def test_a_word_is_so_long_that_a_flood_of_tries_does_not_hit_it() -> None:
    """The longer it is good, the longer it is; whole groups of four, because people read and type those."""
    for life in (timedelta(minutes=1), timedelta(minutes=15), timedelta(minutes=30), timedelta(hours=2), timedelta(days=3), timedelta(days=30)):
        digits = paper.digits(life)
        assert digits % 4 == 0
        assert FACTORS.paper.tries_second * life.total_seconds() * FACTORS.paper.one_in <= 10**digits, f"guessed within {life}"
    assert paper.digits(timedelta(minutes=FACTORS.recovery.word_minutes)) == 12
    assert paper.digits(timedelta(days=FACTORS.joining.code_days)) == 16
    assert paper.grouped("123456789012") == "1234 5678 9012"


async def test_who_knows_the_number_cannot_use_up_the_binding_word(home: Node) -> None:
    """identity.md 8: the limit falls on the guesser; the owner does not go to the hall twice."""
    who, robot, owner = citizen("陈晓雨"), Browser(PC_AGENT), Browser()
    await sign_in(Browser(), home, who)
    desk = await at_desk(home, "/staff/recovery")
    page = await desk.submit(home, await desk.get(home, "/staff/recovery"), "/staff/recovery", name=who.name, number=who.number, how="face", demo="works")
    word = printed(page.body)
    form = await robot.get(home, "/recover/hall")
    said = set()
    for _ in range(WRONG):
        page = await robot.submit(home, form, "/recover/hall", number=who.number, word=another(word))
        assert page.status == 422
        said.add(re.search(r"绑定码不对[^<]*", page.body)[0])  # type: ignore[index]
    page = await robot.submit(home, form, "/recover/hall", number="11010519491231002X", word=another(word))
    said.add(re.search(r"绑定码不对[^<]*", page.body)[0])  # type: ignore[index]
    assert len(said) == 1, "whether somebody is being recovered shows (T-18)"
    page = await owner.submit(home, await owner.get(home, "/recover/hall"), "/recover/hall", number=who.number, word=f" {word} ")
    assert page.path == "/me/devices", "strangers used up the owner's word"
    again = Browser()
    page = await again.submit(home, await again.get(home, "/recover/hall"), "/recover/hall", number=who.number, word=word)
    assert page.status == 422, "once"


async def test_a_word_of_a_hall_is_over_after_its_minutes_and_of_no_use_with_another_number(home: Node) -> None:
    who, other, browser = citizen("罗桂兰"), citizen("周雨桐"), Browser()
    for one in (who, other):
        await sign_in(Browser(), home, one)
    desk = await at_desk(home, "/staff/recovery")
    page = await desk.submit(home, await desk.get(home, "/staff/recovery"), "/staff/recovery", name=who.name, number=who.number, how="face", demo="works")
    word, form = printed(page.body), await browser.get(home, "/recover/hall")
    for number, typed in ((other.number, word), (who.number, word[:-1]), (who.number, ""), (who.number, "绑定码")):
        assert (await browser.submit(home, form, "/recover/hall", number=number, word=typed)).status == 422, f"taken: {typed}"
    async with home.db.transaction() as tx:
        await tx.execute("UPDATE hall_recovery SET expires_at = now() - interval '1 second' WHERE used_at IS NULL")
    assert (await browser.submit(home, form, "/recover/hall", number=who.number, word=word)).status == 422, "after its time"


async def test_a_thief_signed_in_cannot_use_up_the_word_of_a_counter(home: Node) -> None:
    """现场核验码: it lifts a report of theft, so who has the stolen phone must not be able to waste it."""
    who, thief, owner = citizen("何志远"), Browser(), Browser(PC_AGENT)
    await sign_in(thief, home, who)
    await sign_in(owner, home, who)
    desk = await at_desk(home, "/staff/counter")
    page = await desk.submit(home, await desk.get(home, "/staff/counter"), "/staff/counter", name=who.name, number=who.number)
    word = printed(page.body)
    assert "12 位数字" in page.body
    form = await thief.get(home, "/step-up?level=4&next=/me/access")
    assert "窗口给的 12 位数字" in form.body
    for _ in range(WRONG):
        page = await thief.submit(home, form, "/step-up", way="counter", level="4", next="/me/access", word=another(word))
        assert page.status == 422
    page = await owner.get(home, "/step-up?level=4&next=/me/access")
    page = await owner.submit(home, page, "/step-up", way="counter", level="4", next="/me/access", word=word)
    assert (page.path, page.status) == ("/me/access", 200), "a thief used up the owner's word"
    page = await owner.get(home, "/step-up?level=4&next=/me/access")
    async with home.db.reading() as tx:
        assert await tx.fetchval("SELECT used_at IS NOT NULL FROM counter_check ORDER BY at DESC LIMIT 1"), "once"


async def test_who_knows_a_staff_number_cannot_use_up_an_invitation(home: Node) -> None:
    """A 工号 stands on every badge; a burnt invitation would need two administrators again."""
    who = msgspec.structs.replace(NEW, staff_no="YZ-ZM-77")
    async with home.db.transaction() as tx:
        code = await joined(tx, home, who)
        assert len(code) == 16
        for _ in range(WRONG):
            assert isinstance(await joining.join(tx, home, who.staff_no, another(code), "Chrome"), tuple)
        opened = await joining.join(tx, home, who.staff_no, code, "Chrome")
        assert not isinstance(opened, tuple), "strangers used up the invitation"
        assert isinstance(await joining.join(tx, home, who.staff_no, code, "Chrome"), tuple), "the code was good twice"
