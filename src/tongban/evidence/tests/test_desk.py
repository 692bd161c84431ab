"""The archive desk and a person's own pages over HTTP (R-407): what is drawn, what is refused, also without JavaScript."""

from __future__ import annotations

import re

import httpx
import pytest
from litestar import Litestar
from litestar.datastructures import State
from litestar.di import Provide

from tongban import transparency, ui
from tongban.evidence import pages
from tongban.evidence.actions import archive, finish
from tongban.evidence.queries import archives as looking
from tongban.kernel.actor import NOBODY, Actor, Assignment
from tongban.kernel.gm import Sm2PrivateKey, b64
from tongban.kernel.node import Node

from .make import dossier, person

RIGHTS = frozenset({"evidence.archive_see", "evidence.archive_pack", "evidence.hand_over"})


def archivist(division="500000"):
    return Actor(kind="staff", subject="s1da", staff_id="CQ-DA-01", unit="档案岗（演示）", assignments=(Assignment("archivist", RIGHTS, division, ""),))


def doors(node, actor=NOBODY):
    async def provide_node() -> Node:
        return node

    async def provide_actor() -> Actor:
        return actor

    app = Litestar(
        route_handlers=list(pages.routes), dependencies={"node": Provide(provide_node), "actor": Provide(provide_actor)}, state=State(),
        exception_handlers=ui.exception_handlers, before_send=[ui.before_send], openapi_config=None, logging_config=None,
    )  # fmt: skip
    ui.wire(app, ui.Wiring(secret=bytes(32), site="重庆市", base_url=node.settings.base_url, demo=True))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=node.settings.base_url)


async def posted(client, page, path, **typed):
    got = await client.get(page)
    token = re.search(r'name="tb_token" value="([^"]+)"', got.text).group(1)
    jar = "; ".join(f"{name}={value}" for name, value in got.cookies.items())
    return await client.post(path, data={"tb_token": token, **typed}, headers={"Origin": str(client.base_url).rstrip("/"), "Cookie": jar})


@pytest.fixture(scope="module")
async def packed(make_node):
    node = await make_node("500000")
    async with node.db.transaction() as tx:
        made = await archive(tx, node, dossier())
        while await transparency.sequence(tx):
            pass
        await transparency.sign_head(tx, node)
        await tx.execute("UPDATE archive SET made_at = made_at - interval '10 minutes'")
    await finish(node)
    return node, made


async def test_the_desk_shows_its_own_area_and_proposes(packed):
    node, made = packed
    async with doors(node, archivist()) as client:
        got = await client.get("/staff/archive")
        assert got.status_code == 200, got.text
        assert "老年人优待证办理（演示）" in got.text
        assert f'value="{made.id}"' in got.text
        wrong = await posted(client, "/staff/archive", "/staff/archive/batches", packages=made.id, receiver="", key="x")
        assert (wrong.status_code, "不是 SM2 公钥" in wrong.text) == (422, True)
        none = await posted(client, "/staff/archive", "/staff/archive/pack", number="1")
        assert (none.status_code, "没有找到这个编号" in none.text) == (422, True)
        key = b64(Sm2PrivateKey.generate().public.spki)
        done = await posted(client, "/staff/archive", "/staff/archive/batches", packages=made.id, receiver="市档案馆（演示）", key=key)
        assert done.status_code == 303, done.text
        batch = await client.get(done.headers["location"])
        assert "等另一个人批准" in batch.text
        assert (await client.get(done.headers["location"] + "/to-sign.json")).json()["packages"][0]["id"] == made.id
        refused = await posted(client, "/staff/archive", f"/staff/archive/{made.id}/take")
        assert refused.status_code == 403, "package left without a hand-over"
    async with doors(node, archivist("510000")) as client:
        assert made.id not in (await client.get("/staff/archive")).text
        assert (await client.get(done.headers["location"])).status_code == 404
    async with doors(node, Actor(kind="staff", subject="s1x", staff_id="X")) as client:
        assert (await client.get("/staff/archive")).status_code == 403
    async with doors(node) as client:
        assert (await client.get("/staff/archive")).status_code in (303, 401)
    async with node.db.transaction() as tx:
        assert (await looking.archive(tx, made.id)).state == "proposed"


async def test_a_person_sees_own_archived_cases_and_materials(packed):
    node, _ = packed
    async with doors(node, person()) as client:
        assert "老年人优待证办理（演示）" in (await client.get("/me/archives")).text
        assert (await client.get("/me/materials")).status_code == 200
    async with doors(node, person("n1" + "b" * 32)) as client:
        assert "老年人优待证" not in (await client.get("/me/archives")).text


async def test_the_checker_is_handed_out(packed):
    node, _ = packed
    async with doors(node) as client:
        got = await client.get("/transparency/check_archive.py")
        assert "核对归档包" in got.text
