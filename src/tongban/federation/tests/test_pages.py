"""The operators' pages: who may look, what waits, two persons, a sentence for each refusal (federation.md 11)."""

from __future__ import annotations

import re
from contextlib import asynccontextmanager
from datetime import timedelta

import httpx
import pytest
from litestar import Litestar, Request
from litestar.datastructures import State
from litestar.di import Provide

from tongban import federation, ui
from tongban.federation import letters, pages
from tongban.federation.actions import recover
from tongban.federation.actions.snapshot import take_snapshot
from tongban.federation.actions.stamp import stamp
from tongban.federation.tests.make import deliver, nation, officer, old_trust
from tongban.kernel.actor import NOBODY, Actor, Assignment

LOOKER = Actor(
    kind="staff", staff_id="looker", assignments=(Assignment("auditor", frozenset({"federation.see"}), "000000"),)
)


async def note(tx, node, letter):
    raise RuntimeError("cannot")


listed: list[int] = []


async def keep(tx, node, letter):
    if node.id == "510000":
        listed.append(letter.body["n"])


@pytest.fixture(scope="module")
async def nodes(make_node):
    async with nation(make_node, "500000", "510000", letters_too={("demo.note", 1): note}) as nodes:
        for n in range(2):
            async with nodes["500000"].db.transaction() as tx:
                await federation.send(tx, nodes["500000"], to="510000", kind="demo.note", about="demo:p", body={"n": n})
        await deliver(nodes)
        yield nodes


@asynccontextmanager
async def desk(node, actor):
    async def provide_node():
        return node

    async def provide_actor(request: Request):
        request.state["actor"] = actor
        return actor

    app = Litestar(
        pages.routes, dependencies={"node": Provide(provide_node), "actor": Provide(provide_actor)}, state=State({"node": node}),
        before_send=[ui.before_send], exception_handlers=ui.exception_handlers, openapi_config=None, logging_config=None,
    )  # fmt: skip
    ui.wire(app, ui.Wiring(secret=b"s" * 32, site="四川省", organiser="四川省", demo=True, staff_notice=lambda: federation.trust_words(node)))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="https://510000.test") as client:
        yield client


async def see(client, path):
    answer = await client.get(path, headers={"accept": "text/html"})
    token = re.search(r'name="tb_token" value="([^"]+)"', answer.text)
    return answer, token[1] if token else ""


async def send(client, path, token, **fields):
    return await client.post(
        path, data={"tb_token": token, **fields}, headers={"accept": "text/html", "sec-fetch-site": "same-origin"}
    )


async def test_only_staff_with_the_role_may_look(nodes):
    async with desk(nodes["510000"], NOBODY) as client:
        assert (await see(client, "/staff/nodes"))[0].status_code in (303, 401)
    async with desk(nodes["510000"], Actor(kind="staff", staff_id="x")) as client:
        assert (await see(client, "/staff/nodes"))[0].status_code == 403


async def test_the_page_shows_every_node_and_what_waits_without_any_body(nodes):
    async with desk(nodes["510000"], LOOKER) as client:
        answer, _ = await see(client, "/staff/nodes")
    assert answer.status_code == 200
    for text in (
        "重庆市",
        "四川省，本节点",
        "国家节点（演示）",
        "demo.note 第 1 版",
        "办理时出错，会自动再试",
        "RuntimeError",
        "有信停放",
    ):
        assert text in answer.text
    assert "全部重试" not in answer.text


async def test_two_persons_set_a_letter_aside(nodes):
    node = nodes["510000"]
    async with node.db.reading() as tx:
        letter = (await federation.parked(tx))[0].id
    path = f"/staff/nodes/letters/{letter}"
    async with desk(node, officer("a")) as client:
        _, token = await see(client, path)
        empty = await send(client, f"{path}/aside", token, step="ask", reason="")
        assert empty.status_code == 422
        assert "请写明为什么搁置" in empty.text
        assert (await send(client, f"{path}/aside", token, step="ask", reason="演示：对方误发")).status_code == 303
        assert "等另一位同事确认" in (await see(client, path))[0].text
        assert (await send(client, f"{path}/aside", token, step="confirm")).status_code == 422
    async with desk(node, officer("b")) as client:
        _, token = await see(client, path)
        assert (await send(client, f"{path}/aside", token, step="confirm")).status_code == 303
        assert "已搁置" in (await see(client, path))[0].text


