"""Choosing what to show, and what a verifier may ask: purposes, over-asking, pauses, reports and their answers (R-404, T-53)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import msgspec
import pytest

from tongban import credentials, seals
from tongban.credentials import api
from tongban.credentials.actions import ended, many, reports, verifiers, verify
from tongban.credentials.errors import UnitSuspended
from tongban.credentials.queries.types import purposes, type_named
from tongban.credentials.rules import chooser
from tongban.credentials.tests import make
from tongban.credentials.tests.test_doors import browser, send
from tongban.kernel.clock import SetClock
from tongban.kernel.errors import NotFound

AT = datetime(2026, 11, 18, 2, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
async def node(make_node):
    made = await make_node("500000", clock=SetClock(AT))
    await seals.set_up(made)
    await credentials.set_up(made)
    return made


@pytest.fixture
async def card(node):
    node.clock.move(timedelta(minutes=10))
    async with node.db.transaction() as tx:
        return await make.licence(tx, node)


async def bound(node, *of: str) -> verifiers.Bound:
    async with node.db.transaction() as tx:
        made = await verifiers.make_verifier(tx, node, make.staff(), name="演示银行", org_code="11100000000013338W", purposes=of)
        assert isinstance(made[1], str)
        found = await verifiers.bind(tx, node, code=made[1], label="柜台 07")
    assert isinstance(found, verifiers.Bound)
    return found


async def show(node, card, disclosure: str = "") -> str:
    async with node.db.transaction() as tx:
        return (await credentials.present(tx, node, make.citizen(), card.id, disclosure)).token


def test_the_least_is_the_default_for_the_type_and_for_each_purpose(node):
    kind = type_named(node, "营业执照")
    assert kind is not None
    ways = chooser.choices(kind, purposes(node))
    assert len(ways[0].seen) == min(len(one.seen) for one in ways if not one.purpose_name)
    assert chooser.choice(kind, purposes(node), "nonsense") == ways[0]
    bank = chooser.choice(kind, purposes(node), "for:bank_company")
    assert set(bank.seen) == {"名称", "统一社会信用代码"}, "what it cannot do without, not all it may ask"
    assert "法定代表人" in bank.unseen
    assert not [one for one in ways if one.purpose == "hotel"], "a hotel does not ask for a business licence"


async def test_a_code_for_a_bank_tells_a_clinic_nothing(node, card):
    """T-53: the holder named the purpose; a unit with another one sees valid or not, and no field."""
    text = await show(node, card, "for:bank_company")
    clinic = (await bound(node, "clinic")).browser
    found = await verify.verify_presentation(node, text, clinic)
    assert (found.kind, found.fields) == ("valid", {})
    assert "单位开户核对" in found.reason
    assert "演示科技" not in repr(found)
    async with node.db.transaction() as tx:
        hers = await make.permit(tx, node, subject=make.SUBJECT)
    teller = (await bound(node, "bank_person")).browser
    other = await verify.verify_presentation(node, await show(node, hers, "for:hotel"), teller)
    assert (other.kind, other.fields) == ("valid", {}), "its purpose may see names too, but she meant a hotel"
    bank = (await bound(node, "bank_company")).browser
    assert (await verify.verify_presentation(node, await show(node, card, "for:bank_company"), bank)).fields["credit_code"] == card.number


async def test_asking_for_more_than_the_purpose_is_refused(node, card):
    """T-53: over-asking is refused, not cut; asking for less gives less, and the record says so."""
    key = (await bound(node, "bank_company", "age")).key

    async with browser(node) as client:

        async def ask(**body):
            answer = await client.post(
                "/api/verify", content=msgspec.json.encode({"code": await show(node, card, "full"), **body}), headers={"authorization": f"Bearer {key}"}
            )
            return answer.status_code, answer.json()

        less = await ask(ask=["company_name"])
        assert less[1]["fields"] == {"company_name": make.COMPANY["company_name"]}
        for body in ({"ask": ["number"]}, {"purpose": "hotel"}, {"purpose": "age", "ask": ["company_name"]}, {"ask": ["capital"]}):
            status, said = await ask(**body)
            assert status == 403, body
            assert "演示科技" not in repr(said)
        bare = await client.post("/api/verify", content=msgspec.json.encode({"code": await show(node, card), "ask": ["company_name"]}))
        assert bare.status_code == 403
    async with node.db.reading() as tx:
        views = await credentials.views(tx, node, make.SUBJECT, card.id)
    assert [one.fields for one in views] == [("名称",)], "refused questions never reached the holder's record"


async def test_only_chosen_fields_in_the_whole_response(node, card):
    """F9, T-53: the whole answer of page and API is searched for every value that was not chosen."""
    key = (await bound(node, "bank_company")).key
    hidden = [make.COMPANY[name] for name in ("legal_representative", "address", "capital", "business_scope")] + [make.SUBJECT, str(card.id), card.identifier]
    async with browser(node) as client:
        client.cookies.set("__Host-tb_window", key)
        page = await send(client, "/verify", "/verify", {"code": await show(node, card)})
        machine = await client.post(
            "/api/verify", content=msgspec.json.encode({"code": await show(node, card)}), headers={"authorization": f"Bearer {key}"}
        )
    for answer in (page, machine):
        assert make.COMPANY["company_name"] in answer.text
        whole = answer.text + repr(answer.headers)
        assert not [word for word in hidden if word in whole]


async def test_a_suspended_unit_is_refused_and_resumed(node, card):
    """A unit under inquiry may not check at all, by page, by API, or as a window; resumed, it may."""
    made = await bound(node, "bank_company")
    boss = make.staff("boss", "credentials.verifiers")
    url = f"/staff/verifiers/{made.browser.verifier.id}"
    async with browser(node, boss) as desk, browser(node) as client:
        client.cookies.set("__Host-tb_window", made.key)
        assert (await send(desk, "/staff/verifiers", url, {"act": "suspend"})).status_code == 303
        assert "暂停了" in (await desk.get("/staff/verifiers")).text
        assert (await client.get("/verify")).status_code == 403
        asked = await client.post(
            "/api/verify", content=msgspec.json.encode({"code": await show(node, card)}), headers={"authorization": f"Bearer {made.key}"}
        )
        assert asked.status_code == 403
        async with node.db.reading() as tx:
            with pytest.raises(UnitSuspended):
                await verifiers.browser(tx, made.key)
        assert (await send(desk, "/staff/verifiers", url, {"act": "resume"})).status_code == 303
        assert (await client.get("/verify")).status_code == 200


async def test_a_report_reaches_the_operator_and_the_answer_the_holder(node, card):
    """举报: from the holder's record to the desk of the verifier's node, without the holder's name, and back."""
    window = (await bound(node, "bank_company")).browser
    await verify.verify_presentation(node, await show(node, card), window)
    async with node.db.reading() as tx:
        view = (await credentials.views(tx, node, make.SUBJECT, card.id))[0]
    records = f"/wallet/{card.id}/records"
    async with browser(node, make.citizen()) as her, browser(node, make.staff("boss", "credentials.verifiers")) as desk, browser(node, make.staff("none")) as none:
        sent = await send(her, records, f"{records}/{view.id}/report", {"words": "我没去过这家银行"})
        assert sent.status_code == 303
        await send(her, f"/wallet/{card.id}/offline", f"{records}/{view.id}/report", {"words": "再说一次"})
        assert (await none.get("/staff/verifiers/reports")).status_code == 403
        page = (await desk.get("/staff/verifiers/reports")).text
        assert page.count("我没去过这家银行") == 1
        assert make.SUBJECT not in page
        assert "陈演示" not in page
        url = f"/staff/verifiers/reports/{node.id}/{view.id}"
        assert (await send(desk, "/staff/verifiers/reports", url, {"words": ""})).status_code == 422
        assert (await send(desk, "/staff/verifiers/reports", url, {"words": "查过监控，是柜员扫错了，已经处理"})).status_code == 303
        seen = (await her.get(records)).text
        assert "是柜员扫错了" in seen
        assert "我没去过这家银行" in seen
    async with node.db.transaction() as tx:
        with pytest.raises(NotFound):
            await reports.answer(tx, node, make.staff("boss"), node.id, view.id, "再答复一次")
        await tx.execute("UPDATE credential_view SET answered_at = NULL WHERE id = $1", view.id)
        with pytest.raises(ValueError, match="not asked"):
            await reports.take_answer(tx, node, "510000", {"id": view.id, "words": "假的答复"})


