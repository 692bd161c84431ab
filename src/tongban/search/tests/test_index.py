"""The index follows the catalogue, and the doors draw what it finds."""

from __future__ import annotations

import asyncio
import shutil

import pytest

from tongban import catalogue, search
from tongban.kernel.actor import SYSTEM
from tongban.kernel.settings import CODE_ROOT
from tongban.search.actions import rebuild, refresh
from tongban.search.tests.make import browser

PERMIT = "11500103DEM000022Q4000799902000"
REMOTE = "12500000DEM00003002002099903000"


@pytest.fixture(autouse=True, scope="module")
async def shelves(node):
    await catalogue.set_up(node)
    async with node.db.transaction() as tx:
        await catalogue.publish(tx, node, SYSTEM, REMOTE, 1, channels=("h5",))
    await search.set_up(node)


def kinds(node, query):
    return {hit.shown.kind for hit in search.find(node, query).hits if hit.shown.service == "residence_permit_endorse"}


async def test_published_items_are_found_and_withdrawn_ones_are_gone(node) -> None:
    assert kinds(node, "居住证签注") == {"entry"}
    async with node.db.transaction() as tx:
        await catalogue.publish(tx, node, SYSTEM, PERMIT, 1, channels=("h5",))
    rung = asyncio.Event()
    stop, hearing = asyncio.Event(), asyncio.Event()
    ears = asyncio.create_task(
        node.db.listen("tongban_bell", lambda bell: hearing.set() if bell == "*" else bell == search.BELL and rung.set(), stop)
    )
    await hearing.wait()
    assert not search.covers(node, {PERMIT: 1})
    assert await refresh(node) == 1
    assert search.covers(node, {PERMIT: 1})
    async with asyncio.timeout(5):
        await rung.wait()  # a launcher in another process is told, and need not look again and again
    stop.set()
    await ears
    assert kinds(node, "居住证签注") == {"item"}
    assert await refresh(node) == 0
    async with node.db.transaction() as tx:
        await catalogue.withdraw(tx, node, SYSTEM, PERMIT)
    assert await refresh(node) == 1
    assert kinds(node, "居住证签注") == {"entry"}


async def test_rebuilding_gives_the_same_answers(node) -> None:
    before = search.find(node, "外地看病")
    await rebuild(node)
    assert search.find(node, "外地看病") == before


async def test_a_changed_dictionary_builds_the_index_anew(make_node, tmp_path) -> None:
    items = tmp_path / "items"
    shutil.copytree(CODE_ROOT / "items", items)
    node = await make_node("510000", items_dir=items)
    await catalogue.set_up(node)
    await search.set_up(node)
    assert search.find(node, "飞天猪").hits == ()
    words = items / "reference" / "everyday_words.yaml"
    words.write_text(words.read_text("utf-8") + "  机动车驾驶证期满: [飞天猪]\n", "utf-8")
    await search.set_up(node)
    assert search.find(node, "飞天猪").hits[0].shown.id == "driver_renew"


async def test_the_page_puts_an_act_first_with_its_three_facts(node) -> None:
    async with browser(node) as one:
        page = (await one.get("/search?q=外地看病")).text
        empty = await one.get("/search?q=宇宙飞船")
        blank = await one.get("/search")
    for words in ("你是不是要办", "异地就医结算备案", "多久办好", "收费", "要跑几趟", "先看指南", "开始办理", "全部结果"):
        assert words in page
    assert f"/login?next=/s/{REMOTE}" in page
    assert empty.status_code == 200
    assert "没有找到“宇宙飞船”" in empty.text
    assert "打 12345" in empty.text
    assert "说事情就行" in blank.text


async def test_what_was_typed_is_escaped_and_never_kept(node) -> None:
    async with browser(node) as one:
        page = (await one.get("/search", params={"q": "<script>alert(1)</script>居住证"})).text
    assert "<script>alert" not in page
    assert "&lt;script&gt;" in page


async def test_the_elder_version_can_be_switched_on_from_the_answer(node) -> None:
    async with browser(node) as one:
        page = (await one.get("/search?q=关怀版")).text
    assert '<button class="btn p" form="display" name="mode" value="elder">换成长辈版</button>' in page


async def test_the_json_door(node) -> None:
    async with browser(node) as one:
        found = (await one.get("/api/search", params={"q": "waidi kanbing", "division": "500000", "limit": "3"})).json()
        odd = await one.get("/api/search", params={"q": "居住证", "division": "x", "limit": "9999"})
    assert found["hits"][0]["shown"]["service"] == "remote_medical"
    assert len(found["hits"]) <= 3
    assert odd.status_code == 200
