"""The pages: each opens, the flow goes through HTTP forms, and nothing is shown that should not be (F8, F9, T-51, T-53)."""

from __future__ import annotations

import io
import re
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import httpx
import msgspec
import pytest
import segno
from litestar import Litestar, Request
from litestar.datastructures import State
from litestar.di import Provide

from tongban import credentials, seals, ui
from tongban.credentials import api, pages
from tongban.credentials.actions import verifiers
from tongban.credentials.tests import make
from tongban.kernel.actor import NOBODY, Actor
from tongban.kernel.clock import SetClock
from tongban.kernel.node import Node

AT = datetime(2026, 11, 18, 2, 0, tzinfo=UTC)
HOST = "https://500000.test"


@pytest.fixture(scope="module")
async def node(make_node):
    made = await make_node("500000", clock=SetClock(AT))
    await seals.set_up(made)
    await credentials.set_up(made)
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
        [*pages.routes, *api.routes], dependencies={"node": Provide(provide_node), "actor": Provide(provide_actor)},
        state=State({"node": node}), exception_handlers={**ui.exception_handlers}, before_send=[ui.before_send], openapi_config=None,
        logging_config=None,
    )  # fmt: skip
    ui.wire(app, ui.Wiring(secret=b"s" * 32, base_url=HOST))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=HOST) as client:
        client.headers.update({"accept": "text/html", "origin": HOST})
        client.cookies.set("__Host-tb_staff", "desk-session")
        yield client


async def send(client, page: str, path: str, fields: dict, **more):
    """Post a form with the token of the page it stands on."""
    body = (await client.get(page)).text
    token = re.search(r'name="tb_token" value="([^"]+)"', body)
    assert token, body[:500]
    return await client.post(path, data={"tb_token": token.group(1), **fields}, follow_redirects=False, **more)


@pytest.fixture
async def card(node):
    node.clock.move(timedelta(minutes=10))
    async with node.db.transaction() as tx:
        return await make.licence(tx, node)


@pytest.fixture
async def window_key(node):
    async with node.db.transaction() as tx:
        made = await verifiers.make_verifier(
            tx,
            node,
            make.staff(),
            name="演示银行",
            org_code="11100000000013338W",
            purposes=("bank_company", "bank_person"),
        )
        return (await verifiers.bind(tx, node, code=made[1], label="柜台 07")).key


def code_in(page: str, node: Node) -> str:
    """The text of the QR on a page, read from its picture as a scanner does."""
    svg = re.search(r"<svg[^>]*class=\"qr\".*?</svg>", page, re.DOTALL)
    assert svg
    return svg.group(0)


async def shown(client, card) -> tuple[str, str]:
    page = (await client.get(f"/wallet/{card.id}/show")).text
    digits = re.search(r'data-digits="(\d{8})"', page).group(1)
    return page, digits


async def test_wallet_pages_open_and_hide_the_middle(node, card):
    async with browser(node, make.citizen()) as client:
        page = await client.get("/wallet")
        assert page.status_code == 200
        assert "成都市演示科技有限公司" in page.text
        one = await client.get(f"/wallet/{card.id}")
        assert one.status_code == 200
        assert "陈*示" in one.text
        assert "陈演示" not in one.text
        assert "陈演示" in (await client.get(f"/wallet/{card.id}?all=1")).text
        assert (await client.get(f"/wallet/{card.id}/records")).status_code == 200
        ofd = await client.get(f"/wallet/{card.id}/document.ofd")
        assert ofd.headers["content-disposition"].startswith("attachment")
        picture = await client.get(f"/wallet/{card.id}/picture.svg")
        assert picture.text.startswith("<svg")
        assert "sandbox" in picture.headers["content-security-policy"]
        data = (await client.get(f"/wallet/{card.id}/data.json")).json()
        assert data["identifier"] == card.identifier
    async with node.db.reading() as tx:
        assert seals.verify_ofd(ofd.content, await seals.anchors(tx)).ok


async def test_another_person_gets_a_plain_404(node, card):
    async with browser(node, make.citizen("p1stranger")) as client:
        for path in ("", "/show", "/records", "/document.ofd", "/picture.svg", "/data.json", "/receipt.json"):
            answer = await client.get(f"/wallet/{card.id}{path}")
            assert answer.status_code == 404, path
            assert "演示科技" not in answer.text


async def test_nobody_is_sent_to_sign_in(node, card):
    async with browser(node) as client:
        answer = await client.get(f"/wallet/{card.id}/show", follow_redirects=False)
    assert answer.status_code in {303, 401}


