"""The pages of the back office of seals and the public check, over HTTP without JavaScript (R-410, T-57, T-58, T-61)."""

from __future__ import annotations

import re
from contextlib import asynccontextmanager

import httpx
import pytest
from litestar import Litestar, Request
from litestar.datastructures import State
from litestar.di import Provide

from tongban import identity, seals, ui
from tongban.identity.tests.make_staff import officer
from tongban.kernel.actor import NOBODY, Actor
from tongban.kernel.clock import SetClock
from tongban.kernel.node import Node
from tongban.seals import pages, queries
from tongban.seals.tests import hostile, make, make_office
from tongban.seals.tests.make_office import FIRST, SECOND

HOST = "https://500000.test"


@pytest.fixture(scope="module")
async def node(make_node):
    made = await make_node("500000", clock=SetClock(make_office.AT))
    await identity.set_up(made)
    await seals.set_up(made)
    return made


@asynccontextmanager
async def browser(node: Node, actor: Actor = NOBODY):
    """A browser without JavaScript on an app of our doors only."""

    async def provide_node() -> Node:
        return node

    async def provide_actor(request: Request) -> Actor:
        request.state["actor"] = actor
        return actor

    app = Litestar(
        pages.routes, dependencies={"node": Provide(provide_node), "actor": Provide(provide_actor)}, state=State({"node": node}),
        exception_handlers={**ui.exception_handlers}, before_send=[ui.before_send], openapi_config=None, logging_config=None,
        request_max_body_size=12 * 1024 * 1024,
    )  # fmt: skip
    ui.wire(app, ui.Wiring(secret=b"s" * 32, base_url=HOST))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=HOST) as client:
        client.headers.update({"accept": "text/html", "origin": HOST})
        client.cookies.set("__Host-tb_staff", "desk-session")
        yield client


async def send(client, page: str, path: str, fields: dict, **more):
    """Post a form with the token and the digest of the page it stands on."""
    body = (await client.get(page)).text
    token = re.search(r'name="tb_token" value="([^"]+)"', body)
    assert token, body[:500]
    digest = re.search(rf'action="{path}".*?name="digest" value="([^"]+)"', body, re.DOTALL)
    known = {"tb_token": token.group(1)} | ({"digest": digest.group(1)} if digest else {})
    return await client.post(path, data={**known, **fields}, follow_redirects=False, **more)


@pytest.fixture
async def two(node):
    async with node.db.reading() as tx:
        people = [await officer(tx, node, one) for one in (FIRST, SECOND)]
    async with browser(node, people[0]) as first, browser(node, people[1]) as second:
        yield first, second


