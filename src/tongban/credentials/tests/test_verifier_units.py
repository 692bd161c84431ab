"""Verifier units 查验单位: made and stopped at the back office, enrolled by a code that runs out (R-404)."""

from __future__ import annotations

import re

import pytest

from tongban import credentials, seals
from tongban.credentials.actions import verifiers
from tongban.credentials.tests import make
from tongban.credentials.tests.test_doors import browser, send


@pytest.fixture(scope="module")
async def node(make_node):
    made = await make_node("500000")
    await seals.set_up(made)
    await credentials.set_up(made)
    return made


@pytest.fixture
async def card(node):
    async with node.db.transaction() as tx:
        return await make.licence(tx, node)


async def test_stopped_unit_is_no_longer_a_window(node):
    async with node.db.transaction() as tx:
        made = await verifiers.make_verifier(
            tx, node, make.staff(), name="停用的", org_code="11100000000013338W", purposes=("age",)
        )
        bound = await verifiers.bind(tx, node, code=made[1], label="1")
        assert await verifiers.browser(tx, bound.key) is not None
        await verifiers.stop_verifier(tx, made[0].id)
        assert await verifiers.browser(tx, bound.key) is None
        assert await verifiers.browser(tx, "not a key") is None


async def test_enrolment_code_runs_out(node):
    async with node.db.transaction() as tx:
        made = await verifiers.make_verifier(
            tx, node, make.staff(), name="一次的", org_code="11100000000013338W", purposes=("age",), uses=1
        )
        assert isinstance(await verifiers.bind(tx, node, code=made[1].lower(), label="1"), verifiers.Bound)
        assert isinstance(await verifiers.bind(tx, node, code=made[1], label="2"), tuple)
        assert isinstance(await verifiers.bind(tx, node, code="AAAA-BBBB-CCCC", label="2"), tuple)


async def test_back_office_of_credentials_and_verifiers(node, card):
    officer = make.staff(
        "head", "credentials.see", "credentials.suspend", "credentials.revoke", "credentials.verifiers"
    )
    async with browser(node, officer) as client:
        assert (await client.get("/staff/credentials")).status_code == 200
        url = f"/staff/credentials/{card.id}"
        page = await client.get(url)
        assert "冻结" in page.text
        assert "陈演示" not in page.text
        assert (await send(client, url, url, {"act": "suspend", "reason": ""})).status_code == 422
        assert (await send(client, url, url, {"act": "suspend", "reason": "核查登记材料", "basis": "市场主体登记管理条例"})).status_code == 303
        assert "恢复" in (await client.get(url)).text
        made = await send(
            client,
            "/staff/verifiers",
            "/staff/verifiers",
            {"name": "演示诊所", "org_code": "11100000000013338W", "purposes": "clinic"},
        )
        assert made.status_code == 200
        assert re.search(r"[A-Z0-9]{4}-[A-Z0-9]{4}-[A-Z0-9]{4}", made.text)
        wrong = await send(
            client, "/staff/verifiers", "/staff/verifiers", {"name": "", "org_code": "1", "purposes": "clinic"}
        )
        assert wrong.status_code == 422
    async with browser(node, make.staff("nobody")) as client:
        assert (await client.get("/staff/credentials")).status_code == 403
        assert (await client.get("/staff/verifiers")).status_code == 403
