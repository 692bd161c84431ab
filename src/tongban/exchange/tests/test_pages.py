"""The steward's pages: catalogue, demand, correction and log, each step by the person whose step it is (R-401)."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from tongban import consent, exchange
from tongban.consent.tests.doors import browser
from tongban.consent.tests.make import XIAOYU, access
from tongban.exchange.actions.demands import demand_came
from tongban.exchange.actions.messages import raise_alarm
from tongban.exchange.pages import routes
from tongban.exchange.tests.make import citizen, steward
from tongban.kernel.ids import uuid7


@pytest.fixture(scope="module")
async def node(make_node):
    made = await make_node("cn")
    await exchange.set_up(made)
    return made


async def test_a_resource_from_the_form_to_the_catalogue(node):
    async with browser(node, routes) as desk:
        desk.actor = steward("anna")
        assert (await desk.see("/staff/sharing/resources")).status_code == 200
        assert "婚姻登记信息" in desk.text
        await desk.see("/staff/sharing/resources?q=缴费月数")
        assert "社会保险参保信息" in desk.text
        assert "婚姻登记信息" not in desk.text
        await desk.see("/staff/sharing/resources/new")
        typed = {
            "name": "博物馆预约（演示）", "id": "museum", "fields": "day 日期\nplace 场馆 敏感", "sharing": "unconditional", "basis": "演示办法第二条",
            "key": "subject", "update_cycle": "实时", "owner_name": "国家节点（演示）", "consent": "yes",
        }  # fmt: skip
        wrong = await desk.send("/staff/sharing/resources/new", **{**typed, "basis": "", "summary": "留着的字"})
        assert wrong.status_code == 422
        assert "留着的字" in desk.text
        assert (await desk.send("/staff/sharing/resources/new", **typed)).status_code == 303
        await desk.see("/staff/sharing/resources/cn.museum")
        assert "登记的人不能自己发布" in desk.text
        desk.actor = steward("bo")
        await desk.see("/staff/sharing/resources/cn.museum")
        assert (await desk.send("/staff/sharing/resources/cn.museum", act="publish")).status_code == 303
        await desk.see("/staff/sharing/resources/cn.museum")
        assert "提供中" in desk.text
        assert (await desk.send("/staff/sharing/resources/cn.museum", act="suspend", reason="")).status_code == 422
        await desk.send("/staff/sharing/resources/cn.museum", act="suspend", reason="检修")
        await desk.see("/staff/sharing/resources/cn.museum")
        assert "暂停提供：检修" in desk.text
        assert "暂停的人不能自己恢复" in desk.text
        assert (await desk.see("/staff/sharing/resources/cn.nothing")).status_code == 404


async def test_a_demand_reviewed_by_one_and_decided_by_another(node):
    number = uuid7()
    until = node.clock.today() + timedelta(days=60)
    async with node.db.transaction() as tx:
        await demand_came(tx, node, "500000", {
            "v": 1, "id": number, "asker": "500000", "wanted": {
                "resource": "cn.education", "fields": ["degree", "school"], "purpose": "policy.talent", "purpose_words": "人才引进核对学历", "basis": "演示办法",
                "volume_per_day": 30, "until": until.isoformat(),
            },
        })  # fmt: skip
    async with browser(node, routes) as desk:
        desk.actor = steward("anna")
        await desk.see("/staff/sharing/demands")
        assert "等我们办" in desk.text
        path = f"/staff/sharing/demands/{number}"
        await desk.see(path)
        assert "人才引进核对学历" in desk.text
        answer = {"act": "review", "verdict": "grant", "fields": "degree", "per_day": "30", "given_until": until.isoformat()}
        assert (await desk.send(path, **{**answer, "per_day": "31"})).status_code == 422
        assert (await desk.send(path, **answer)).status_code == 303
        await desk.see(path)
        assert "初审的人不能自己复核" in desk.text
        desk.actor = steward("bo")
        await desk.see(path)
        assert "同意给 学历，每天 30 次" in desk.text
        desk.actor = steward("carl", "cases.see")
        assert (await desk.see(path)).status_code == 403
        desk.actor = citizen(XIAOYU)
        assert (await desk.see("/staff/sharing/demands")).status_code in {303, 401, 403}


async def test_the_log_and_its_alarms(node):
    async with node.db.transaction() as tx:
        await raise_alarm(tx, node, "differs", "500000", uuid7())
    async with browser(node, routes) as desk:
        desk.actor = steward("anna")
        await desk.see("/staff/sharing/log")
        assert "两边记的内容不一样" in desk.text
        path = re.search(r'action="(/staff/sharing/log/alarms/[0-9a-f-]{36})"', desk.text)[1]
        assert (await desk.send(path, note="")).status_code == 422
        assert (await desk.send(path, note="对方恢复过备份，已补记")).status_code == 303
        await desk.see("/staff/sharing/log")
        assert "没有要处理的告警" in desk.text
        assert (await desk.send("/staff/sharing/log")).status_code == 303
        desk.actor = steward("carl", "exchange.propose")
        assert (await desk.see("/staff/sharing/log")).status_code == 403


async def test_a_correction_from_the_audit_table(node):
    line = uuid7()
    async with node.db.transaction() as tx:
        await consent.record_access(tx, node, access(id=line, side="caller", source="mps", receiver="cn", fields=("姓名",)))
    async with browser(node, routes) as desk:
        desk.actor = steward("anna")
        await desk.see("/staff/audit")
        assert f"corrections?line={line}" in desk.text
        await desk.see(f"/staff/sharing/corrections?line={line}")
        assert line in desk.text
        wrong = await desk.send("/staff/sharing/corrections", line=line, field="mps.population:name", claimed="", grounds="看过身份证")
        assert wrong.status_code == 422
        assert (await desk.send("/staff/sharing/corrections", line=uuid7(), field="mps.population:name", claimed="演示甲", grounds="x")).status_code == 422
