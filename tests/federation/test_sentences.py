"""Every sentence of identity.md 11 on a page of the product: the way that leads there, the status and the words (R-305, R-306).

Sentences whose way belongs to mandates, reasons, clients and loops are drawn here by the one error page, and the test that
walks the way is named beside each.
"""

from __future__ import annotations

import ast
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from litestar import get
from litestar.params import FromPath

from tongban.identity.actions import introduce, sessions
from tongban.identity.errors import SENTENCES, failure
from tongban.identity.queries.persons import number_index
from tongban.identity.queries.sessions import by_cookie
from tongban.identity.tests.make import PC_AGENT, Browser, MakeNode, Page, citizen, code_for, household, sign_in
from tongban.kernel.node import Node

ROOT = Path(__file__).resolve().parents[2]
HOST, COOKIE = "500000.localhost", "__Host-tb_s"
WORDS = {
    "n": 4, "t": "5 分钟", "item": "开公司", "hall": "大厅", "place": "重庆市", "name": "陈*雨", "time": "11月19日 10:00", "link": "/s/1",
}  # fmt: skip
WALKED_ELSEWHERE = {
    "identity.home_away": "tests/faults/test_away.py",
    "identity.mandate_scope": "src/tongban/identity/tests/test_acting.py",
    "identity.mandate_wait": "src/tongban/identity/tests/test_family.py",
    "identity.reason_needed": "src/tongban/identity/tests/test_staff.py",
    "identity.client_unknown": "src/tongban/identity/tests/test_provider_hostile.py",
    "identity.client_suspended": "src/tongban/identity/tests/test_provider_hostile.py",
    "identity.loop": "tests/federation/test_roaming_between_nodes.py",
}


@get("/told/{code:str}")
async def told(code: FromPath[str]) -> None:
    """Raises what a room would raise, so that the one error page draws it."""
    raise failure(f"identity.{code}", **WORDS)


@pytest.fixture(scope="module")
async def nodes(make_node: MakeNode) -> AsyncIterator[dict[str, Node]]:
    async with household(make_node, "500000", routes=(told,)) as found:
        yield found


def words_of(code: str) -> str:
    """The sentence as a pattern without commas (a page may set its halves apart): what is filled in may be anything."""
    return re.sub(r"\\\{\w+\\\}", ".+?", re.escape(re.sub(r"[\s，]", "", SENTENCES[code][1])))


async def begun(home: Node, phone: str) -> tuple[Browser, Page]:
    browser = Browser()
    return browser, await browser.submit(home, await browser.get(home, "/login?next=/me/access"), "/login", who=phone)


async def at_name(home: Node, phone: str, number: str, *, name: str, typed: str) -> Page:
    browser, page = await begun(home, phone)
    page = await browser.submit(home, page, "/login/code", code=await code_for(browser, home, phone), number=number)
    return await browser.submit(home, page, "/login/name", name=name, number=typed)


async def number_check(home: Node, _: dict[str, Node]) -> Page:
    return await at_name(home, "13700000011", citizen().number, name=citizen().name, typed="110105194912310021")


async def name_mismatch(home: Node, _: dict[str, Node]) -> Page:
    return await at_name(home, "13700000012", citizen().number, name="陈晓云", typed=citizen().number)


async def not_in_register(home: Node, _: dict[str, Node]) -> Page:
    return await at_name(home, "13700000013", citizen().number, name="某某某", typed="11010519491231002X")


async def register_away(home: Node, _: dict[str, Node]) -> Page:
    return await Browser().get(home, "/login/later?next=/me")  # the register itself is stopped in tests/faults/test_away.py


async def account_exists(home: Node, nodes: dict[str, Node]) -> Page:
    who = citizen("吴思涵")
    async with nodes["mps"].db.transaction() as tx:
        await tx.execute("UPDATE register_entry SET home = '510000' WHERE bi_number = $1", number_index(nodes["mps"], who.number))
    return await sign_in(Browser(), home, who)


async def code_wrong(home: Node, _: dict[str, Node]) -> Page:
    browser, page = await begun(home, "13700000014")
    right = await code_for(browser, home, "13700000014")
    return await browser.submit(home, page, "/login/code", code=f"{(int(right) + 1) % 10**6:06d}", number=citizen().number)


async def code_expired(home: Node, _: dict[str, Node]) -> Page:
    browser, page = await begun(home, "13700000015")
    async with home.db.transaction() as tx:
        await tx.execute("UPDATE login_tx SET code_until = now() - interval '1 second'")
    return await browser.submit(home, page, "/login/code", code="123456", number=citizen().number)


async def code_limit(home: Node, _: dict[str, Node]) -> Page:
    browser, page = await begun(home, "13700000016")
    async with home.db.transaction() as tx:
        await tx.execute("UPDATE throttle SET count = 1000000")
    page = await browser.submit(home, page, "/login/resend")
    async with home.db.transaction() as tx:
        await tx.execute("DELETE FROM throttle")
    return page


async def passkey_failed(home: Node, _: dict[str, Node]) -> Page:
    browser = Browser()
    return await browser.submit(home, await browser.get(home, "/login"), "/login/passkey", credential="{}")


