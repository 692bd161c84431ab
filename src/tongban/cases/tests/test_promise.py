"""What is promised: every page says the same words about the same day, and that day is the clock's (cases.md 3)."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from tongban import notifications
from tongban.cases.queries import records
from tongban.cases.rules import clocks as ticking
from tongban.cases.rules import promise, wording
from tongban.cases.tests import make
from tongban.cases.tests.make import Browser, brought, citizen, clerk, held, sent
from tongban.kernel.clock import SetClock

DAY = r"\d{1,2} 月 \d{1,2} 日（周.）"


@pytest.fixture
async def node(make_node):
    return await make.ready(await make_node("500000", clock=SetClock(make.WEDNESDAY)))


def person(letter: str, acr: int = 3):
    return citizen("n1" + letter * 32, acr)


async def correction_clock(node, case):
    async with node.db.reading() as tx:
        return ticking.of_kind(await records.clocks(tx, case.subject, case.id), "correction")


async def test_check_page_receipt_and_case_page_promise_the_same_days(node):
    who = person("1")
    draft_id = await make.filled(node, who)
    browser = Browser(node, who)
    check = (await browser.get(f"/apply/{draft_id}/check")).text
    mine = await sent(node, who)
    submitted = (await browser.get(f"/apply/{mine.id}/submitted")).text
    case = (await browser.get(f"/cases/{mine.id}")).text
    days = re.findall(DAY, re.search(rf"最晚 {DAY}答复收不收.*?。", check)[0])
    assert len(set(days)) >= 1
    assert set(days) <= set(re.findall(DAY, submitted))
    assert set(re.findall(rf"最晚 ({DAY})", case)) == set(days)


@pytest.mark.parametrize(("acr", "asked"), [(1, True), (2, False), (3, False)])
async def test_the_check_page_asks_only_for_the_level_that_is_missing(node, acr, asked):
    who = person("2", acr)
    draft_id = await make.filled(node, who)
    page = (await Browser(node, who).get(f"/apply/{draft_id}/check")).text
    assert ("先核验本人" in page) == asked


async def test_a_correction_has_one_last_day_and_it_is_the_clocks(node):
    case = await brought(node, "to_correct", actor=person("3"))
    browser = Browser(node, person("3"))
    presumed = (await correction_clock(node, case)).due_on
    listed = (await browser.get("/cases")).text
    assert re.findall(DAY, listed) == []  # nobody has opened it: the rule, not a day that would move
    async with node.db.reading() as tx:
        told = [one.text for thread in await notifications.messages(tx, node, case.subject) for one in thread.messages]
    assert any("打开通知的那天算收到" in text.reveal() and not re.search(DAY, text.reveal()) for text in told)
    desk = Browser(node, clerk("acceptor"))
    assert f"通知还没打开，最晚 {wording.day(presumed)}补上" in (await desk.get(f"/desk/{case.id}")).text

    page = (await browser.get(f"/cases/{case.id}")).text  # opening it starts the clock
    last = (await correction_clock(node, await held(node, case.id))).due_on
    assert last < presumed
    sentence = f"30 个工作日内补上，最晚 {wording.day(last)}"
    assert wording.day(presumed) not in page
    assert page.count(wording.day(last)) == 2  # in the panel, and in the line that says since when
    for text in (page, (await browser.get(f"/cases/{case.id}/correct")).text, (await desk.get(f"/desk/{case.id}")).text):
        assert sentence in text
    assert wording.day(last) in (await browser.get("/cases")).text


def test_the_rule_is_applied_here_until_the_owner_has_heard_of_the_opening():
    from tongban.cases.model import Correction

    calendar = make.calendar()
    asked_on = make.WEDNESDAY.date()
    latest = calendar.after(asked_on + timedelta(days=3), 30).day
    asked = Correction(asking=1, asked_on=asked_on, last_day=latest, defects=())
    assert promise.last_day(asked, None, 30, calendar).day == latest
    assert promise.last_day(asked, asked_on, 30, calendar).day == calendar.after(asked_on, 30).day
    assert promise.last_day(asked, asked_on + timedelta(days=9), 30, calendar).day == latest  # it counted as delivered before
