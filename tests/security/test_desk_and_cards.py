"""Attacks at the desk, on uploads and on what is shown: each test is named after its row of docs/threat-model.md."""

from __future__ import annotations

import asyncio
import io
import re
import zipfile
import zlib
from typing import Any

import cbor2

from tongban import consent, credentials
from tongban.cases.tests import make as cases
from tongban.credentials.actions import verifiers
from tongban.credentials.rules import base45
from tongban.credentials.tests import make as cards

HER, HIM, HER_NAME, HER_NUMBER = cases.XIAOYU, cases.OTHER, "演示陈晓雨", cases.NUMBER
SIGN_IN = ("/login", "/staff/login", "/step-up", "/oidc/authorize")
OPEN = (
    "/about", "/accessibility", "/help", "/privacy", "/region", "/services", "/search", "/s/", "/info/", "/login", "/logout", "/discover",
    "/verify", "/api/", "/transparency", "/static/", "/mode", "/dev/components", "/demo/", "/federation/", "/oidc/", "/.well-known/", "/health",
    "/metrics", "/manifest", "/reviews", "/staff/login", "/staff/join", "/step-up", "/staff/logout",
    "/wallet/offline", "/sw.js", "/check-seal",  # the same empty page and script for everybody; whether a seal holds is public
    "/closed/", "/copies/",  # whoever holds a paper and its code, without an account; the address alone shows a question for the code
    "/levels", "/recover", "/scan", "/theft", "/unlock",  # for whoever cannot sign in: they read nobody
)  # fmt: skip
ACTS = ("correct", "accept", "not_accept", "review", "opinion", "grant", "refuse", "finish", "deliver", "transfer", "void", "extend", "special")


OWN = {"CQ-YB-01": "/desk", "CQ-YB-02": "/desk", "CQ-YY-01": "/staff/apps/new", "CQ-GX-01": "/staff/sharing"}


def token_of(text: str) -> str:
    found = re.search(r'name="tb_token" value="([^"]+)"', text)
    assert found, text[:300]
    return found[1]


async def bank(house: Any, *purposes: str) -> str:
    """The key of a registered window."""
    async with house.node.db.transaction() as tx:
        made = await verifiers.make_verifier(
            tx, house.node, cards.staff("operator"), name="演示银行", org_code=cards.credit_code(), purposes=purposes or ("bank_company",)
        )
        bound = await verifiers.bind(tx, house.node, code=str(made[1]), label="柜台")
    assert isinstance(bound, verifiers.Bound)
    return bound.key


async def licence(house: Any, disclosure: str = "") -> Any:
    async with house.node.db.transaction() as tx:
        issued = await cards.licence(tx, house.node, subject=HER)
        return issued, await credentials.present(tx, house.node, cards.citizen(HER), issued.id, disclosure)


async def check(house: Any, key: str, **asked: str) -> Any:
    headers = {"authorization": f"Bearer {key}"} if key else {}
    return await house.browser().client.post("/api/verify", json=asked, headers=headers)


async def test_t45_one_code_has_one_winner(house: Any) -> None:
    keys = [await bank(house) for _ in range(3)]
    _, shown = await licence(house)
    answers = await asyncio.gather(*(check(house, keys[n % 3], code=shown.token) for n in range(12)))
    kinds = [one.json()["verdict"] for one in answers]
    assert kinds.count("valid") == 1, f"two winners: {kinds}"


async def test_t51_a_forwarded_code_is_refused(house: Any) -> None:
    key, other = await bank(house), await bank(house)
    _, shown = await licence(house)
    assert (await check(house, key, code=shown.token)).json()["verdict"] == "valid"
    for again in (key, other, ""):
        assert (await check(house, again, code=shown.token)).json()["verdict"] == "used", "second scan valid"


