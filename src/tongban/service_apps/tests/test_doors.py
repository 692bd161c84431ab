"""The desk: register, check, review, publish by plain forms; what is refused keeps what was typed."""

from __future__ import annotations

import re

import pytest

from tongban.consent.tests.doors import browser
from tongban.federation.tests.make import free_port
from tongban.service_apps.pages import routes
from tongban.service_apps.tests.make import REGISTRAR, REVIEWER, company, officer, pages, shelved


@pytest.fixture(scope="module")
async def node(make_node):
    port = free_port()
    made = await make_node("510000", base_url=f"http://127.0.0.1:{port}", bind_port=port)
    await shelved(made)
    return made


@pytest.fixture
async def typed(node):
    ref = await company(node)
    return {
        "name": "企业开办", "owner_name": "成都市市场监管局（演示）", "owner_org": "11510100DEM000014N", "division": "510100",
        "items": f"{ref.task_code}:{ref.version}", "channels": ["h5", "pc"], "contact_unit": "企业开办专区",
        "contact_phone": "028-12345678", "available": "99.5", "answer_ms": "2000", "support_hours": "工作日 9:00 到 17:00",
        "pages": "",
    }  # fmt: skip


async def test_two_officers_take_an_app_to_the_public(node, typed):
    async with browser(node, routes) as desk, pages(node.settings.bind_port):
        desk.actor = REGISTRAR
        await desk.see("/staff/apps/new")
        assert typed["items"] in desk.text
        wrong = await desk.send("/staff/apps/new", act="register", **{**typed, "name": "", "contact_unit": "留着的字"})
        assert wrong.status_code == 422
        assert "留着的字" in desk.text
        made = await desk.send("/staff/apps/new", act="register", **typed)
        assert made.status_code == 303
        path = made.headers["location"]
        await desk.see(path)
        assert "等检查" in desk.text
        assert (await desk.send(path, act="check")).status_code == 303
        await desk.see(path)
        assert "等审核" in desk.text
        assert "看不到：登录以后的填写页" in desk.text
        assert "要另一位同事来审" not in desk.text  # the registrar has no review rights at all
        desk.actor = officer("registrar")
        await desk.see(path)
        assert "要另一位同事来审" in desk.text
        desk.actor = REVIEWER
        await desk.see(path)
        digest = re.search(r'name="digest" value="([^"]+)"', desk.text)[1]
        silent = await desk.send(path, act="approve", digest=digest, reason="")
        assert silent.status_code == 422
        assert "写清理由" in desk.text
        assert (await desk.send(path, act="approve", digest=digest, reason="走了一遍")).status_code == 303
        await desk.see(path)
        assert (await desk.send(path, act="publish", channels=["h5", "pc"])).status_code == 303
        await desk.see(path)
        assert "运行中" in desk.text
        assert "走了一遍" in desk.text
        await desk.see("/staff/apps?state=published")
        assert "企业开办" in desk.text
        assert (await desk.send(path, act="withdraw", reason="并入新应用")).status_code == 303
        await desk.see(path)
        assert "已下架" in desk.text
        # a withdrawn item can be carried by a new app
        desk.actor = REGISTRAR
        await desk.see("/staff/apps/new")
        assert typed["items"] in desk.text


async def test_a_bad_app_shows_each_rule_and_its_fix(node, typed):
    async with browser(node, routes) as desk, pages(node.settings.bind_port):
        desk.actor = REGISTRAR
        await desk.see("/staff/apps/new")
        made = await desk.send("/staff/apps/new", act="register", **{**typed, "name": "没人接电话", "contact_phone": ""})
        path = made.headers["location"]
        await desk.send(path, act="check")
        await desk.see(path)
        assert "检查没过" in desk.text
        assert "没有带区号的电话" in desk.text
        assert "写上负责单位和对外电话" in desk.text


async def test_only_officers(node):
    async with browser(node, routes) as desk:
        assert (await desk.see("/staff/apps")).status_code in {303, 401}
        desk.actor = officer("clerk", "nothing")
        assert (await desk.see("/staff/apps")).status_code == 403
        assert (await desk.see("/staff/apps/new")).status_code == 403


async def test_an_unknown_app_and_an_unknown_act(node, typed):
    async with browser(node, routes) as desk:
        desk.actor = officer("x")
        unknown = "/staff/apps/019aa5c0-0000-7000-8000-000000000001"
        assert (await desk.see(unknown)).status_code == 404
        await desk.see("/staff/apps/new")
        assert (await desk.send(unknown, act="explode")).status_code == 400
