"""Attacks on one node over its real doors: each test is named after its row of docs/threat-model.md."""

from __future__ import annotations

import base64
import re
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from tongban.cases.tests import make as cases

HER, HIM = cases.XIAOYU, cases.OTHER
HER_NAME, HER_NUMBER, HER_PHONE = "演示陈晓雨", cases.NUMBER, "13912345678"
PRIVATE = (HER_NAME, HER_NUMBER, "演示路 2 号", HER_PHONE)
MACHINES = ("/federation/", "/oidc/", "/api/verify", "/demo/people")  # no cookie counts there
SIGN_IN = ("/login", "/staff/login", "/step-up")
OPEN = (
    "/", "/about", "/accessibility", "/help", "/privacy", "/region", "/services", "/search", "/s/", "/info/", "/login", "/logout", "/discover",
    "/verify", "/api/", "/transparency", "/static/", "/mode", "/dev/components", "/demo/", "/federation/", "/oidc/", "/.well-known/", "/health",
    "/metrics", "/manifest", "/reviews", "/staff/login", "/staff/join", "/step-up", "/staff/logout", "/sw", "/me/display", "/wallet/offline",
)  # fmt: skip


def opened(path: str) -> bool:
    return any(path == one or (one != "/" and path.startswith(one)) for one in OPEN)


async def test_t02_a_declared_number_of_somebody_else_opens_nothing(house: Any) -> None:
    local = "l" + "q" * 26
    async with house.node.db.transaction() as tx:
        await identity_person(tx, house.node, local)
    thief = await house.person(local, acr=1, proof=1)
    listed = await thief.get("/cases")
    assert listed.status_code == 200
    assert house.ids["number"] not in listed.text, "foreign case listed"
    assert (await thief.get(f"/cases/{house.ids['case_id']}")).status_code == 404, "foreign case listed"


async def identity_person(tx: Any, node: Any, subject: str) -> None:
    from tongban.identity.actions.subjects import put_person

    await put_person(tx, node, subject, home=node.id, proof=1, name=HER_NAME, number=HER_NUMBER, photo_held=False, matched=False)


async def _signed_in(house: Any, browser: Any, phone: str, number: str) -> Any:
    await browser.post("/login", {"who": phone}, page="/login")
    sent = (await browser.get(f"/demo/sms?phone={phone}")).json()
    return await browser.post("/login/code", {"code": sent[0]["code"], "number": number}, page="/login/code")


async def test_t09_a_planted_session_is_never_signed_in(house: Any) -> None:
    planted = "A" * 43
    victim, thief = house.browser(s=planted), house.browser(s=planted)
    done = await _signed_in(house, victim, HER_PHONE, HER_NUMBER)
    assert done.status_code == 303
    assert (await victim.get("/me")).status_code == 200
    assert victim.jar["__Host-tb_s"] != planted, "planted session signed in"
    assert (await thief.get("/me")).status_code == 303, "planted session signed in"


async def test_t10_another_site_changes_nothing(house: Any) -> None:
    her, refused = await house.person(), 0
    token = re.search(r'name="tb_token" value="([^"]+)"', (await her.get("/me")).text)
    assert token
    for path in house.paths("POST"):
        if path.startswith(MACHINES):
            continue
        for data, headers in (({"tb_token": token[1]}, {"sec-fetch-site": "cross-site"}), ({"tb_token": token[1]}, {"origin": "https://evil.example"}), ({}, {})):
            if path == "/mode" and not headers:
                continue
            answer = await her.post(path, data, headers=headers)
            location = answer.headers.get("location", "")
            assert answer.status_code >= 400 or location.startswith(SIGN_IN), f"state-changing POST accepted: {path}"
            refused += answer.status_code in {403, 409}
    assert refused > 60, "the test met no door"


async def test_t12_an_unlocked_phone_loses_its_level(house: Any) -> None:
    her = await house.person(acr=3)
    assert (await her.get("/step-up?level=3&next=/me")).headers.get("location") == "/me"
    house.node.clock.move(timedelta(minutes=31))
    asked = await her.get("/step-up?level=3&next=/me")
    assert asked.status_code == 200, "level-3 act after idle"


async def test_t14_level_one_does_not_open_the_wallet(house: Any) -> None:
    low = await house.person(acr=1)
    for path in ("/wallet", f"/wallet/{house.ids['card_id']}", f"/wallet/{house.ids['card_id']}/data.json", f"/wallet/{house.ids['card_id']}/show"):
        answer = await low.get(path)
        assert answer.status_code == 303, f"action done at level 1: {path}"
        assert answer.headers["location"].startswith("/step-up"), path


