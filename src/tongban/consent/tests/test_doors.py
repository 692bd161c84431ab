"""The pages: equal buttons, as many taps to withdraw as to give, nobody else's page."""

from __future__ import annotations

import re

import pytest

from tongban import consent
from tongban.consent.pages import routes
from tongban.consent.tests.doors import browser
from tongban.consent.tests.make import OTHER, XIAOYU, citizen, wanted


@pytest.fixture
async def asked(node):
    async with node.db.transaction() as tx:
        return await consent.ask(tx, node, XIAOYU, wanted(node), back="/apply/1/2")


async def test_equal_buttons_and_nothing_chosen(node, asked):
    async with browser(node, routes) as person:
        person.actor = citizen()
        answer = await person.see(asked)
        assert answer.status_code == 200
        buttons = re.findall(r'<button class="([^"]+)" type="submit" name="choice" value="(\w+)">([^<]+)<', person.text)
        assert [(look, value) for look, value, _ in buttons] == [("btn s eq", "no"), ("btn s eq", "yes")]
        assert "checked" not in person.text
        assert "不同意也照样能办" in person.text
        for part in ("公安部居住登记", "重庆市", "居住登记地址", "确认你有稳定的住处"):
            assert part in person.text


async def test_two_taps_to_give_and_two_to_withdraw(node, asked):
    async with browser(node, routes) as person:
        person.actor = citizen()
        taps = 0
        await person.see(asked)
        taps += 1
        answer = await person.send(asked, choice="yes")
        taps += 1
        assert (answer.status_code, answer.headers["location"]) == (303, "/apply/1/2")
        given = taps
        await person.see("/me/consents")
        link = re.search(r'href="(/me/consents/[0-9a-f-]{36})"', person.text)[1]
        taps = 0
        await person.see(link)
        taps += 1
        assert "收不回" in person.text
        answer = await person.send(link)
        taps += 1
        assert answer.headers["location"] == "/me/consents?done=1"
        assert taps == given == 2
    async with node.db.reading() as tx:
        assert await consent.allows(tx, XIAOYU, "case.prefill", node.id, at=node.clock.now()) is None


async def test_refusing_goes_on(node, asked):
    async with browser(node, routes) as person:
        person.actor = citizen()
        await person.see(asked)
        assert (await person.send(asked, choice="maybe")).headers["location"] == asked
        assert (await person.send(asked, choice="no")).headers["location"] == "/apply/1/2"
        # the back button shows no second question
        assert (await person.see(asked)).headers["location"] == "/apply/1/2"


async def test_not_signed_in_and_somebody_else(node, asked):
    async with browser(node, routes) as person:
        assert (await person.see(asked)).status_code == 303
        person.actor = citizen(OTHER)
        answer = await person.see(asked)
        assert answer.status_code == 404
        assert "不是给你的" in person.text


async def test_a_form_from_elsewhere_does_nothing(node, asked):
    async with browser(node, routes) as person:
        person.actor = citizen()
        await person.see(asked)
        answer = await person.client.post(asked, data={"choice": "yes"}, headers={"sec-fetch-site": "cross-site"})
        assert answer.status_code == 403
        # still waiting
        assert (await person.see(asked)).status_code == 200
