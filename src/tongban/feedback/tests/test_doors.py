"""The person's page, the desk's page, and the letter between two nodes."""

from __future__ import annotations

import re

import pytest

from tongban.cases.tests.make import OTHER, citizen, ready
from tongban.consent.tests.doors import browser
from tongban.federation.tests.make import deliver, nation
from tongban.feedback import letters
from tongban.feedback.pages import routes
from tongban.feedback.tests.make import XIAOYU, delivered, desk, give


@pytest.fixture
async def node(make_node, set_clock):
    return await ready(await make_node("500000", clock=set_clock))


async def test_nothing_is_chosen_and_one_tap_is_enough(node):
    case = await delivered(node)
    path = f"/review/{case.id}"
    async with browser(node, routes) as person:
        assert (await person.see(path)).status_code == 303
        person.actor = citizen(OTHER)
        assert (await person.see(path)).status_code == 404
        person.actor = citizen()
        await person.see(path)
        assert len(re.findall(r'type="radio" name="grade"', person.text)) == 5
        assert "checked" not in person.text
        token = re.search(r'name="token" value="([^"]+)"', person.text)[1]
        empty = await person.send(path, token=token, text="留着的字", call_me="yes")
        assert empty.status_code == 422
        assert "还没选总的感觉" in person.text
        assert "留着的字" in person.text
        assert (await person.send(path, token=token, grade="1", text="跑了三次")).status_code == 303
        await person.see(path)
        assert "你评过了" in person.text
        assert "非常不满意" in person.text
        assert "15 个工作日内改好" in person.text
        # the back button and a second tap change nothing
        assert (await person.send(path, token=token, grade="5")).status_code == 303
        await person.see(path)
        assert "非常不满意" in person.text


async def test_the_desk_checks_fixes_and_answers_without_knowing_whom(node):
    case = await delivered(node)
    await give(node, case, 1, text="跑了三次")
    async with browser(node, routes) as clerk:
        assert (await clerk.see("/staff/reviews")).status_code in {303, 401}
        clerk.actor = desk("x", "cases.see")
        assert (await clerk.see("/staff/reviews")).status_code == 403
        clerk.actor = desk(division="510100")
        await clerk.see("/staff/reviews")
        assert "跑了三次" not in clerk.text
        clerk.actor = desk()
        await clerk.see("/staff/reviews")
        path = re.search(r'href="(/staff/reviews/[0-9a-f-]{36})"', clerk.text)[1]
        for act, text in (("check", "没有一次说清"), ("fix", "改成一次列全了"), ("reply", "是我们的错，已经改好了")):
            await clerk.see(path)
            shown = clerk.text
            assert "跑了三次" in shown
            for secret in (XIAOYU, case.id, case.number, "演示陈晓雨"):
                assert secret not in shown
            short = await clerk.send(path, act=act, text="短")
            assert short.status_code == 422
            assert (await clerk.send(path, act=act, text=text)).status_code == 303
        await clerk.see("/staff/reviews?state=answered")
        assert "已回复" in clerk.text
        await clerk.see("/reviews")
        assert "不到 10 条" in clerk.text
        clerk.actor = citizen()
        await clerk.see(f"/review/{case.id}")
        assert "是我们的错，已经改好了" in clerk.text


async def test_the_letter_names_nobody(make_node):
    heard = []

    async def note(tx, node, letter):
        heard.append(letter)

    catch = {**letters.LETTERS, ("case.reviewed", 1): note}
    async with nation(make_node, "500000", "510000", letters_too=catch) as nodes:
        home = await ready(nodes["500000"])
        case = await delivered(home)
        async with home.db.transaction() as tx:
            await tx.execute("UPDATE case_mirror SET owner_node = '510000' WHERE id = $1", case.id)
        await give(home, case, 1, text="跑了三次", call_me=True)
        await deliver(nodes)
        async with nodes["cn"].db.reading() as tx:
            relayed = await tx.fetch("SELECT * FROM relay")
        assert "跑了三次" not in str([dict(row) for row in relayed])
    assert len(heard) == 1
    assert XIAOYU not in str(heard[0].body)
    assert set(heard[0].body) == {"v", "review", "case", "service_no", "level", "indicators", "text", "call_me", "day"}
    assert case.id not in heard[0].about