async def test_t16_the_sixth_try_is_refused_even_when_right(house: Any) -> None:
    thief = house.browser()
    await thief.post("/login", {"who": HER_PHONE}, page="/login")
    right = (await thief.get(f"/demo/sms?phone={HER_PHONE}")).json()[0]["code"]
    token = re.search(r'name="tb_token" value="([^"]+)"', (await thief.get("/login/code")).text)
    assert token
    for number in range(5):
        wrong = f"{(int(right) + 1 + number) % 10**6:06d}"
        await thief.post("/login/code", {"code": wrong, "number": HER_NUMBER, "tb_token": token[1]})
    await thief.post("/login/code", {"code": right, "number": HER_NUMBER, "tb_token": token[1]})
    assert (await thief.get("/me")).status_code == 303, "sixth try accepted"


async def test_t18_nobody_learns_who_has_an_account(house: Any) -> None:
    seen = []
    for phone in (HER_PHONE, "13900001111"):
        stranger = house.browser()
        first = await stranger.post("/login", {"who": phone}, page="/login")
        page = (await stranger.get("/login/code")).text
        page = re.sub(r'value="[^"]*"|<div class="notice.*?(?=<form)|139 \*+ \d+|\d{4,}', "", page, flags=re.DOTALL)
        seen.append((first.status_code, first.headers.get("location"), re.sub(r"\s+", " ", page)))
    assert seen[0] == seen[1], "answers differ"


async def test_t26_the_row_of_a_session_is_no_cookie(house: Any) -> None:
    her = await house.person()
    async with house.node.db.reading() as tx:
        rows = await tx.fetch("SELECT cookie_hash FROM session")
    for row in rows:
        raw = row["cookie_hash"]
        for text in (raw.hex(), base64.urlsafe_b64encode(raw).decode().rstrip("="), raw.decode("ascii") if raw.isascii() else raw.hex()):
            assert (await house.browser(s=text).get("/me")).status_code == 303, "hash accepted as cookie"
    assert (await her.get("/me")).status_code == 200