async def test_an_operator_asks_for_another_try(nodes):
    node = nodes["510000"]
    done = []

    async def mended(tx, node, letter):
        done.append(letter.body["n"])

    federation.register({("demo.note", 1): mended}, {}, node=node)
    async with desk(node, officer("a")) as client:
        _, token = await see(client, "/staff/nodes")
        assert (await send(client, "/staff/nodes/replay", token)).status_code == 303
        assert done == [1]
        assert "没有停放的信" in (await see(client, "/staff/nodes"))[0].text


async def test_a_letter_nobody_has_is_not_found(nodes):
    async with desk(nodes["510000"], LOOKER) as client:
        assert (await see(client, "/staff/nodes/letters/019aa5c4-02b7-7e55-8a41-6c1de0b7f902"))[0].status_code == 404


async def test_the_hub_invites_and_a_wrong_field_has_its_sentence(nodes):
    async with desk(nodes["cn"], officer("a")) as client:
        _, token = await see(client, "/staff/nodes")
        wrong = await send(
            client,
            "/staff/nodes/invite",
            token,
            node="五三",
            name="",
            organisation="1",
            role="province",
            divisions="53",
        )
        assert wrong.status_code == 422
        for text in ("节点编号用 2 到 16 个", "请填节点名称", "统一社会信用代码是 18 位"):
            assert text in wrong.text
        right = await send(
            client,
            "/staff/nodes/invite",
            token,
            node="530000",
            name="云南省（演示）",
            organisation="11100000000013338W",
            role="province",
            divisions="53",
        )
        assert right.status_code == 200
        assert re.search(r"[0-9A-Z]{4}(-[0-9A-Z]{4}){5}-[0-9A-Z]{2}", right.text)


async def test_a_fingerprint_that_is_none_is_refused(nodes):
    async with desk(nodes["510000"], officer("a")) as client:
        _, token = await see(client, "/staff/nodes")
        answer = await send(client, "/staff/nodes/trust", token, node="500000", fingerprint="abc")
        assert answer.status_code == 422
        assert "指纹以 sm3: 开头" in answer.text


async def test_two_officers_suspend_a_node_and_let_it_in_again(nodes):
    hub = nodes["cn"]
    for status, words in (("suspended", "已暂停"), ("active", "正常")):
        async with desk(hub, officer("a")) as client:
            page, token = await see(client, "/staff/nodes")
            for panel in ("断点", "恢复", "发件", "撤销一把密钥"):
                assert panel in page.text
            short = await send(client, "/staff/nodes/proposals", token, kind="node_status", status_node="500000", status=status, why_status="")
            assert short.status_code == 422
            assert "请写明原因" in short.text
            fields = {"kind": "node_status", "status_node": "500000", "status": status, "why_status": "演示：例行演练"}
            assert (await send(client, "/staff/nodes/proposals", token, **fields)).status_code == 303
            page, token = await see(client, "/staff/nodes")
            path = re.search(r"/staff/nodes/proposals/[0-9a-f-]{36}", page.text)[0]
            assert "收回" in page.text
            assert (await send(client, path, token, decision="agree")).status_code == 422, "one officer was enough"
        async with desk(hub, officer("b")) as client:
            _, token = await see(client, "/staff/nodes")
            assert (await send(client, path, token, decision="agree")).status_code == 303
            assert words in (await see(client, "/staff/nodes"))[0].text


async def test_a_recovery_shows_its_span_of_doubt_and_what_waits_for_a_person(nodes):
    node = nodes["510000"]
    async with node.db.transaction() as tx:
        await federation.send(tx, node, to="*", kind="demo.told", about="demo:told", body={"n": 1})
    await stamp(node)
    assert await federation.restored(node)
    async with desk(node, officer("a")) as client:
        page, _ = await see(client, "/staff/nodes")
    for text in ("正在恢复", "操作员报告恢复过", "还没有节点回话", "提出不等了", "存疑的时段"):
        assert text in page.text, text
    await recover.recover(node)
    async with desk(node, officer("a")) as client:
        page, _ = await see(client, "/staff/nodes")
    assert "正在恢复" not in page.text
    assert "已开纪元" in page.text


