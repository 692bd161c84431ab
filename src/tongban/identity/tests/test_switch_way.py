"""On the way to acting for a company nothing is lost 切换路上: the step-up comes back to what was pressed (ux.md 5)."""

from __future__ import annotations

import msgspec
import pytest

from tongban import identity
from tongban.identity.actions import organisations
from tongban.identity.tests.make import Browser, household, sign_in, step_up
from tongban.identity.tests.test_acting import AGENT, BOSS, ORG, actor_of, mandate_by_law
from tongban.kernel.errors import Failure


@pytest.fixture(scope="module")
async def nodes(make_node):
    async with household(make_node, "samr", "500000", "510000") as found:
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


async def test_news_that_are_too_old_wait_and_nothing_is_lost(nodes):
    """The register away: a level-3 act for a company waits with a sentence; looking goes on (identity.md 6.4)."""
    there, agent = nodes["510000"], Browser()
    await sign_in(agent, there, AGENT)
    await agent.submit(there, await agent.get(there, "/me/switch"), "/me/switch/ask")
    who = await actor_of(there, agent)
    async with there.db.transaction() as tx:
        await tx.execute("UPDATE mandate SET news_at = now() - interval '1 hour' WHERE agent = $1 AND basis = 'legal_rep'", who.subject)
        row = await tx.fetchrow("SELECT id, grantor FROM mandate WHERE agent = $1 AND basis = 'legal_rep' AND state = 'active' LIMIT 1", who.subject)
    as_company = msgspec.structs.replace(who, for_subject=row["grantor"], mandate=row["id"], basis="legal_rep", acting_ended=False)
    async with there.db.transaction() as tx:
        await identity.require_act(tx, there, as_company, identity.Deed(act="draft", audience=frozenset({"organisation"}), level=3))
        with pytest.raises(Failure) as late:
            await identity.require_act(tx, there, as_company, identity.Deed(act="submit", audience=frozenset({"organisation"}), level=3))
    assert late.value.failure_code == "identity.mandate_news"
    await identity.freshen(there, as_company, level=3)
    async with there.db.transaction() as tx:
        await identity.require_act(tx, there, as_company, identity.Deed(act="submit", audience=frozenset({"organisation"}), level=3))