def encodings(word: str) -> tuple[bytes, ...]:
    raw = word.encode()
    return raw, raw.hex().encode(), base64.b64encode(raw)[: len(raw) // 3 * 4], word.encode("gb18030"), word.encode("utf-16-le")


async def test_t37_a_dump_names_nobody(house: Any) -> None:
    async with house.node.db.reading() as tx:
        tables = [row["tablename"] for row in await tx.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
        for table in tables:
            for row in await tx.fetch(f'SELECT * FROM "{table}"'):
                blob = b"|".join(value if isinstance(value, bytes) else msgspec.json.encode(value, enc_hook=str) for value in row.values())
                for word in (HER_NAME, HER_NUMBER, HER_PHONE, "演示路 2 号 3 单元"):
                    for form in encodings(word):
                        assert form not in blob, f"found in {table}"
    assert len(tables) > 60


async def test_t38_a_swapped_number_does_not_open(house: Any) -> None:
    async with house.node.db.reading() as tx:
        hers = await tx.fetchval("SELECT number FROM person WHERE subject = $1", HER)
    assert house.node.cipher.open("sensitive", "person.number", HER, hers).reveal() == HER_NUMBER
    for column, row in (("person.number", HIM), ("login_tx.typed_number", HER)):
        with pytest.raises(Exception) as refused:
            house.node.cipher.open("sensitive", column, row, hers)
        assert not isinstance(refused.value, AssertionError), "swapped value decrypted"


async def test_t41_logs_and_addresses_name_nobody(house: Any, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    her, clerk, window = await house.person(), await house.officer("YZ-GA-01"), await house.officer("YZ-DT-01")
    addresses = []
    for browser, paths in ((her, house.paths("GET")), (clerk, ("/desk", f"/desk/{house.ids['received']}"))):
        for path in paths:
            if "/demo/" in path:
                continue
            answer = await browser.get(path)
            addresses += [answer.headers.get("location", ""), *re.findall(r'(?:href|action)="([^"]+)"', answer.text)]
    begun = await window.post("/desk/receive", {"task_code": cases.PERMIT, "number": HER_NUMBER, "name": HER_NAME}, page="/desk/receive")
    assert begun.status_code == 303
    addresses += [begun.headers["location"], *re.findall(r'(?:href|action)="([^"]+)"', (await window.get(begun.headers["location"])).text)]
    await _signed_in(house, house.browser(), HER_PHONE, "500103199003079999")
    await her.get("/search?q=" + HER_NUMBER)
    out, err = capfd.readouterr()
    written = (out + err + caplog.text).encode()
    for word in (HER_NAME, HER_NUMBER, HER_PHONE, HER):
        for form in encodings(word):
            assert form not in written, f"person in log: {word}"
        assert not any(word in one for one in addresses), f"person in an address: {[one for one in addresses if word in one][:2]}"
    assert len(addresses) > 100


async def test_t42_no_id_of_hers_opens_for_him(house: Any) -> None:
    her, him = await house.person(), await house.person(HIM)
    mine = {"/me", "/messages", "/cases", "/wallet"}
    read = 0
    for path in house.paths("GET"):
        if not any(one in path for one in house.hers) or opened(path) or path in mine:
            continue
        hers, his = await her.get(path), await him.get(path)
        read += hers.status_code == 200
        assert his.status_code in {303, 403, 404, 409, 410}, f"read by stranger: {path} {his.status_code}"
        if his.status_code == 303:
            assert his.headers["location"] in {"/messages", "/staff/login", "/wallet"} or his.headers["location"].startswith(("/login", "/staff/login")), path
        assert not any(word in his.text for word in PRIVATE), f"read by stranger: {path}"
    assert read >= 10, "the ids open nothing for her either"
    before = await house.rows("case_history", "draft", "material", "credential_presentation", "credential_pickup", "case_request", "review_given")
    token = re.search(r'name="tb_token" value="([^"]+)"', (await him.get("/me")).text)
    assert token
    for path in house.paths("POST"):
        if any(one in path for one in house.hers) and not opened(path):
            answer = await him.post(path, {"tb_token": token[1], "_act": "next", "declared": "true", "what": "x" * 20, "words": "不是我"})
            location = answer.headers.get("location", "")
            assert answer.status_code >= 400 or location.startswith(SIGN_IN) or path.endswith(("/show/stop", "/discard")), f"changed by stranger: {path}"
    after = await house.rows("case_history", "draft", "material", "credential_presentation", "credential_pickup", "case_request", "review_given")
    assert after == before, "changed by stranger"
    async with house.node.db.reading() as tx:
        assert await tx.fetchval("SELECT state FROM draft WHERE id = $1", house.ids["draft_id"]) == "draft", "changed by stranger"


HOSTILE = ("' OR '1'='1", "'; DROP TABLE draft; --", '") OR 1=1 --', "\\", "%", "\x00", "${7*7}", "{{7*7}}", "$1")


async def test_t43_typed_text_is_never_a_statement(house: Any) -> None:
    her, clerk, keeper = await house.person(), await house.officer("YZ-GA-01"), await house.officer("CQ-YY-01")
    before = await house.rows("draft", "case_record", "item", "session")
    for text in HOSTILE:
        for browser, path, name in (
            (her, "/search", "q"), (her, "/api/search", "q"), (her, "/services", "q"), (her, "/region", "q"), (her, "/region", "under"),
            (her, "/me/data-use", "kind"), (her, "/messages", "show"), (her, "/wallet", "type"), (clerk, "/desk", "view"), (clerk, "/desk", "q"),
            (keeper, "/staff/apps", "q"), (keeper, "/staff/apps", "words"), (keeper, "/staff/apps", "state"), (keeper, "/staff/reference", "q"),
            (keeper, "/staff/reference", "list"), (her, "/login/elsewhere", "next"), (her, "/discover", "v"),
        ):  # fmt: skip
            answer = await browser.client.get(path, params={name: text}, headers=browser._head(None))
            assert answer.status_code != 500, f"statement broken: {path}?{name}={text!r}"
        for path in ("/cases/{}", "/apply/{}/check", "/wallet/{}", "/me/materials/{}", "/s/{}", "/desk/{}", "/review/{}", "/api/items/{}"):
            answer = await her.client.get(path.format(httpx_quote(text)), headers=her._head(None))
            assert answer.status_code != 500, f"statement broken: {path} {text!r}"
    after = await house.rows("draft", "case_record", "item", "session")
    assert after == before, "statement changed"


def httpx_quote(text: str) -> str:
    from urllib.parse import quote

    return quote(text, safe="")


async def test_t44_only_declared_fields_are_kept(house: Any) -> None:
    her = await house.person()
    path = f"/apply/{house.ids['draft_id']}"
    page = await her.get(f"{path}/check")
    step = re.search(rf'href="{path}/(\w+)\?from=check', page.text)
    assert step
    extra = {"subject": HIM, "state": "granted", "is_admin": "true", "name[0]": "x", "answers.level": "9", "__proto__": "x"}
    await her.post(f"{path}/{step[1]}", {**{n: v[0] for n, v in cases.ANSWERS[cases.PERMIT].items()}, **extra}, page=f"{path}/{step[1]}")
    async with house.node.db.reading() as tx:
        from tongban.cases.queries import mirrors

        draft = await mirrors.draft(tx, house.node, HER, house.ids["draft_id"])
    assert draft is not None
    assert not set(draft.file.answers) & set(extra), "undeclared field stored"
    assert (draft.subject, draft.state) == (HER, "draft"), "undeclared field stored"