async def test_every_back_office_page_says_that_trust_is_old(nodes):
    """federation.md 3, T-35: the line stands above the page while the directory is past its time, and goes with it."""
    node = nodes["510000"]
    for past, words in ((timedelta(minutes=1), "四级业务暂停。请平台管理员检查"), (timedelta(days=31), "只能办本地的事，四级业务暂停")):
        async with old_trust(node, past), desk(node, LOOKER) as client:
            page, _ = await see(client, "/staff/nodes")
            assert words in page.text
    async with desk(node, LOOKER) as client:
        page, _ = await see(client, "/staff/nodes")
        assert "四级业务暂停" not in page.text


async def test_old_trust_refuses_the_highest_level_only(nodes):
    """federation.md 3: what is done on the directory's word alone is refused, and may be asked again."""
    node = nodes["510000"]
    async with old_trust(node, timedelta(minutes=1)), node.db.reading() as tx:
        await federation.require_fresh_trust(tx, node, 3)
        with pytest.raises(federation.StaleTrust):
            await federation.require_fresh_trust(tx, node)


async def test_two_officers_go_on_from_a_snapshot_after_a_long_time_away(nodes):
    """federation.md 7, 11: the facts to everybody come at once; what was for this node alone is said for a person; never over a fork."""
    a, b = nodes["500000"], nodes["510000"]
    federation.register({**letters.LETTERS, ("demo.list", 1): keep}, letters.CALLS, node=b)
    await deliver(nodes)
    async with a.db.transaction() as tx:
        for n, to in ((1, "*"), (2, "510000"), (3, "*")):
            await federation.send(tx, a, to=to, kind="demo.list", about=f"demo:{n}", body={"n": n})
    await stamp(a)

    async def cursor():
        async with b.db.reading() as tx:
            return dict(await tx.fetchrow("SELECT epoch, seq, stopped FROM letter_cursor WHERE origin = '500000'"))

    async def asked(client, **change):
        _, token = await see(client, "/staff/nodes")
        fields = {"kind": "load_snapshot", "snapshot_node": "500000", "why_snapshot": "演示：断开一年", **change}
        return await send(client, "/staff/nodes/proposals", token, **fields)

    async def agreed():
        async with desk(b, officer("b")) as client:
            page, token = await see(client, "/staff/nodes")
            assert "从 500000 的快照接着读" in page.text
            return await send(client, re.search(r"/staff/nodes/proposals/[0-9a-f-]{36}", page.text)[0], token, decision="agree")

    async with desk(b, officer("a")) as client:
        assert (await asked(client, snapshot_node="999999")).status_code == 422
        assert (await asked(client)).status_code == 303
    before = await cursor()
    assert "还没有它的快照" in (await agreed()).text
    assert await cursor() == before
    made = await take_snapshot(a)
    assert (await agreed()).status_code == 303
    assert await cursor() == {"epoch": made.epoch, "seq": made.seq, "stopped": None}
    assert listed == [1, 3], "the facts to everybody, and nothing twice"
    async with desk(b, officer("a")) as client:
        page, _ = await see(client, "/staff/nodes")
        assert "只写给本节点的信没有读" in page.text
        async with b.db.transaction() as tx:
            await tx.execute("UPDATE letter_cursor SET stopped = 'fork' WHERE origin = '500000'")
        assert "快照盖不过去" in (await asked(client)).text, "a snapshot covered a fork"
    async with b.db.transaction() as tx:
        await tx.execute("UPDATE letter_cursor SET stopped = NULL WHERE origin = '500000'")
        await federation.send(tx, b, to="*", kind="demo.list", about="demo:x", body={"n": 9})
    async with a.db.transaction() as tx:
        await federation.send(tx, a, to="510000", kind="demo.list", about="demo:4", body={"n": 4})
    await deliver(nodes)
    assert listed[-1] == 4, "and it reads on from there"