async def test_show_then_verify_then_the_holder_sees_it(node, card, window_key):
    async with browser(node, make.citizen()) as holder, browser(node) as bank:
        page, digits = await shown(holder, card)
        assert 'http-equiv="refresh"' in page
        assert "对方看：名称、统一社会信用代码" in page
        bank.cookies.set("__Host-tb_window", window_key)
        start = await bank.get("/verify")
        assert "演示银行" in start.text
        assert "单位开户核对" in start.text
        verdict = await send(bank, "/verify", "/verify", {"code": "", "digits": digits, "home": "500000"})
        assert verdict.status_code == 200
        assert "有效" in verdict.text
        assert "成都市演示科技有限公司" in verdict.text
        assert "陈演示" not in verdict.text
        assert verdict.headers["cache-control"] == "no-store"
        records = await holder.get(f"/wallet/{card.id}/records")
        assert "演示银行" in records.text
        assert "为了单位开户核对，看了名称、统一社会信用代码" in records.text
        view = re.search(r"/records/([0-9a-f-]{36})/report", records.text).group(1)
        said = await send(
            holder, f"/wallet/{card.id}/records", f"/wallet/{card.id}/records/{view}/report", {"words": "我没去过"}
        )
        assert said.status_code == 303
        assert "举报了" in (await holder.get(f"/wallet/{card.id}/records")).text


async def test_the_holder_deletes_the_record_and_the_ledger_stays(node, card, window_key):
    """R-409, privacy.md 4: one opening and one button, without JavaScript; a look under report stays; the ledger's line and leaf stay."""
    async with browser(node, make.citizen()) as holder, browser(node) as bank:
        bank.cookies.set("__Host-tb_window", window_key)
        for _ in range(2):
            _, digits = await shown(holder, card)
            await send(bank, "/verify", "/verify", {"code": "", "digits": digits, "home": "500000"})
        page = f"/wallet/{card.id}/records"
        view = re.search(r"/records/([0-9a-f-]{36})/report", (await holder.get(page)).text).group(1)
        await send(holder, page, f"{page}/{view}/report", {"words": "我没去过"})
        done = await send(holder, page, f"{page}/delete", {})
        assert (done.status_code, done.headers["location"]) == (303, f"{page}?done=deleted")
        after = (await holder.get(f"{page}?done=deleted")).text
        assert "删好了" in after
        assert after.count("/report") + after.count("我没去过") == 1, "the look under report stays, the other is gone"
        async with browser(node, make.citizen("p1demo0000000000000000000009")) as other:
            assert (await other.get(page)).status_code == 404
        async with node.db.transaction() as tx:
            await tx.execute("UPDATE credential_view SET answered_at = now()")
        await send(holder, page, f"{page}/delete", {})
        assert "还没有人看过" in (await holder.get(page)).text
    async with node.db.reading() as tx:
        kept = await tx.fetchval(
            "SELECT count(*) FROM access_record a JOIN log_leaf l ON l.id::text = a.leaf WHERE a.about = $1 AND a.kind = 'present'", f"credential:{card.id}"
        )
    assert kept == 2


async def token_of(node, card) -> str:
    async with node.db.transaction() as tx:
        return (await credentials.present(tx, node, make.citizen(), card.id)).token


async def test_a_photo_of_the_code_is_read_on_the_server(node, card, window_key):
    token = await token_of(node, card)
    picture = io.BytesIO()
    segno.make(token, error="m", mask=3, boost_error=False, micro=False).save(picture, kind="png", scale=5, border=4)
    async with browser(node) as bank:
        bank.cookies.set("__Host-tb_window", window_key)
        verdict = await send(
            bank, "/verify", "/verify", {"code": ""}, files={"photo": ("a.png", picture.getvalue(), "image/png")}
        )
        assert "成都市演示科技有限公司" in verdict.text
        again = await send(
            bank, "/verify", "/verify", {"code": ""}, files={"photo": ("a.png", picture.getvalue(), "image/png")}
        )
        assert "码用过了" in again.text
        node.clock.move(timedelta(seconds=61))
        late = await send(bank, "/verify", "/verify", {"code": token})
        assert "码过期了" in late.text
        for bad in (b"not a picture", b"\x89PNG\r\n\x1a\n" + b"0" * 50, b"<svg xmlns='http://www.w3.org/2000/svg'/>"):
            answer = await send(bank, "/verify", "/verify", {"code": ""}, files={"photo": ("a.png", bad, "image/png")})
            assert answer.status_code == 422
            assert "只收 JPG、PNG" in answer.text