async def test_many_codes_at_once_and_their_homes_told_after(node):
    """批量核对: each in its place, each once, ended cards known by marks; the holders' records are written by the job."""
    key = (await bound(node, "bank_company")).key
    async with node.db.transaction() as tx:
        card, gone = await make.licence(tx, node), await make.licence(tx, node)
    good, twice, other = await show(node, card, "full"), await show(node, card), await show(node, gone)
    node.clock.move(timedelta(seconds=5))
    async with node.db.transaction() as tx:
        await credentials.revoke(tx, node, make.staff("head"), make.SUBJECT, gone.id, "虚假登记")
        await ended.publish(tx, node)
    async with browser(node) as client:

        async def ask(**body):
            return await client.post("/api/verify/many", content=msgspec.json.encode(body), headers={"authorization": f"Bearer {key}"})

        said = (await ask(codes=[good, "x", twice, twice, other])).json()["results"]
        assert [(one["verdict"], one["code"]) for one in said] == [
            ("valid", "valid"), ("false", "not_ours"), ("valid", "valid"), ("used", "used"), ("revoked", "revoked"),
        ]  # fmt: skip
        assert said[0]["fields"]["company_name"] == make.COMPANY["company_name"]
        assert "演示大道" in repr(said[0]["fields"]), "what the purpose allows of what she chose"
        assert "壹佰万元" not in repr(said)
        assert [one["code"] for one in (await ask(codes=[good])).json()["results"]] == ["used"]
        assert (await ask(codes=[good], ask=["capital"])).status_code == 403
        for wrong in ({"codes": []}, {"codes": ["x"] * 65}, {"codes": "x"}):
            assert (await ask(**wrong)).status_code == 400
        assert (await client.post("/api/verify/many", content=b'{"codes":["x"]}')).status_code == 401
    async with node.db.reading() as tx:
        rows = await tx.fetch("SELECT payload FROM pgqueuer WHERE entrypoint = $1 ORDER BY id", many.JOB)
    for row in rows:
        await many.tell_homes(node, msgspec.json.decode(row["payload"]))
    async with node.db.reading() as tx:
        views = await credentials.views(tx, node, make.SUBJECT, card.id)
    assert [(one.unit, one.result) for one in views] == [("演示银行", "valid")] * 2


