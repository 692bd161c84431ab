"""The archive desk and a person's own pages over HTTP (R-407): what is drawn, what is refused, also without JavaScript."""

from __future__ import annotations

import asyncio
import importlib
import re
from contextlib import asynccontextmanager

import httpx
import msgspec
import pytest
import uvicorn
from litestar import Litestar
from litestar.datastructures import State
from litestar.di import Provide

from tongban import evidence, transparency, ui
from tongban.evidence import pages, queries
from tongban.evidence.actions import archive, finish, hand_over
from tongban.evidence.actions.materials import _keep
from tongban.evidence.actions.sealing import Sealing
from tongban.evidence.errors import NoRoomToPack
from tongban.evidence.pages import mine
from tongban.evidence.queries import archives as looking
from tongban.kernel.actor import NOBODY, Actor, Assignment
from tongban.kernel.gm import Sm2PrivateKey, b64
from tongban.kernel.node import Node

from .make import ME, dossier, pdf, person, picture, sent, whole

packages = importlib.import_module("tongban.evidence.actions.archive")
proposals = importlib.import_module("tongban.identity.actions.proposals")
RIGHTS = frozenset({"evidence.archive_see", "evidence.archive_pack", "evidence.hand_over"})


def archivist(division="500000"):
    return Actor(kind="staff", subject="s1da", staff_id="CQ-DA-01", unit="档案岗（演示）", assignments=(Assignment("archivist", RIGHTS, division, ""),))


def doors(node, actor=NOBODY):
    return httpx.AsyncClient(transport=httpx.ASGITransport(app_of(node, actor)), base_url=node.settings.base_url)


def app_of(node, actor):
    async def provide_node() -> Node:
        return node

    async def provide_actor() -> Actor:
        return actor

    app = Litestar(
        route_handlers=list(pages.routes), dependencies={"node": Provide(provide_node), "actor": Provide(provide_actor)}, state=State(),
        exception_handlers=ui.exception_handlers, before_send=[ui.before_send], openapi_config=None, logging_config=None,
    )  # fmt: skip
    ui.wire(app, ui.Wiring(secret=bytes(32), site="重庆市", base_url=node.settings.base_url, demo=True))
    return app


@asynccontextmanager
async def served(node, actor):
    """The same doors behind a real server, for what a client sees of an answer that breaks off."""
    server = uvicorn.Server(uvicorn.Config(app_of(node, actor), host="127.0.0.1", port=0, log_level="critical", lifespan="off"))
    running = asyncio.create_task(server._serve())
    while not server.started:  # noqa: ASYNC110  uvicorn has no event for it
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
            yield client
    finally:
        server.should_exit = True
        await running


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
        receiver = Sm2PrivateKey.generate().public
        key = b64(receiver.spki)
        done = await posted(client, "/staff/archive", "/staff/archive/batches", packages=made.id, receiver="市档案馆（演示）", key=key)
        assert done.status_code == 303, done.text
        batch = await client.get(done.headers["location"])
        assert "等另一个人批准" in batch.text
        async with node.db.reading() as tx:
            asked = await tx.fetchrow("SELECT id, body FROM proposal WHERE kind = 'archive.hand_over' ORDER BY proposed_at DESC LIMIT 1")
        shown = dict(proposals.described("archive.hand_over", node.cipher.open_bytes("staff", "proposal.body", str(asked["id"]), asked["body"])))
        fingerprint = receiver.fingerprint.hex()
        assert shown["对方公钥的指纹"] == " ".join(fingerprint[at : at + 4] for at in range(0, 64, 4)), "the approver cannot compare the receiver's key"
        assert shown["这一批的归档包"] == done.headers["location"]
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


async def test_a_package_goes_out_as_a_stream_and_a_damaged_one_not_at_all(make_node):
    """With its length, so that a receiver sees when it was cut; damage is said on a page, and the ledger has no line of a package that stayed."""
    node = await make_node("500000")
    async with node.db.transaction() as tx:
        kept = await _keep(tx, node, ME, "合同.pdf", "application/pdf", pdf(bytes(3_000_000)), "paper", "upload")
        made = await archive(tx, node, dossier((evidence.Enclosed("document", "paper", "合同", kept.id),)))
        content = await whole(await looking.package(tx, node, made.id))
        await tx.execute("UPDATE archive SET state = 'packed'")
        key = b64(Sm2PrivateKey.generate().public.spki)
        batch = await hand_over.propose(tx, node, archivist(), [made.id], receiver="市档案馆（演示）", key=key)
        await tx.execute("UPDATE archive SET state = 'approved'")
        await tx.execute("UPDATE archive_batch SET state = 'approved' WHERE id = $1", batch.id)
        address = await tx.fetchval("SELECT address FROM archive")
    store = queries.content_store(node)
    async with doors(node, archivist()) as client:
        got = await posted(client, "/staff/archive", f"/staff/archive/{made.id}/take")
        assert (got.status_code, got.headers["content-type"], got.headers["content-length"]) == (200, "application/zip", str(len(content)))
        assert got.content == content
        async with node.db.reading() as tx:
            lines = await tx.fetchval("SELECT count(*) FROM access_record")
        good = store.get(address)
        store.put(address, good[:-1] + bytes([good[-1] ^ 1]))
        damaged = await posted(client, "/staff/archive", f"/staff/archive/{made.id}/take")
        assert damaged.status_code == 500, "a damaged package went out"
        assert "这份原件和交来时不一样" in damaged.text
        store.drop(address)
        assert (await posted(client, "/staff/archive", f"/staff/archive/{made.id}/take")).status_code == 503
    async with node.db.reading() as tx:
        assert await tx.fetchval("SELECT count(*) FROM access_record") == lines