async def test_a_seal_from_application_to_its_end(node, two):
    """Two officers do it all on pages; what may not be done is not offered and not taken."""
    first, second = two
    code = make_office.org()
    wanted = {
        "org_name": "重庆市演示工作局", "org_code": code, "kind": "approval", "purpose": "本局各事项的审批决定", "basis": "渝演示〔2026〕1 号",
        "keeper": SECOND, "two_persons": "yes",
    }  # fmt: skip
    poor = await send(first, "/staff/seals/apply", "/staff/seals/apply", {**wanted, "purpose": ""})
    assert poor.status_code == 422
    assert "渝演示〔2026〕1 号" in poor.text, "what was typed stays"
    application = (await send(first, "/staff/seals/apply", "/staff/seals/apply", wanted)).headers["location"]
    assert "要另一位同事审核" in (await first.get(application)).text
    own = await send(first, "/staff/seals/apply", f"{application}/review", {"act": "agree", "digest": "sm3:x"})
    assert own.status_code == 403
    assert "等审核" in (await second.get("/staff/seals")).text
    assert (await send(second, application, f"{application}/review", {"act": "agree"})).status_code == 303
    seal = (await send(first, application, f"{application}/make", {})).headers["location"]
    page = (await second.get(seal)).text
    turn = re.search(rf'action="({seal}/hand-over/[^"]+)"', page)
    assert turn
    assert (await send(second, seal, turn.group(1), {"act": "accept"})).status_code == 303
    assert (await first.get(f"{seal}/picture.png")).content.startswith(b"\x89PNG")
    # use by two
    document = seals.build_ofd(make.document())
    about = {"title": "通知书（演示）", "purpose": "对外发文", "about": "渝演示函 9 号", "page": "1", "place": "right"}
    bad = await send(first, f"{seal}/use", f"{seal}/use", {**about, "page": "7"}, files={"file": ("a.ofd", document)})
    assert (bad.status_code, "文件只有 1 页" in bad.text) == (422, True)
    evil = await send(first, f"{seal}/use", f"{seal}/use", about, files={"file": ("a.pdf", hostile.pdfs()["script on opening"])})
    assert (evil.status_code, "会动的内容" in evil.text) == (422, True)
    asked = (await send(first, f"{seal}/use", f"{seal}/use", about, files={"file": ("a.ofd", document)})).headers["location"]
    drawn = await second.get(f"{asked}/picture.svg")
    assert "成都市演示科技有限公司" in drawn.text
    assert "sandbox" in drawn.headers["content-security-policy"]
    assert (await send(first, f"{seal}/use", asked, {"act": "agree", "digest": "sm3:x"})).status_code == 403
    assert (await send(second, asked, asked, {"act": "agree"})).status_code == 303
    sealed = await first.get(f"{asked}/sealed")
    assert sealed.headers["content-disposition"].startswith("attachment")
    assert "渝演示函 9 号" in (await first.get(seal, params={"q": "渝演示函"})).text
    assert "没有这样的用印记录" in (await first.get(seal, params={"q": "别的文号"})).text
    # anybody checks it
    async with browser(node) as anybody:
        checked = await send(anybody, "/check-seal", "/check-seal", {}, files={"file": ("a.ofd", sealed.content)})
        assert "印章有效" in checked.text
        assert "有用印记录" in checked.text
        forged = await send(anybody, "/check-seal", "/check-seal", {}, files={"file": ("a.ofd", document)})
        assert "这份文件没有盖章" in forged.text
        assert "不要截图" in forged.text, "a person is not told what to do"
        broken = await send(anybody, "/check-seal", "/check-seal", {}, files={"file": ("a.ofd", document[:-50])})
        assert "重新下载" in broken.text
        changed = sealed.content.replace(b"Signature.xml", b"Signature.xmk")
        assert "打 12345" in (await send(anybody, "/check-seal", "/check-seal", {}, files={"file": ("a.ofd", changed)})).text
    # stop, go on, end
    assert (await send(first, seal, f"{seal}/stand", {"act": "suspend", "why": "核对印模"})).status_code == 303
    assert "停用" in (await second.get("/staff/seals?state=suspended")).text
    assert (await send(first, seal, f"{seal}/stand", {"act": "resume", "why": "自己恢复"})).status_code == 403
    assert (await send(second, seal, f"{seal}/stand", {"act": "resume", "why": "核对完毕"})).status_code == 303
    assert (await send(second, seal, f"{seal}/hand-over", {"keeper": FIRST, "cause": ""})).status_code == 422
    assert (await send(first, seal, f"{seal}/revoke", {"reason": "x"})).status_code == 422
    assert (await send(first, seal, f"{seal}/revoke", {"reason": "机构改革"})).status_code == 303
    assert "已注销" in (await first.get(seal)).text
    gone = await first.get(f"{seal}/use")
    assert (gone.status_code, "换一枚有效的印章" in gone.text, 'name="file"' in gone.text) == (409, True, False), "a form that is refused whatever is put in"


async def test_a_loss_is_reported_by_the_keeper(node, two):
    first, second = two
    async with node.db.transaction() as tx:
        people = [await officer(tx, node, one) for one in (FIRST, SECOND)]
        made = await make_office.made(tx, node, *people, people[0], SECOND)
    seal = f"/staff/seals/{made.id}"
    assert (await send(second, seal, f"{seal}/stand", {"act": "lose", "why": "密钥盘找不到", "since": "昨天"})).status_code == 422
    done = await send(second, seal, f"{seal}/stand", {"act": "lose", "why": "密钥盘找不到", "since": "2026-11-18 09:00"})
    assert done.status_code == 303
    assert "报失" in (await first.get(seal)).text
    async with node.db.reading() as tx:
        [period] = (await queries.anchors(tx)).periods[made.es_id]
    assert period.state == "lost"


async def test_others_see_nothing(node):
    """T-61: a clerk without the role, a citizen and nobody reach no page of the back office."""
    async with node.db.reading() as tx:
        clerk = await officer(tx, node, "CQ-GX-01")
    clerk = Actor(kind="staff", subject=clerk.subject, staff_id="CQ-GX-01")
    for actor in (clerk, Actor(kind="citizen", subject="n1" + "a" * 32, acr=3)):
        async with browser(node, actor) as client:
            for path in ("/staff/seals", "/staff/seals/apply", f"/staff/seals/{make.document().id}", f"/staff/seals/requests/{make.document().id}"):
                assert (await client.get(path, follow_redirects=False)).status_code in {303, 403}, path