async def test_unregistered_browser_learns_the_type_and_no_more(node, card):
    token = await token_of(node, card)
    async with browser(node) as client:
        assert "没有登记成查验方" in (await client.get("/verify")).text
        answer = await send(client, "/verify", "/verify", {"code": token})
        assert "营业执照" in answer.text
        assert "有效" in answer.text
        for word in ("演示科技", card.number, "陈演示"):
            assert word not in answer.text
        assert "持证人能看到这次核对" in answer.text
        assert "持证人" not in (await send(client, "/verify", "/verify", {"code": "GZ1:ABC"})).text, "nobody hears of what was no code"
        digits = await send(client, "/verify", "/verify", {"code": "", "digits": "12345678"})
        assert digits.status_code == 422
        assert (await send(client, "/verify", "/verify", {"code": ""})).status_code == 422


async def test_the_holder_is_told_all_that_a_stranger_sees(node, card):
    """R-404: a window nobody registered reads kind, issuer, end and state; the pages of the holder say no less."""
    async with browser(node, make.citizen()) as her, browser(node) as client:
        told = (await shown(her, card))[0]
        seen = (await send(client, "/verify", "/verify", {"code": await token_of(node, card)})).text
        records = (await her.get(f"/wallet/{card.id}/records")).text
    for label, words in (("谁发的", "谁发的"), ("有效期至", "到哪天")):
        assert label in seen
        assert words in told
        assert words in records


async def test_spoken_digits_typed_where_the_gun_types_are_spoken_digits(node, card, window_key):
    """R-404: the clerk's cursor stands in the field of the gun; eight digits there are no foreign code."""
    async with browser(node, make.citizen()) as her, browser(node) as client:
        digits = (await shown(her, card))[1]
        said = f"{digits[:4]} {digits[4:]}"
        bare = await send(client, "/verify", "/verify", {"code": said})
        assert "不是亮证的码" in bare.text, "only a registered window may ask by digits"
        client.cookies.set("__Host-tb_window", window_key)
        answer = await send(client, "/verify", "/verify", {"code": f" {said} ", "home": node.id})
    assert answer.status_code == 200
    assert "成都市演示科技有限公司" in answer.text


async def test_register_a_window_and_choose_a_purpose(node):
    async with node.db.transaction() as tx:
        made = await verifiers.make_verifier(
            tx, node, make.staff(), name="演示旅馆", org_code="11100000000013338W", purposes=("hotel", "age")
        )
    async with browser(node) as client:
        wrong = await send(client, "/verify/register", "/verify/register", {"code": "XXXX", "label": "前台"})
        assert wrong.status_code == 422
        assert "登记码不对" in wrong.text
        good = await send(client, "/verify/register", "/verify/register", {"code": made[1], "label": "前台"})
        assert good.status_code == 303
        assert good.headers["location"] == "/verify/purpose"
        cookie = good.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert "依据《旅馆业治安管理办法》" in (await client.get("/verify/purpose")).text
        await send(client, "/verify/purpose", "/verify/purpose", {"purpose": "age"})
        assert "用途：核对是否成年" in (await client.get("/verify")).text
        await send(client, "/verify/purpose", "/verify/purpose", {"purpose": "bank_person"})
        assert "用途：核对是否成年" in (await client.get("/verify")).text


async def test_the_machine_door_gives_the_same_verdict(node, card, window_key):
    async with browser(node) as client:
        token = await token_of(node, card)
        key = {"authorization": f"Bearer {window_key}"}
        first = await client.post("/api/verify", content=msgspec.json.encode({"code": token}), headers=key)
        assert first.status_code == 200
        answer = first.json()
        assert (answer["verdict"], answer["fields"]["company_name"]) == ("valid", "成都市演示科技有限公司")
        assert set(answer["fields"]) == {"company_name", "credit_code"}
        second = await client.post("/api/verify", content=msgspec.json.encode({"code": token}), headers=key)
        assert second.json()["code"] == "used"
        bare = await client.post("/api/verify", content=msgspec.json.encode({"code": await token_of(node, card)}))
        assert (bare.json()["verdict"], bare.json()["fields"], bare.json()["registered"]) == ("valid", {}, False)
        assert (await client.post("/api/verify", content=b"[]")).status_code == 400
        assert (await client.post("/api/verify", content=b'{"code":"x","extra":1}')).status_code == 400
        assert (
            await client.post("/api/verify", content=b"{}", headers={"authorization": "Bearer nonsense"})
        ).status_code == 401
        spoken = await client.post("/api/verify", content=b'{"digits":"12345678"}')
        assert (spoken.status_code, "登记过的查验方" in spoken.text) == (401, True)
        assert (await client.post("/api/verify", content=b'{"code":"' + b"A" * 9000 + b'"}')).status_code == 400


