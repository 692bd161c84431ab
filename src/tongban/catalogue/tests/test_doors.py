"""The doors: the guide in every look, the JSON twin with its digest, what is closed and what is only general."""

from __future__ import annotations

import json
from datetime import timedelta

import msgspec
import pytest

from tongban import catalogue
from tongban.catalogue.rules import body_of
from tongban.catalogue.tests.make import ACTOR, COMPANY, PERMIT, REMOTE, browser, citizen, clerk, item
from tongban.kernel.gm import digest, jcs


@pytest.fixture(autouse=True, scope="module")
async def published(node):
    await catalogue.set_up(node)
    async with node.db.transaction() as tx:
        await catalogue.publish(tx, node, ACTOR, PERMIT, 1, channels=("h5", "pc"))
        await catalogue.publish(tx, node, ACTOR, REMOTE, 1, channels=("kiosk",))


async def test_the_guide_says_three_facts_and_offers_the_counter_as_equal(node) -> None:
    async with browser(node) as one:
        answer = await one.get(f"/s/{PERMIT}")
    assert answer.status_code == 200
    page = answer.text
    for words in ("居住证签注", "多久办好", "0 元", "0 趟", "开始办理", "不想在网上办", "居住证暂行条例", "样例，以当地公布为准", "演示事项"):
        assert words in page
    assert answer.headers["item-digest"] == item().digest
    assert f"/login?next=/s/{PERMIT}" in page
    assert "tb_token" not in page, "a page kept for everybody carries nobody's token"
    assert answer.headers["cache-control"] == "no-cache"
    assert len(answer.content) < 60_000


async def test_a_signed_in_person_starts_with_one_tap_and_the_page_is_not_kept(node) -> None:
    async with browser(node, citizen()) as one:
        answer = await one.get(f"/s/{PERMIT}")
    assert 'action="/apply"' in answer.text
    assert f'value="{PERMIT}"' in answer.text
    assert answer.headers["cache-control"] == "no-store"


async def test_elder_mode_and_normal_mode_are_different_pages_of_one_item(node) -> None:
    async with browser(node) as one:
        plain = await one.get(f"/s/{PERMIT}")
        one.cookies.set("tb_mode", "elder", domain="500000.localhost")
        elder = await one.get(f"/s/{PERMIT}")
    assert 'data-mode="elder"' in elder.text
    assert 'data-mode="elder"' not in plain.text
    assert plain.headers["item-digest"] == elder.headers["item-digest"]


async def test_closed_channel_unknown_and_draft_answer_404_in_plain_words(node) -> None:
    async with browser(node) as one:
        closed = await one.get(f"/s/{REMOTE}", headers={"accept": "text/html"})
        unknown = await one.get("/s/11100000000013338W1000100000000", headers={"accept": "text/html"})
        kiosk = await one.get(f"/s/{REMOTE}?channel=kiosk")
    assert closed.status_code == 404
    assert "还没有开放" in closed.text
    assert unknown.status_code == 404
    assert "没有找到" in unknown.text
    assert kiosk.status_code == 200


async def test_withdrawing_takes_it_away_at_once_and_publishing_brings_it_back(node) -> None:
    async with browser(node) as one:
        assert (await one.get(f"/s/{PERMIT}")).status_code == 200
        async with node.db.transaction() as tx:
            await catalogue.withdraw(tx, node, ACTOR, PERMIT, reason="系统升级")
        gone = await one.get(f"/s/{PERMIT}", headers={"accept": "text/html"})
        listed = (await one.get(f"/api/items/{PERMIT}")).json()
        async with node.db.transaction() as tx:
            await catalogue.publish(tx, node, ACTOR, PERMIT, 1, channels=("h5", "pc"))
        again = await one.get(f"/s/{PERMIT}")
    assert gone.status_code == 404
    assert "系统升级" in gone.text
    assert listed["status"] == "withdrawn"
    assert again.status_code == 200


async def test_the_json_twin_proves_its_digest(node) -> None:
    async with browser(node) as one:
        answer = await one.get(f"/api/items/{PERMIT}")
        same = await one.get(f"/api/items/{PERMIT}", headers={"if-none-match": answer.headers["etag"]})
    found = answer.json()
    assert found["digest"] == digest(jcs(found["item"]))
    assert found["digest"] == item().digest
    assert found["item"] == json.loads(msgspec.json.encode(body_of(item())))
    assert same.status_code == 304


async def test_the_list_is_that_of_the_place(node) -> None:
    async with browser(node) as one:
        here = (await one.get("/api/items?division=500103")).json()["items"]
        county = (await one.get("/api/items?division=500105")).json()["items"]
    assert {row["task_code"] for row in here} == {PERMIT, REMOTE}
    assert {row["task_code"] for row in county} == {REMOTE}, "another county's item is not offered"


async def test_a_preview_link_opens_a_draft_for_a_while(make_node, set_clock) -> None:
    node = await make_node("510000", clock=set_clock)
    await catalogue.set_up(node)
    token = catalogue.preview_token(node, COMPANY)
    async with browser(node) as one:
        hidden = await one.get(f"/s/{COMPANY}")
        shown = await one.get(f"/s/{COMPANY}?preview={token}")
        wrong = await one.get(f"/s/{COMPANY}?preview={token[:-2]}AA")
        set_clock.move(timedelta(minutes=21))
        late = await one.get(f"/s/{COMPANY}?preview={token}")
    assert (hidden.status_code, shown.status_code, wrong.status_code, late.status_code) == (404, 200, 404, 404)
    assert "预览" in shown.text
    assert 'action="/apply"' not in shown.text


async def test_a_withdrawn_item_can_be_previewed_before_it_comes_back(make_node) -> None:
    node = await make_node("510000")
    await catalogue.set_up(node)
    async with node.db.transaction() as tx:
        await catalogue.publish(tx, node, ACTOR, COMPANY, 1, channels=("h5",))
        await catalogue.withdraw(tx, node, ACTOR, COMPANY)
    async with browser(node) as one:
        shown = await one.get(f"/s/{COMPANY}?preview={catalogue.preview_token(node, COMPANY)}")
    assert shown.status_code == 200
    assert "内资公司设立登记" in shown.text


async def test_general_information_is_never_shown_as_official(node) -> None:
    async with browser(node) as one:
        service = await one.get("/info/driver_renew")
        listed = await one.get("/info/kuasheng-041")
        none = await one.get("/info/nothing")
    assert "不是官方指南" in service.text
    assert "开始办理" not in service.text
    assert "未核实" in listed.text
    assert none.status_code == 404


async def test_reference_lists_show_unverified_rows_as_such_to_staff_only(node) -> None:
    async with browser(node) as one:
        refused = await one.get("/staff/reference")
    async with browser(node, clerk()) as one:
        lists = await one.get("/staff/reference")
        rows = await one.get("/staff/reference?list=跨省通办")
    assert refused.status_code in {303, 401}
    assert "跨省通办" in lists.text
    assert rows.text.count("未核实</span>") == 45, "only a plain yes is official"
    assert rows.text.count("已核实</span>") == 11
