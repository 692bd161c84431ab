"""On the way to acting for a company nothing is lost 切换路上: the step-up comes back to what was pressed (ux.md 5)."""

from __future__ import annotations

import pytest

from tongban.identity.actions import organisations
from tongban.identity.tests.make import Browser, household, sign_in, step_up
from tongban.identity.tests.test_acting import BOSS, ORG, mandate_by_law


@pytest.fixture(scope="module")
async def nodes(make_node):
    async with household(make_node, "samr", "500000") as found:
        await organisations.find_representatives(found["samr"])
        yield found


async def test_a_step_up_on_the_way_comes_back_to_the_row_that_was_pressed(nodes):
    home, browser = nodes["500000"], Browser()
    await sign_in(browser, home, BOSS)
    page = await browser.get(home, "/me/switch")
    page = await browser.submit(home, page, "/me/switch/ask")
    wanted = await mandate_by_law(home, ORG)
    page = await browser.post(home, "/me/switch", {**page.fields("/me/switch/ask"), "mandate": wanted, "next": "/cases"})
    assert page.path == "/step-up"
    page = await step_up(browser, home, page)
    assert page.path == "/me/switch"
    assert "点这里接着看" in page.body, "nothing says that one more tap is needed"
    assert 'name="next" value="/cases"' in page.body, "where it goes on is lost"
