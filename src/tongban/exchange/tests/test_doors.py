"""谁用过我的信息 with its receipts, the auditor's table, the stewards' grants."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from tongban import consent, exchange, transparency
from tongban.consent.tests.doors import browser
from tongban.consent.tests.make import OTHER, XIAOYU, access, citizen
from tongban.exchange.pages import routes
from tongban.exchange.tests.make import steward
from tongban.kernel.gm import parse_object


@pytest.fixture(scope="module")
async def node(make_node):
    made = await make_node("mps")
    await exchange.set_up(made)
    return made


async def test_plain_sentences_and_a_receipt(node):
    async with node.db.transaction() as tx:
        await consent.record_access(tx, node, access(source="mps", receiver="mps"))
        await consent.record_access(tx, node, access(kind="view", source="mps", receiver="mps", about=""))
    async with node.db.transaction() as tx:
        await transparency.sequence(tx)
        await transparency.sign_head(tx, node)
    async with browser(node, routes) as person:
        person.actor = citizen()
        await person.see("/me/data-use")
        assert 'href="/transparency"' in person.text, "no way from a receipt to how it is checked"
        assert "成都市市场监管局 受理岗取用了你的 2 项信息" in person.text
        assert "住址、姓名" in person.text or "姓名、住址" in person.text
        assert "一共 2 次，两边记的都对得上" in person.text
        link = re.search(r'href="(/me/data-use/[^"]+/receipt[^"]+)"', person.text)[1].replace("&amp;", "&")
        answer = await person.see(link)
        assert answer.headers["content-disposition"].startswith("attachment")
        assert parse_object(answer.content)["statement"]
        await person.see("/me/data-use?kind=view")
        assert "一共 1 次" in person.text
        person.actor = citizen(OTHER)
        await person.see("/me/data-use")
        assert "还没有人用过" in person.text
        assert (await person.see(link)).status_code == 404


async def test_the_auditor_sees_the_same_lines_without_the_persons(node):
    async with browser(node, routes) as desk:
        assert (await desk.see("/staff/audit")).status_code in {303, 401}
        desk.actor = citizen()
        assert (await desk.see("/staff/audit")).status_code in {303, 401, 403}
        desk.actor = steward("anna")
        await desk.see("/staff/audit")
        assert "成都市市场监管局 受理岗" in desk.text
        assert XIAOYU not in desk.text
        assert "没写办件号" in desk.text


async def test_two_stewards(node):
    until = (node.clock.now() + timedelta(days=30)).date().isoformat()
    async with browser(node, routes) as desk:
        desk.actor = steward("anna")
        await desk.see("/staff/sharing")
        fields = {
            "resource": "mps.population", "fields": "mps.population:name", "caller": "510000", "purpose": "case.check",
            "quota_per_day": "10", "until": until, "reason": "核对申请人",
        }  # fmt: skip
        wrong = await desk.send("/staff/sharing", **{**fields, "quota_per_day": "0", "reason": "留着的字"})
        assert wrong.status_code == 422
        assert "留着的字" in desk.text
        odd = await desk.send("/staff/sharing", **{**fields, "quota_per_day": "²", "until": "9999-12-31T23:59"})
        assert odd.status_code == 422, "a number that is none is said beside its field"
        assert (await desk.send("/staff/sharing", **fields)).status_code == 303
        await desk.see("/staff/sharing")
        assert "等另一位同事批" in desk.text
        desk.actor = steward("bo")
        await desk.see("/staff/sharing")
        path = re.search(r'action="(/staff/sharing/[0-9a-f-]{36})"', desk.text)[1]
        assert (await desk.send(path, act="approve")).status_code == 303
        await desk.see("/staff/sharing")
        assert "有效" in desk.text


async def test_a_line_that_somebody_changed_says_so_to_its_person(node):
    """R-408: an operator who edits the ledger is caught by whoever downloads the proof; a sentence and what to do, no broken page."""
    third = "n1" + "e" * 32
    async with node.db.transaction() as tx:
        line = await consent.record_access(tx, node, access(subject=third, source="mps", receiver="mps"))
        await transparency.sequence(tx)
        await transparency.sign_head(tx, node)
        await tx.execute("ALTER TABLE access_record DISABLE TRIGGER USER")
        await tx.execute("UPDATE access_record SET who = '别处' WHERE id = $1", line.id)
        await tx.execute("ALTER TABLE access_record ENABLE TRIGGER USER")
    async with browser(node, routes) as person:
        person.actor = citizen(third)
        answer = await person.see(f"/me/data-use/{line.id}/receipt?node=mps&side={line.side}")
    assert (answer.status_code, "和当时存证的不一样" in answer.text) == (409, True)