FOREIGN = (
    "https://example.test/", "http://500000.localhost/wallet", "//example.test", "javascript:alert(1)", "data:text/html,x", "weixin://dl/x", "alipays://x",
    "WIFI:S:x;;", "tel:12345", "sms:12345:hi", "mailto:a@example.test", "BEGIN:VCARD", "geo:0,0", "gz1:ABC", "GZ2:ABC", " GZ1", "HC1:6BF", "otpauth://x", "file:///etc/passwd", "12345678",
)  # fmt: skip


async def test_foreign_codes_are_never_opened(node):
    """T-59: 20 codes that are not ours: named as such, no link, no redirect, nothing of them on the page."""
    async with browser(node) as client:
        for code in FOREIGN:
            answer = await send(client, "/verify", "/verify", {"code": code})
            assert answer.status_code == 200, "opened foreign host"
            assert "不是亮证的码" in answer.text
            assert "location" not in answer.headers
            assert code not in answer.text


async def test_many_cards_are_found_by_name_and_narrowed(node):
    """Several licences in one wallet: searched, narrowed, nothing offered that finds nothing."""
    who = "p1demo0000000000000000000777"
    async with node.db.transaction() as tx:
        for _ in range(3):
            await make.licence(tx, node, subject=who)
        await make.permit(tx, node, subject=who)
    async with browser(node, make.citizen(who)) as client:
        every = (await client.get("/wallet")).text
        assert every.count("给人看</a>") == 4
        assert "only=company" in every
        assert "only=ended" not in every
        assert (await client.get("/wallet?only=company")).text.count("给人看</a>") == 3
        assert (await client.get("/wallet", params={"q": "身份证"})).text.count("给人看</a>") == 1
        assert "没有找到" in (await client.get("/wallet", params={"q": "护照"})).text


async def test_the_page_says_who_will_see_what(node, card):
    async with browser(node, make.citizen()) as client:
        least = (await client.get(f"/wallet/{card.id}/show")).text
        assert "对方看：名称、统一社会信用代码" in least
        assert "对方看不到：" in least
        meant = (await client.get(f"/wallet/{card.id}/show", params={"d": "for:bank_company"})).text
        assert "只给单位开户核对看：" in meant
        assert "d=for%3Abank_company" in meant or "d=for:bank_company" in meant


async def test_the_machines_door_reads_no_further_than_its_limit(node, card):
    """R-404: POST only; in pieces as well as whole; too much, broken off or no question at all is refused and takes no code."""
    text = await show(node, card)
    async with browser(node) as client:
        assert (await client.get("/api/verify")).status_code == 405

        async def pieces(*parts):
            for part in parts:
                yield part

        for body in (b"", b"{}", b"\xff", b'{"code":1}', b'{"code":"' + b"A" * 9000 + b'"}', pieces(*[b" " * 4000] * 3)):
            answer = await client.post("/api/verify", content=body)
            assert (answer.status_code, answer.headers["cache-control"]) == (400, "no-store")
        whole = msgspec.json.encode({"code": text})
        said = await client.post("/api/verify", content=pieces(whole[:10], whole[10:]))
        assert (said.json()["verdict"], said.json()["fields"]) == ("valid", {})
        assert {"content-security-policy", "x-content-type-options", "referrer-policy"} <= set(said.headers)
    sent = []

    async def gone():
        return {"type": "http.disconnect"}

    async def heard(message):
        sent.append(message)

    with pytest.raises(api.BadQuestion):
        await api.check.fn({"type": "http", "method": "POST", "headers": [], "litestar_app": SimpleNamespace(state=SimpleNamespace(node=node))}, gone, heard)
    assert not sent
