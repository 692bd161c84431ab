"""The pages of a copy 要一份副本: as a person without JavaScript meets them (R-409, ux.md 5)."""

from __future__ import annotations

import re
from urllib.parse import unquote

import msgspec
import pytest

from tongban import privacy
from tongban.consent.tests.doors import browser
from tongban.privacy.actions import gathering
from tongban.privacy.pages import routes
from tongban.privacy.tests import make

SUBJECT = "n1" + "c" * 32


@pytest.fixture(scope="module")
def rooms():
    privacy.use_holdings((make.holding("person", "身份", lambda *_: [{"姓名": "陈小雨演示"}]),))
    yield
    privacy.use_holdings(())


@pytest.mark.usefixtures("rooms")
async def test_from_asking_to_the_file(node):
    """Ask, wait, see the word once, fetch once; a step up before a whole one."""
    async with browser(node, routes) as her:
        assert (await her.see("/me/copies")).status_code == 303, "sign in first"
        her.actor = make.her(SUBJECT, level=2, home=node.id)
        await her.see("/me/rights")
        assert "/me/copies" in her.text
        await her.see("/me/copies")
        assert her.text.count("<form") >= 2
        up = await her.send("/me/copies", kind="whole")
        assert up.headers["location"].startswith("/step-up?level=3")
        asked = await her.send("/me/copies", kind="simple")
        page = asked.headers["location"]
        assert (await her.see(page)).headers["cache-control"] == "no-store"
        assert "正在收齐" in her.text
        assert "正在问" in her.text
        assert '<noscript><meta http-equiv="refresh"' in her.text
        await gathering.gather_due(node)
        await her.see(page)
        assert "做好了" in her.text
        assert f"{page}/file" not in her.text, "the word first"
        shown = await her.send(f"{page}/word")
        word = re.search(r"[a-z2-9]{4}(-[a-z2-9]{4}){3}", shown.text)
        assert word is not None
        assert shown.headers["cache-control"] == "no-store"
        await her.see(page)
        assert word[0] not in her.text
        assert (await her.send(f"{page}/word")).status_code == 410
        got = await her.send(f"{page}/file")
        assert got.headers["content-disposition"].startswith("attachment")
        assert "陈小雨演示".encode() in make.unlock(got.content, word[0])["数据/身份.json"]
        assert (await her.send(f"{page}/file")).status_code == 410
        await her.see("/me/copies")
        assert "取走了" in her.text


@pytest.mark.usefixtures("rooms")
async def test_another_person_finds_nothing_and_a_stop_removes_it(node):
    async with browser(node, routes) as her:
        her.actor = make.her("n1" + "d" * 32, level=2, home=node.id)
        await her.see("/me/copies")
        page = (await her.send("/me/copies", kind="simple")).headers["location"]
        her.actor = make.her("n1" + "e" * 32, home=node.id)
        for act in ("", "/word", "/file", "/again", "/stop"):
            answer = await (her.send(page + act) if act else her.see(page))
            assert answer.status_code == 404, act
        her.actor = make.her("n1" + "d" * 32, level=1, home=node.id)
        await her.see(page)
        assert (await her.send(f"{page}/stop")).status_code == 303, "taking away needs no higher level"
        await her.see(page)
        assert "停掉了" in her.text
        her.actor = make.her("n1" + "d" * 32, home="510000")
        await her.see("/me/copies")
        assert "到那里要" in her.text
        assert 'name="kind"' not in her.text


@pytest.mark.usefixtures("rooms")
async def test_what_was_pressed_goes_on_after_the_level_was_raised(node):
    """ux.md 5, T-10: pressed once is enough; once, by the session that pressed, at the level, within minutes; nobody else's tab does anything."""
    subject = "n1" + "f" * 32
    async with browser(node, routes) as her:
        her.actor = make.her(subject, level=2, home=node.id)
        await her.see("/me/copies")
        up = (await her.send("/me/copies", kind="whole")).headers["location"]
        back = unquote(up.partition("next=")[2])
        assert back.startswith("/me/copies?go=")
        for actor in (make.her(subject, level=2, home=node.id), make.her("n1" + "a" * 32, home=node.id), msgspec.structs.replace(make.her(subject, home=node.id), sid="other")):
            her.actor = actor
            assert (await her.see(back)).status_code == 200, "somebody else's tab, another session or a lower level went on"
        her.actor = make.her(subject, level=3, home=node.id)
        made = await her.see(back)
        assert made.headers["location"].startswith("/me/copies/")
        assert (await her.see(back)).status_code == 200, "a second time"
        async with node.db.transaction() as tx:
            assert await tx.fetchval("SELECT count(*) FROM copy_request WHERE subject = $1 AND whole", subject) == 1
        her.actor = make.her(subject, level=2, home=node.id)
        await her.see("/me/after")
        back = unquote((await her.send("/me/after", choice="keep")).headers["location"].partition("next=")[2])
        async with node.db.transaction() as tx:
            await tx.execute("UPDATE step_intent SET until = now() - interval '1 second'")
        her.actor = make.her(subject, level=3, home=node.id)
        assert "记下了" not in (await her.see(back)).text