async def _scan(home: Node) -> tuple[Browser, Browser, str, str]:
    phone, pc = Browser(), Browser(PC_AGENT)
    await sign_in(phone, home, citizen())
    page = await pc.get(home, "/scan?new=1")
    found = re.search(r'data-digits="(\d\d)"', page.body)
    assert found
    return phone, pc, "/scan/" + pc.jar[HOST]["__Host-tb_tx"].partition(".")[2], found[1]


async def scan_expired(home: Node, _: dict[str, Node]) -> Page:
    _, pc, _, _ = await _scan(home)
    async with home.db.transaction() as tx:
        await tx.execute("UPDATE scan_login SET expires_at = now() - interval '1 second'")
    return await pc.get(home, "/scan")


async def scan_wrong_pick(home: Node, _: dict[str, Node]) -> Page:
    phone, _, path, number = await _scan(home)
    return await phone.submit(home, await phone.get(home, path), path, pick="10" if number != "10" else "11")


async def level_needed(home: Node, _: dict[str, Node]) -> Page:
    browser = Browser()
    await sign_in(browser, home, citizen())
    return await browser.get(home, "/step-up?level=3&next=/apply/x/1")


async def level_unavailable(home: Node, _: dict[str, Node]) -> Page:
    browser = Browser()
    await sign_in(browser, home, citizen("罗桂兰"))
    return await browser.get(home, "/step-up?level=3&next=/me")


async def session_ended(home: Node, _: dict[str, Node]) -> Page:
    browser = Browser()
    await sign_in(browser, home, citizen())
    async with home.db.transaction() as tx:
        await tx.execute("UPDATE session SET idle_until = now() - interval '1 second' WHERE revoked_at IS NULL")
    home.bell.ring(sessions.BELL)
    return await browser.get(home, "/login?next=/me")


async def signed_out_elsewhere(home: Node, _: dict[str, Node]) -> Page:
    one, other = Browser(), Browser(PC_AGENT)
    await sign_in(one, home, citizen())
    await sign_in(other, home, citizen())
    await other.submit(home, await other.get(home, "/me/devices"), "/me/devices/leave-all")
    return await one.get(home, "/login?next=/me")


async def hub_away(home: Node, _: dict[str, Node]) -> Page:
    with pytest.MonkeyPatch.context() as patch:

        async def silent(node: Node) -> bool:
            return False

        patch.setattr(introduce, "hub_ready", silent)
        return await Browser().get(home, "/login/elsewhere")


async def away_level(home: Node, _: dict[str, Node]) -> Page:
    browser = Browser()
    await sign_in(browser, home, citizen())
    async with home.db.transaction() as tx:
        found = await by_cookie(tx, home, browser.jar[HOST][COOKIE], staff=False)
        assert found is not None
        await tx.execute("UPDATE session SET away = true, acr = 1, home = 'mps' WHERE id = $1", found.id)
    home.bell.ring(sessions.BELL)
    return await browser.get(home, "/levels")


WAYS: dict[str, Callable[[Node, dict[str, Node]], Awaitable[Page]]] = {
    f"identity.{one.__name__}": one
    for one in (
        number_check, name_mismatch, not_in_register, register_away, account_exists, code_wrong, code_expired, code_limit, passkey_failed,
        scan_expired, scan_wrong_pick, level_needed, level_unavailable, session_ended, signed_out_elsewhere, hub_away, away_level,
    )
}  # fmt: skip
TABLE = (
    "number_check", "name_mismatch", "register_away", "not_in_register", "code_wrong", "code_expired", "code_limit", "passkey_failed",
    "scan_expired", "scan_wrong_pick", "level_needed", "level_unavailable", "session_ended", "signed_out_elsewhere", "home_away",
    "hub_away", "away_level", "account_exists", "mandate_scope", "mandate_wait", "reason_needed", "client_unknown", "client_suspended",
    "loop",
)  # fmt: skip


def test_the_table_is_whole() -> None:
    wanted = {f"identity.{one}" for one in TABLE}
    assert len(wanted) == 24
    assert wanted <= set(SENTENCES)
    assert set(WAYS) | set(WALKED_ELSEWHERE) == wanted
    for path in WALKED_ELSEWHERE.values():
        assert any(isinstance(one, ast.AsyncFunctionDef | ast.FunctionDef) for one in ast.walk(ast.parse((ROOT / path).read_text("utf-8"))))


@pytest.mark.parametrize("code", sorted(WAYS))
async def test_the_way_there_shows_the_sentence(nodes: dict[str, Node], code: str) -> None:
    page = await WAYS[code](nodes["500000"], nodes)
    text = re.sub(r"[\s，]", "", re.sub(r"<[^>]+>", "", page.body))
    assert re.search(words_of(code), text), f"{code}: {page.status} {page.url}\n{text[:600]}"


@pytest.mark.parametrize("code", sorted(f"identity.{one}" for one in TABLE if SENTENCES[f"identity.{one}"][0] >= 400))
async def test_the_error_page_draws_the_sentence(nodes: dict[str, Node], code: str) -> None:
    """Status, sentence and what to do, on the page every failure has."""
    home = nodes["500000"]
    url = f"{home.settings.base_url}/told/{code.removeprefix('identity.')}"
    async with home.http.session.get(url, headers={"Accept": "text/html"}) as answer:
        body = await answer.text()
        assert answer.status == SENTENCES[code][0]
    assert SENTENCES[code][1].format(**WORDS) in body