async def test_t52_a_changed_code_is_never_valid(house: Any) -> None:
    key = await bank(house)
    _, shown = await licence(house)
    head, body = shown.token.split(":", 1)
    for at in range(0, len(body), max(1, len(body) // 60)):
        changed = body[:at] + ("A" if body[at] != "A" else "B") + body[at + 1 :]
        found = (await check(house, key, code=f"{head}:{changed}")).json()
        assert found["verdict"] != "valid", f"tampered valid at {at}"
        assert found["fields"] == {}, "tampered valid"


async def test_t53_only_what_the_purpose_needs_is_answered(house: Any) -> None:
    _, shown = await licence(house, "full")
    clinic = await check(house, await bank(house, "clinic"), code=shown.token)
    assert clinic.json()["verdict"] == "valid"
    for value in set(cards.COMPANY.values()) - {"2026-11-18"}:
        assert value not in clinic.text, "unchosen field in response"


def said(token: str) -> list[bytes]:
    """Every value of bytes that a code says, however deep."""

    def leaves(value: Any) -> list[bytes]:
        if isinstance(value, bytes):
            return [value]
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        return [leaf for one in inner for leaf in leaves(one)]

    return leaves(cbor2.loads(cbor2.loads(base45.decode(token.removeprefix("GZ1:")))[2]))


async def test_t54_two_visits_have_no_name_in_common(house: Any) -> None:
    key = await bank(house)
    issued, first = await licence(house)
    async with house.node.db.transaction() as tx:
        second = await credentials.present(tx, house.node, cards.citizen(HER), issued.id, "")
    texts = [(await check(house, key, code=one.token)).text for one in (first, second)]
    for secret in (issued.id, issued.identifier, HER, HER_NUMBER):
        assert not any(secret in text for text in texts), "stable id in an answer"
    raw = [said(one.token) for one in (first, second)]
    assert len(raw[0]) >= 3, "the code's own number, the card's for this once, and what lists of ended cards know"
    assert not set(raw[0]) & set(raw[1]), "stable id in a code"
    assert not any(HER.encode()[:16] in one or issued.id.encode()[:16] in one for one in (*raw[0], *raw[1])), "stable id in a code"


async def test_t56_spoken_digits_are_not_guessed(house: Any) -> None:
    key = await bank(house)
    _, shown = await licence(house)
    statuses = []
    for number in range(7):
        guess = f"{(int(shown.digits) + 1 + number) % 10**8:08d}"
        statuses.append((await check(house, key, digits=guess)).status_code)
    assert statuses[5:] == [429, 429], "hit by guessing"
    assert (await check(house, key, digits=shown.digits)).status_code == 429, "hit by guessing"


def png(width: int, height: int) -> bytes:
    """A PNG whose head promises many pixels and whose body is small."""

    def piece(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    head = width.to_bytes(4, "big") + height.to_bytes(4, "big") + b"\x08\x02\x00\x00\x00"
    return b"\x89PNG\r\n\x1a\n" + piece(b"IHDR", head) + piece(b"IDAT", zlib.compress(b"\x00" * 10_000)) + piece(b"IEND", b"")


def packed(name: str, size: int) -> bytes:
    box = io.BytesIO()
    with zipfile.ZipFile(box, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, b"0" * size)
    return box.getvalue()


HOSTILE = (
    ("a.jpg", b"<html><script>alert(1)</script></html>"), ("a.svg", b"<svg onload='alert(1)'/>"), ("a.html", b"<script>alert(1)</script>"),
    ("a.png", png(30_000, 30_000)), ("b.png", png(5_100, 5_100)), ("a.jpg", b"\xff\xd8\xff" + b"0" * 500), ("a.zip", packed("x", 10_000_000)),
    ("a.ofd", packed("other.xml", 10_000)), ("a.exe", b"MZ" + b"0" * 600), ("a.pdf", b"\xff\xd8\xff"), ("a.png", b""), ("a.jpg", b"PK\x03\x04junk"),
    ("a.xml", b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>'),
)  # fmt: skip


async def test_t58_hostile_files_are_not_opened(house: Any) -> None:
    async with house.node.db.transaction() as tx:
        from tongban import evidence

        for name, data in HOSTILE:
            done = await evidence.store(tx, house.node, cases.citizen(), cases.upload(data, name), kind="photo")
            assert isinstance(done, tuple), f"opened {name}"
            if name == "b.png":  # also dark: the count of its points must be what stops it
                assert done[0].code == "evidence.too_many_pixels", "opened a picture of 26 million points"
        # a picture with a script behind its end and a path for a name is kept as a picture, and leaves as a file only
        done = await evidence.store(
            tx, house.node, cases.citizen(), cases.upload(cases.photo() + b"<script>alert(1)</script>", "../../etc/x.jpg"), kind="photo"
        )
    assert isinstance(done, evidence.Material)
    answer = await (await house.person()).get(f"/me/materials/{done.id}")
    assert answer.headers["content-disposition"].startswith("attachment"), "opened in the page"
    assert "sandbox" in answer.headers["content-security-policy"], "opened in the page"
    assert answer.headers["x-content-type-options"] == "nosniff", "opened in the page"
    assert "/" not in done.name.reveal(), "opened a path"


async def test_t60_t78_every_look_of_the_desk_is_in_the_persons_ledger(house: Any) -> None:
    clerk, path = await house.officer("YZ-GA-01"), f"/desk/{house.ids['received']}"

    async def lines() -> list[Any]:
        async with house.node.db.reading() as tx:
            return [one for one in await consent.lines(tx, house.node.id, HER) if one.about == f"case:{house.ids['received']}"]

    before = sum(one.count for one in await lines())
    for _ in range(3):
        assert (await clerk.get(path)).status_code == 200
    after = await lines()
    assert sum(one.count for one in after) == before + 3, "view without ledger row"
    assert all(one.purpose and one.about and one.leaf for one in after), "person shown without reason"


async def test_t61_another_departments_clerk_gets_nothing(house: Any) -> None:
    case, before = house.ids["received"], await house.rows("case_history", "access_record")
    for staff_no in ("CQ-YB-01", "CQ-YB-02", "CQ-YY-01", "CQ-GX-01"):
        stranger = await house.officer(staff_no)
        looked = await stranger.get(f"/desk/{case}")
        assert looked.status_code in {403, 404}, f"other county's case opened: {staff_no}"
        assert HER_NAME not in looked.text, "other county's case opened"
        token = token_of((await stranger.get(OWN[staff_no])).text)
        for act in ACTS:
            answer = await stranger.post(f"/desk/{case}/{act}", {"tb_token": token})
            assert answer.status_code >= 400, f"other county's case: {act}"
    assert await house.rows("case_history", "access_record") == before, "other county's case changed"


async def test_t62_nobody_decides_their_own_case(house: Any) -> None:
    clerk_as_citizen = "n1" + "d" * 32
    await house.resident(clerk_as_citizen, "演示邓春梅", "500199198508180869", "13600001234")
    own = (await cases.sent(house.node, cases.citizen(clerk_as_citizen))).id
    clerk = await house.officer("YZ-GA-01")
    token = token_of((await clerk.get(f"/desk/{house.ids['received']}")).text)
    assert (await clerk.get(f"/desk/{own}")).status_code == 403, "own case decided"
    assert (await clerk.post(f"/desk/{own}/accept", {"complete": "yes", "tb_token": token})).status_code == 403, "own case decided"
    assert (await cases.held(house.node, own)).state == "received", "own case decided"


SCRIPTS = (
    "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "'-alert(1)-'", "{{7*7}}{% raw %}", "<svg/onload=alert(1)>", "javascript:alert(1)",
    "</title><script>alert(1)</script>", "&lt;script&gt;",
)  # fmt: skip


async def test_t66_what_was_typed_never_runs_at_the_desk(house: Any) -> None:
    clerk, her = await house.officer("YZ-GA-01"), await house.person()
    for text in SCRIPTS:
        sent = await cases.sent(house.node, address=f"重庆市渝中区演示路 {text} 号")
        for browser, path in ((clerk, f"/desk/{sent.id}"), (clerk, "/desk"), (her, f"/cases/{sent.id}"), (her, "/cases"), (her, "/messages"), (her, "/me")):
            answer = await browser.get(path)
            assert answer.status_code == 200, path
            if "<" in text:
                assert text not in answer.text, f"script ran: {path}"
            assert not re.search(r"href=[\"']javascript:", answer.text), f"script ran: {path}"
            assert "'unsafe-inline'" not in answer.headers["content-security-policy"], "script ran"


async def test_t70_no_page_can_be_framed(house: Any) -> None:
    her = await house.person()
    for path in house.paths("GET"):
        answer = await her.get(path)
        policy = answer.headers.get("content-security-policy", "")
        assert "frame-ancestors 'none'" in policy or "sandbox" in policy, f"framed: {path}"


async def test_t75_no_door_serves_nobody(house: Any) -> None:
    nobody = house.browser()
    token, closed = token_of((await nobody.get("/login")).text), 0
    before = await house.rows("draft", "case_record", "case_history", "material", "credential", "seal", "service_app", "data_grant", "review")
    for method, paths in (("GET", house.paths("GET")), ("POST", house.paths("POST"))):
        for path in paths:
            if path == "/" or path.startswith(OPEN):
                continue
            answer = await (nobody.get(path) if method == "GET" else nobody.post(path, {"tb_token": token}))
            location = answer.headers.get("location", "")
            assert answer.status_code >= 400 or location.startswith(SIGN_IN) or path == "/me/display", f"verb ran for nobody: {method} {path}"
            closed += 1
    assert closed > 90
    assert before == await house.rows("draft", "case_record", "case_history", "material", "credential", "seal", "service_app", "data_grant", "review")


async def test_t82_numbers_are_covered_where_they_are_only_listed(house: Any) -> None:
    her, clerk = await house.person(), await house.officer("YZ-GA-01")
    draft = await cases.filled(house.node, cases.citizen())
    pages = [(her, one) for one in ("/wallet", f"/wallet/{house.ids['card_id']}", "/me", "/cases", f"/apply/{draft}/check")]
    for browser, path in (*pages, (clerk, "/desk"), (clerk, f"/desk/{house.ids['received']}")):
        answer = await browser.get(path)
        assert answer.status_code == 200, path
        assert HER_NUMBER not in answer.text, f"number visible: {path}"


async def test_t91_one_service_is_rated_once_and_by_its_person(house: Any) -> None:
    her, him, path = await house.person(), await house.person(HIM), f"/review/{(await cases.brought(house.node, 'delivered')).id}"
    page = (await her.get(path)).text
    token = re.search(r'name="token" value="([^"]+)"', page)
    assert token, page[:400]
    data = {"token": token[1], "grade": "5"}
    stolen = await him.post(path, {**data, "tb_token": token_of((await him.get("/me")).text)})
    assert stolen.status_code == 404, "second review counted"
    before = (await house.rows("review"))["review"]
    await asyncio.gather(*(her.post(path, {**data, "tb_token": token_of(page)}) for _ in range(3)))
    await her.post(path, {**data, "tb_token": token_of(page)})
    assert (await house.rows("review"))["review"] == before + 1, "second review counted"


async def test_t92_a_file_over_the_limit_is_not_stored(house: Any) -> None:
    from tongban import evidence

    her, before = await house.person(), await house.rows("material")
    path = f"/apply/{await cases.filled(house.node, cases.citizen())}/materials"
    token = token_of((await her.get(path)).text)
    file = {"material-photo": ("a.jpg", cases.photo() + b"0" * 13_000_000, "image/jpeg")}
    assert (await her.post(path, {"tb_token": token}, files=file)).status_code == 413, "stored over limit"
    async with house.node.db.transaction() as tx:
        done = await evidence.store(tx, house.node, cases.citizen(), cases.upload(cases.photo() + b"0" * 10_500_000), kind="photo")
    assert isinstance(done, tuple), "stored over limit"
    assert await house.rows("material") == before, "stored over limit"