async def test_the_own_file_comes_as_a_stream_and_a_damaged_one_with_a_sentence(make_node):
    node = await make_node("510000")
    async with node.db.transaction() as tx:
        kept = await evidence.store(tx, node, person(), sent(picture()), kind="photo")
    async with doors(node, person()) as client:
        got = await client.get(f"/me/materials/{kept.id}")
        assert (got.content, got.headers["content-length"]) == (picture(), str(len(picture())))
        assert got.headers["content-security-policy"].startswith("sandbox")
        queries.content_store(node).put(kept.address, b"x" * 500)
        damaged = await client.get(f"/me/materials/{kept.id}")
        assert (damaged.status_code, "这份原件和交来时不一样" in damaged.text) == (500, True)
    async with doors(node, person("n1" + "b" * 32)) as client:
        assert (await client.get(f"/me/materials/{kept.id}")).status_code == 404


@pytest.mark.parametrize("lies", ["in pieces", "whole"])
async def test_what_changes_while_it_goes_out_breaks_off_before_its_length(make_node, monkeypatch, lies):
    """It was whole when it was looked at; then the disk gives other bytes. No client takes what came for the file."""
    node = await make_node("510000")
    async with node.db.transaction() as tx:
        kept = await _keep(tx, node, ME, "合同.pdf", "application/pdf", pdf(bytes(3_000_000)), "paper", "upload")
        made = await archive(tx, node, dossier((evidence.Enclosed("document", "paper", "合同", kept.id),)))
        address, key = await tx.fetchrow("SELECT address, content_key FROM archive")
        secret = await node.person_keys.open(tx, "archive.content_key", made.id, key)
        if lies == "in pieces":  # no door gives a package to its person: the same door, the other way of lying
            monkeypatch.setattr(mine, "openable", lambda *_: found(msgspec.structs.replace(kept, address=address), secret))
    store = queries.content_store(node)
    size = store.size(address if lies == "in pieces" else kept.address)
    real, read = store.part, []

    def changing(where, start, length):
        piece = real(where, start, length)
        read.append(len(piece))
        return piece[:-1] + bytes([piece[-1] ^ 1]) if sum(read) == 2 * size else piece

    monkeypatch.setattr(store, "part", changing)
    came = 0
    async with served(node, person()) as client, client.stream("GET", f"/me/materials/{kept.id}") as got:
        length = int(got.headers["content-length"])
        with pytest.raises(httpx.RemoteProtocolError):  # noqa: PT012  it breaks at some piece
            async for piece in got.aiter_raw():
                came += len(piece)
    assert 0 < came < length, "a changed file was taken for the one that was meant"


async def found(*what):
    return what


async def test_an_archivist_whose_disk_is_full_reads_what_happened(make_node, monkeypatch):
    """Nothing is packed, the page says so and what to do, and once there is room the same number packs."""
    node, told = await make_node("500000"), dossier()

    async def found(*_):
        return told

    async def case_of(*_):
        return told.case

    monkeypatch.setattr(packages, "_collector", [found])
    monkeypatch.setattr(packages, "_finder", [case_of])
    with monkeypatch.context() as disk:
        disk.setattr(Sealing, "close", no_room)
        async with doors(node, archivist()) as client:
            full = await posted(client, "/staff/archive", "/staff/archive/pack", number=told.number)
    assert (full.status_code, "存不下这个归档包" in full.text, "案卷和材料都在" in full.text) == (507, True, True)
    async with node.db.reading() as tx:
        assert await looking.archive_of(tx, told.case) is None
    assert list(queries.content_store(node).incoming.iterdir()) == []
    async with doors(node, archivist()) as client:
        assert (await posted(client, "/staff/archive", "/staff/archive/pack", number=told.number)).status_code == 303
    async with node.db.reading() as tx:
        assert await looking.archive_of(tx, told.case) is not None


def no_room(_self):
    raise NoRoomToPack


async def test_the_checker_is_handed_out(packed):
    node, _ = packed
    async with doors(node) as client:
        got = await client.get("/transparency/check_archive.py")
        assert "核对归档包" in got.text
