"""R-303, R-701: what a visitor has at home is seen on the pages of a visited node, and by nobody she does not visit.

Real nodes, the real roaming, the real pages of cases, credentials, exchange and space.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from urllib.parse import urlencode

import httpx
import pytest

from tongban import cases, credentials, exchange, federation, identity, seals
from tongban.cases import letters as case_letters
from tongban.cases import pages as case_pages
from tongban.cases.tests import make as case_make
from tongban.credentials import letters as card_letters
from tongban.credentials import pages as card_pages
from tongban.credentials.tests import make as card_make
from tongban.exchange import letters as exchange_letters
from tongban.exchange import pages as exchange_pages
from tongban.identity.tests.make import Browser, MakeNode, app_of, citizen, household, sign_in
from tongban.kernel.db import Tx
from tongban.kernel.gm import Personal
from tongban.kernel.ids import CreditCode
from tongban.kernel.node import Node
from tongban.space import pages as space_pages

HOME, AWAY, THIRD = "500000", "510000", "510100"
ROUTES = (*case_pages.routes, *card_pages.routes, *exchange_pages.routes, *space_pages.routes)
CALLS = {**case_letters.CALLS, **card_letters.CALLS, **exchange_letters.CALLS}


@pytest.fixture(scope="module")
async def nodes(make_node: MakeNode) -> AsyncIterator[dict[str, Node]]:
    async with household(make_node, HOME, AWAY, THIRD, routes=ROUTES, calls=CALLS) as found:
        for one in (HOME, AWAY):
            await seals.set_up(found[one])
            await credentials.set_up(found[one])
        await case_make.ready(found[HOME], case_make.PERMIT)
        yield found


async def arrived(nodes: dict[str, Node], browser: Browser, name: str) -> None:
    """Sign in at home and follow a link to the other node."""
    await sign_in(browser, nodes[HOME], citizen(name))
    page = await browser.get(nodes[AWAY], f"/login?{urlencode({'next': f'/me?from={HOME}'})}")
    assert page.path == "/me", page.body


async def roamed(nodes: dict[str, Node], name: str = "陈晓雨") -> tuple[Browser, str]:
    """Somebody with one case and one card at home who has followed a link to the other node."""
    browser = Browser()
    await arrived(nodes, browser, name)
    here = await identity.resolve(nodes[HOME], browser.jar[nodes[HOME].settings.host])
    async with nodes[HOME].db.reading() as tx:
        held = await cases.mine(tx, nodes[HOME], here.subject)
    if not held:
        await case_make.sent(nodes[HOME], case_make.citizen(here.subject))
        async with nodes[HOME].db.transaction() as tx:
            await given_a_card(tx, nodes[HOME], here.subject)
    return browser, here.subject


async def given_a_card(tx: Tx, node: Node, subject: str) -> None:
    """An invented residence permit in the wallet here."""
    kind = credentials.type_named(node, "居住证")
    assert kind is not None
    issuer = credentials.Issuer(CreditCode.make("11", "500103", "MB0000001").value, "渝中区分局（演示）")
    holder = credentials.Holder(subject, node.id, Personal(card_make.PERSON["name"]), Personal(card_make.PERSON["number"]))
    await credentials.issue(tx, node, card_make.staff(), type_code=kind.code, holder=holder, issuer=issuer, data=card_make.PERSON)


async def ask(nodes: dict[str, Node], caller: str, service: str, subject: str) -> str:
    """How the home answers that node: the problem, or 'told'."""
    try:
        await federation.call(nodes[caller], HOME, service, {"v": 1, "subject": subject})
    except federation.CallRefused as no:
        return f"{no.status_code} {no.problem}"
    return "told"


async def test_a_visitor_sees_her_cases_and_cards_under_the_name_of_home(nodes: dict[str, Node]) -> None:
    browser, _ = await roamed(nodes)
    back = nodes[HOME].settings.base_url
    page = await browser.get(nodes[AWAY], "/cases")
    assert (page.status, page.url) == (200, f"{nodes[AWAY].settings.base_url}/cases"), "drawn here, nobody is sent away"
    assert "在重庆" in page.body
    assert "居住证签注" in page.body
    links = [one for one in page.links() if one.startswith(f"{back}/cases/")]
    assert len(links) == 1
    assert links[0].endswith(f"?from={AWAY}")
    case = await browser.get(nodes[HOME], links[0])
    assert (case.status, len(case.trail)) == (200, 1), "going back is silent"
    page = await browser.get(nodes[AWAY], "/wallet")
    assert page.url == f"{nodes[AWAY].settings.base_url}/wallet"
    assert "居住证" in page.body
    assert "陈*示" in page.body
    assert "陈演示" not in page.body, "the holder is masked"
    card = await browser.get(nodes[HOME], next(one for one in page.links() if one.startswith(f"{back}/wallet/")))
    assert card.status == 200
    assert "5001**********004X" in card.body
    for shown in (card_make.PERSON["number"], "picture.svg"):
        assert shown not in card.body, "the number is masked until asked, so the picture waits too"
    assert "picture.svg" in (await browser.get(nodes[HOME], f"{card.path}?all=1")).body


async def test_ones_own_page_counts_the_same_at_both(nodes: dict[str, Node]) -> None:
    browser, _ = await roamed(nodes)

    async def counted(node: Node) -> list[str]:
        body = (await browser.get(node, "/me")).body
        return re.findall(r"(\d+ [件张])</span>", body)

    assert await counted(nodes[HOME]) == await counted(nodes[AWAY]) == ["1 件", "1 张"]
    assert "1 件在重庆" in (await browser.get(nodes[AWAY], "/me")).body


async def test_what_was_told_is_in_the_ledger_of_both_ends_and_they_agree(nodes: dict[str, Node]) -> None:
    browser, subject = await roamed(nodes)
    before = {use.line.id for use in (await exchange.data_use(nodes[HOME], subject)).uses}
    await browser.get(nodes[AWAY], "/wallet")
    new = [use for use in (await exchange.data_use(nodes[HOME], subject)).uses if use.line.id not in before]
    assert [(use.line.source, use.line.receiver, use.line.fields, use.agrees) for use in new] == [(HOME, AWAY, ("证照清单",), True)]


async def test_a_node_she_never_visited_is_refused(nodes: dict[str, Node]) -> None:
    _, subject = await roamed(nodes)
    for service in ("cases.mine", "credentials.mine"):
        assert await ask(nodes, AWAY, service, subject) == "told"
        assert await ask(nodes, THIRD, service, subject) == "403 no_grant"
        assert await ask(nodes, AWAY, service, "n1" + "f" * 32) == "403 no_grant"


async def test_a_session_of_another_home_is_no_permission(nodes: dict[str, Node]) -> None:
    """Only where she signed in is home: the visited node tells nobody what it keeps about her."""
    _, subject = await roamed(nodes)
    with pytest.raises(federation.CallRefused, match="call_refused:no_grant"):
        await federation.call(nodes[HOME], AWAY, "cases.mine", {"v": 1, "subject": subject})


async def test_after_sign_out_nothing_is_told(nodes: dict[str, Node]) -> None:
    browser, subject = await roamed(nodes, "刘建国")
    assert await ask(nodes, AWAY, "cases.mine", subject) == "told"
    page = await browser.get(nodes[HOME], "/me")
    await browser.submit(nodes[HOME], page, "/logout")
    for service in ("cases.mine", "credentials.mine"):
        assert await ask(nodes, AWAY, service, subject) == "403 no_grant"


async def test_a_level_that_is_not_enough_at_home_is_not_enough_here(nodes: dict[str, Node]) -> None:
    browser, subject = await roamed(nodes, "周雨桐")
    async with nodes[HOME].db.transaction() as tx:
        await tx.execute("UPDATE session SET acr = 1 WHERE subject = $1", subject)
    assert await ask(nodes, AWAY, "credentials.mine", subject) == "403 no_grant"
    assert await ask(nodes, AWAY, "cases.mine", subject) == "told"
    page = await browser.get(nodes[AWAY], "/wallet")
    assert "重庆的证照，要到重庆的页面上看" in page.body


async def test_a_malformed_question_is_said_to_be_one(nodes: dict[str, Node]) -> None:
    for body in ({"v": 1}, {"v": 2, "subject": "n1"}, {"v": 1, "subject": ["n1"]}, {"v": 1, "subject": "n" * 300}):
        with pytest.raises(federation.CallRefused, match="malformed"):
            await federation.call(nodes[AWAY], HOME, "cases.mine", body)


async def test_home_away_leaves_the_rest_and_says_so(make_node: MakeNode) -> None:
    async with household(make_node, HOME, AWAY, routes=ROUTES, calls=CALLS) as own:
        browser = Browser()
        await arrived(own, browser, "何志远")
        jar = browser.jar[own[AWAY].settings.host]
    # every server is closed now; the pages of the visited node are asked directly
    headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in jar.items()), "Accept": "text/html"}
    transport = httpx.ASGITransport(app_of(own[AWAY], ROUTES))
    async with httpx.AsyncClient(transport=transport, base_url=own[AWAY].settings.base_url, headers=headers) as client:
        for path in ("/cases", "/wallet", "/me"):
            page = await client.get(path)
            assert page.status_code == 200, path
            assert "重庆暂时连不上，那里的办件和证照稍后再看" in page.text, path
    assert 'href="/messages"' in page.text
    assert "0 件" in page.text
