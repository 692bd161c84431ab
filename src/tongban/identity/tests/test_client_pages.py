"""The staff pages of clients: registered by one, approved by another, stopped by one (R-602, identity.md 9)."""

from __future__ import annotations

import html
import re
from collections.abc import AsyncIterator

import msgspec
import pytest

from tongban.identity import tokens
from tongban.identity.tests.make import Browser, MakeNode, Page, household
from tongban.kernel.node import Node

FORM = {
    "name": "演示招聘网", "kind": "outside", "profile": "plain", "org": "91500000MA5DEMX00X", "division": "500000", "sector": "job.localhost",
    "redirect_uris": "http://job.localhost:9/cb", "scopes": "profile", "purpose": "登录演示招聘网", "keeps": "退出就删", "consent_days": "180", "id_alg": "ES256",
}  # fmt: skip


@pytest.fixture(scope="module")
async def node(make_node: MakeNode) -> AsyncIterator[Node]:
    async with household(make_node, "500000") as found:
        yield found["500000"]


async def clerk(node: Node, staff_no: str) -> Browser:
    browser = Browser()
    page = await browser.get(node, "/staff/login?next=/staff/clients")
    await browser.submit(node, page, "/staff/login", key=staff_no)
    return browser


def token(page: Page) -> dict[str, str]:
    found = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page.body)
    return {name: html.unescape(value) for name, value in found}


async def test_a_client_is_registered_by_two_and_stopped_by_one(node: Node) -> None:
    registrar, reviewer = await clerk(node, "CQ-YY-01"), await clerk(node, "CQ-YY-02")
    page = await registrar.get(node, "/staff/clients/new")
    assert page.status == 200, page.body
    wrong = await registrar.post(node, "/staff/clients/new", {**token(page), **FORM, "redirect_uris": "http://*.example/"})
    assert wrong.status == 422
    assert "网址要完整" in wrong.body
    assert "演示招聘网" in wrong.body, "what was typed stays"
    change = await registrar.post(node, "/staff/clients/new", {**token(page), **FORM})
    assert change.path.startswith("/staff/clients/changes/")
    assert "要另一位同事来批" in change.body
    own = await registrar.post(node, change.path, {**token(await registrar.get(node, "/staff/clients/new")), "digest": "x", "act": "agree"})
    assert own.status in (403, 422), "the registrar approves nothing"
    listed = await reviewer.get(node, "/staff/clients")
    assert change.path in listed.body
    page = await reviewer.get(node, change.path)
    page = await reviewer.post(node, change.path, {**token(page), "act": "agree"})
    assert "批了，已经生效" in page.body
    listed = await registrar.get(node, "/staff/clients")
    client = re.findall(r'href="(/staff/clients/out-[a-z2-7]+)"', listed.body)[0]
    page = await registrar.get(node, client)
    assert "还没有公钥" in page.body
    key = tokens.TokenKey("k", "ES256", b"\x05" * 32)
    bad = await registrar.post(node, client, {**token(page), "act": "add_key", "kid": "k", "jwk": msgspec.json.encode({**key.jwk, "d": "x"}).decode()})
    assert bad.status == 422
    assert "不要带私钥" in bad.body
    page = await registrar.post(node, client, {**token(page), "act": "add_key", "kid": "k", "jwk": msgspec.json.encode(key.jwk).decode()})
    page = await reviewer.get(node, page.path)
    await reviewer.post(node, page.path, {**token(page), "act": "agree"})
    page = await reviewer.get(node, client)
    assert "在用" in page.body
    page = await reviewer.post(node, client, {**token(page), "act": "suspend", "reason": "演示停用"})
    assert "停用，演示停用" in page.body
    edit = await registrar.get(node, client + "/edit")
    change = await registrar.post(node, client + "/edit", {**token(edit), **FORM, "name": "演示人才网"})
    assert "演示招聘网" in change.body, "what holds now stands beside it"
    page = await registrar.get(node, client)
    page = await registrar.post(node, client, {**token(page), "act": "resume"})
    page = await reviewer.get(node, page.path)
    await reviewer.post(node, page.path, {**token(page), "act": "agree"})
    async with node.db.reading() as tx:
        row = await tx.fetchrow("SELECT status, proposed_by, approved_by FROM client")
    assert (row["status"], row["proposed_by"], row["approved_by"]) == ("active", "CQ-YY-01", "CQ-YY-02")


async def test_a_refusal_has_its_reason_and_whoever_asked_reads_it(node: Node) -> None:
    registrar, reviewer = await clerk(node, "CQ-YY-01"), await clerk(node, "CQ-YY-02")
    page = await registrar.get(node, "/staff/clients/new")
    change = await registrar.post(node, "/staff/clients/new", {**token(page), **FORM, "name": "演示打听网"})
    page = await reviewer.get(node, change.path)
    silent = await reviewer.post(node, change.path, {**token(page), "act": "refuse", "reason": " "})
    assert silent.status == 422
    assert "写上不同意的理由" in silent.body
    done = await reviewer.post(node, change.path, {**token(silent), "act": "refuse", "reason": "用途没有写清楚"})
    assert "没同意" in done.body
    listed = await registrar.get(node, "/staff/clients")
    assert "用途没有写清楚" in listed.body, "who asked is told nothing"
    assert change.path in listed.body
    assert "用途没有写清楚" in (await registrar.get(node, change.path)).body


async def test_nobody_else_looks(node: Node) -> None:
    page = await Browser().get(node, "/staff/clients")
    assert page.path == "/staff/login" or page.status in (401, 403)
    for number in ("YZ-DT-01",):
        assert (await (await clerk(node, number)).get(node, "/staff/clients")).status == 403
