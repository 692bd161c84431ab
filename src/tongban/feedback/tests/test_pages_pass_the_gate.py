"""Our own pages pass the access standard that we hold others to, in both modes."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from tongban import consent, notifications
from tongban.cases.tests.make import XIAOYU, citizen, ready
from tongban.consent import pages as consent_pages
from tongban.consent.tests.doors import browser
from tongban.consent.tests.make import access, wanted
from tongban.exchange import pages as exchange_pages
from tongban.exchange.tests.make import steward
from tongban.feedback import pages
from tongban.feedback.tests.make import delivered, desk, give
from tongban.notifications import pages as message_pages
from tongban.service_apps import pages as app_pages
from tongban.service_apps.model import ItemRef
from tongban.service_apps.rules import judge, read_page
from tongban.service_apps.rules.standard import Facts, Fetched
from tongban.service_apps.tests.make import officer
from tongban.service_apps.tests.make import wanted as app_draft
from tongban.ui.static import sources

SEEN = {"A1", "A2", "A3", "A4", "A5", "A6", "A7", "A8", "A9", "A10", "A11", "A12", "A13", "S1", "S2", "S3", "W1"}


@pytest.fixture(scope="module")
async def node(make_node):
    made = await ready(await make_node("500000"))
    case = await delivered(made)
    await give(made, case, 1, text="跑了三次")
    from tongban import service_apps

    async with made.db.transaction() as tx:
        await consent.give(tx, made, citizen(), wanted(made), channel="h5")
        await consent.record_access(tx, made, access(source="500000", receiver="500000"))
        await notifications.notify(
            tx, made, subject=XIAOYU, kind="a.b", title="办好了", text="去看看", link="/cases", about="case:x", group="居住证"
        )
        await service_apps.draft(tx, made, officer("a", division="500000"), app_draft(ItemRef("T", 1), division="500100"))
    return made


async def judged(seen, path, mode):
    answer = await seen.see(path, cookies={"tb_mode": mode} if mode else None)
    assert answer.status_code == 200, path
    fetched = Fetched(
        path=path, mode=mode, status=200, headers={name.lower(): value for name, value in answer.headers.items()},
        page=read_page(answer.text), bytes_sent=len(answer.content), stylesheet=sources()["tongban.css"].decode(),
    )  # fmt: skip
    found = judge(Facts(draft=app_draft(), items=(), pages=(fetched,)))
    return [f"{path} {mode}: {one.rule} {one.text}" for one in found if one.rule in SEEN and not one.passed]


@pytest.mark.filterwarnings("ignore:Setting per-request cookies")
@pytest.mark.parametrize("mode", ["", "elder"])
async def test_every_page(node, mode):
    routes = [
        *pages.routes, *consent_pages.routes, *message_pages.routes, *exchange_pages.routes, *app_pages.routes,
    ]  # fmt: skip
    async with node.db.transaction() as tx:
        ask = await consent.ask(tx, node, XIAOYU, wanted(node, purpose="other", until=node.clock.now() + timedelta(days=9)), back="/")
    fresh = await delivered(node)
    wrong = []
    async with browser(node, routes) as seen:
        seen.actor = citizen()
        for path in ("/messages", ask, "/me/consents", "/me/data-use", f"/review/{fresh.id}", "/reviews"):
            wrong += await judged(seen, path, mode)
        await seen.see("/me/consents")
        wrong += await judged(seen, re.search(r'href="(/me/consents/[0-9a-f-]{36})"', seen.text)[1], mode)
        seen.actor = officer("b", division="500000")
        for path in ("/staff/apps", "/staff/apps/new"):
            wrong += await judged(seen, path, mode)
        await seen.see("/staff/apps")
        wrong += await judged(seen, re.search(r'href="(/staff/apps/[0-9a-f-]{36})"', seen.text)[1], mode)
        seen.actor = steward("c")
        wrong += await judged(seen, "/staff/audit", mode) + await judged(seen, "/staff/sharing", mode)
        seen.actor = desk()
        wrong += await judged(seen, "/staff/reviews", mode)
        await seen.see("/staff/reviews")
        wrong += await judged(seen, re.search(r'href="(/staff/reviews/[0-9a-f-]{36})"', seen.text)[1], mode)
    assert wrong == []