async def test_stop_and_five_minutes(node, card):
    async with browser(node, make.citizen()) as client:
        page, _ = await shown(client, card)
        renew = re.search(r'data-renew="([^"]+)"', page).group(1).replace("&amp;", "&")
        stopped = await send(client, f"/wallet/{card.id}/show", f"/wallet/{card.id}/show/stop", {})
        assert stopped.status_code == 303
        after = (await client.get(stopped.headers["location"])).text
        assert "出示停止了" in after
        assert "data-digits" not in after
        node.clock.move(timedelta(seconds=299))
        assert "data-digits" in (await client.get(renew)).text
        node.clock.move(timedelta(seconds=2))
        over = (await client.get(renew)).text
        assert "继续出示" in over
        assert "data-digits" not in over


async def test_hall_prints_and_hands_over(node, card):
    clerk = make.staff("clerk-1", "credentials.print", division="500103")
    other = make.staff("clerk-2", "credentials.print", division="500103")
    async with browser(node, make.citizen()) as holder, browser(node, clerk) as desk, browser(node, other) as second:
        asked = await send(holder, f"/wallet/{card.id}", f"/wallet/{card.id}/print", {"hall": "CQ-YZ-01"})
        assert asked.status_code == 303
        page = (await holder.get(f"/wallet/{card.id}")).text
        code = re.search(r'data-digits="(\d{8})"', page).group(1)
        queue = (await desk.get("/desk/prints")).text
        job = re.search(r"/desk/prints/([0-9a-f-]{36})", queue).group(1)
        url = f"/desk/prints/{job}"
        assert (await desk.get(url)).status_code == 200
        bad = await send(desk, url, f"{url}/print", {"identity": "yes", "code": "00000000", "blank_no": "YZ0001"})
        assert bad.status_code == 422
        assert "取证码不对" in bad.text
        good = await send(desk, url, f"{url}/print", {"identity": "yes", "code": code, "blank_no": "yz 0001"})
        assert good.status_code == 303
        sheet = await desk.get(f"{url}/paper")
        assert "YZ0001" in sheet.text
        assert (await desk.get(f"{url}/picture.svg")).text.startswith("<svg")
        assert "正在" not in (await desk.get(f"/verify/paper/{job}")).text
        # spoilt: said by one, confirmed by another, then printed again on a new blank
        await send(desk, url, f"{url}/spoilt", {})
        own = await desk.get(url)
        assert "另一位同事" in own.text
        await send(second, url, f"{url}/spoilt", {})
        used = await send(desk, url, f"{url}/print", {"identity": "yes", "code": code, "blank_no": "YZ0001"})
        assert "已经用过" in used.text
        await send(desk, url, f"{url}/print", {"identity": "yes", "code": code, "blank_no": "YZ0002"})
        done = await send(desk, url, f"{url}/hand-over", {"received_by": "陈演示"})
        assert done.status_code == 303
        assert "已交付" in (await desk.get(url)).text
        assert "已经交给持证人" in (await holder.get(f"/verify/paper/{job}")).text
        assert "领走了" in (await holder.get(f"/wallet/{card.id}")).text
        assert (await desk.get(f"{url}/picture.svg")).status_code == 409
    async with node.db.reading() as tx:
        assert await credentials.print_state(tx, card.id) == "handed_over"
        blanks = {
            row["blank_no"]: row["state"]
            for row in await tx.fetch("SELECT blank_no, state FROM credential_blank WHERE job = $1", job)
        }
        assert blanks == {"YZ0001": "spoilt", "YZ0002": "handed_over"}
        assert not await tx.fetchval("SELECT length(ofd) FROM credential_print_job WHERE id = $1", job)


async def test_hall_of_another_county_cannot_print(node, card):
    async with browser(node, make.staff("far", "credentials.print", division="500112")) as desk:
        async with node.db.transaction() as tx:
            order = await credentials.order_print(
                tx, node, subject=make.SUBJECT, credential_id=card.id, hall="CQ-YZ-01"
            )
        assert (await desk.get(f"/desk/prints/{order.id}")).status_code == 404
    async with browser(node, make.staff("none")) as desk:
        assert (await desk.get("/desk/prints")).status_code == 403


async def test_revoked_before_print_stops_the_order(node, card):
    async with node.db.transaction() as tx:
        order = await credentials.order_print(tx, node, subject=make.SUBJECT, credential_id=card.id, hall="CQ-YZ-01")
        again = await credentials.order_print(tx, node, subject=make.SUBJECT, credential_id=card.id, hall="CD-GX-01")
        assert again[0].code == "credentials.print_twice"
        await credentials.revoke(tx, node, make.staff("head"), make.SUBJECT, card.id, "撤销")
        assert await credentials.print_state(tx, card.id) == "cancelled"
        assert await tx.fetchval("SELECT state FROM credential_print_job WHERE id = $1", order.id) == "cancelled"
