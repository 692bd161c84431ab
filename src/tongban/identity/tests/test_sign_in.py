"""Signing in at home: the happy way and every bad input of the story, through the real pages."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from urllib.parse import urlencode

import pytest

from tongban import identity, notifications
from tongban.identity import tasks
from tongban.identity.actions import first_time, register, subjects
from tongban.identity.actions import sign_in as verbs
from tongban.identity.model import Match, MatchAsked
from tongban.identity.providers.register import subject_of
from tongban.identity.queries.persons import number_index
from tongban.identity.rules import typed
from tongban.identity.rules.throttle import DEMO_FACTOR
from tongban.identity.tests.make import (
    PC_AGENT,
    PHONE_AGENT,
    Browser,
    MakeNode,
    citizen,
    code_for,
    household,
    sign_in,
    step_up,
)
from tongban.kernel.node import Node


@pytest.fixture(scope="module")
async def nodes(make_node: MakeNode) -> AsyncIterator[dict[str, Node]]:
    async with household(make_node, "500000") as found:
        yield found


async def test_first_sign_in_reaches_level_two_and_the_page_asked_for(nodes: dict[str, Node]) -> None:
    home, who, browser = nodes["500000"], citizen(), Browser()
    page = await sign_in(browser, home, who)
    assert page.status == 200
    assert page.path == "/me/access"
    assert "2 级" in page.body
    async with home.db.reading() as tx:
        row = await tx.fetchrow("SELECT subject, proof FROM account")
    assert row["subject"].startswith("n1")
    assert len(row["subject"]) == 34
    assert row["proof"] == 2


async def test_second_sign_in_on_the_same_device_asks_no_number_and_turns_the_cookie(nodes: dict[str, Node]) -> None:
    home, who, browser = nodes["500000"], citizen("刘建国"), Browser()
    await sign_in(browser, home, who)
    first = browser.jar["500000.localhost"]["__Host-tb_s"]
    page = await browser.get(home, "/me/devices")
    page = await browser.submit(home, page, "/me/devices/leave-all")
    assert page.path == "/logout"
    page = await browser.get(home, "/login?next=/me/access")
    page = await browser.submit(home, page, "/login", who=who.phone)
    assert 'name="number"' not in page.body
    page = await browser.submit(home, page, "/login/code", code=await code_for(browser, home, who.phone))
    assert page.path == "/me/access"
    assert browser.jar["500000.localhost"]["__Host-tb_s"] != first


async def test_a_new_device_must_know_the_number(nodes: dict[str, Node]) -> None:
    home, who = nodes["500000"], citizen("周雨桐")
    await sign_in(Browser(), home, who)
    thief = Browser(PC_AGENT)
    page = await thief.submit(home, await thief.get(home, "/login"), "/login", who=who.phone)
    code = await code_for(thief, home, who.phone)
    page = await thief.submit(home, page, "/login/code", code=code, number=citizen().number)
    assert page.status == 422
    assert "登记的不一样" in page.body
    assert "__Host-tb_s" not in thief.jar["500000.localhost"]
    page = await thief.submit(home, page, "/login/code", code=code, number="")
    assert "第一次在这台设备登录" in page.body


@pytest.mark.parametrize(
    ("name", "number", "status", "sentence"),
    [
        ("陈晓雨", "500199199106120025", 422, "最后一位对不上"),
        ("陈晓云", None, 422, "姓名和证件号对不上"),
        ("", None, 422, "请填姓名"),
        ("陈晓雨", "110105194912310021", 422, "最后一位对不上"),
        ("某某某", "11010519491231002X", 422, "登记里还没有这张证件"),
    ],
)
async def test_wrong_name_or_number_keeps_what_was_typed(
    nodes: dict[str, Node], name: str, number: str | None, status: int, sentence: str
) -> None:
    home, who, browser = nodes["500000"], citizen("何志远"), Browser()
    page = await browser.submit(home, await browser.get(home, "/login"), "/login", who="13700000001")
    page = await browser.submit(home, page, "/login/code", code=await code_for(browser, home, "13700000001"), number=who.number)
    assert page.path == "/login/name"
    assert who.number in page.body, "nothing typed is asked twice"
    page = await browser.submit(home, page, "/login/name", name=name, number=number or who.number)
    assert page.status == status
    assert sentence in page.body
    assert f'value="{name}"' in page.body
    assert "__Host-tb_s" not in browser.jar["500000.localhost"]


async def test_wrong_codes_are_counted_and_the_fifth_ends_it(nodes: dict[str, Node]) -> None:
    home, browser, number = nodes["500000"], Browser(), citizen("何志远").number
    page = await browser.submit(home, await browser.get(home, "/login"), "/login", who="13700000002")
    right = await code_for(browser, home, "13700000002")
    wrong = f"{(int(right) + 1) % 10**6:06d}"
    for left in (4, 3, 2, 1):
        page = await browser.submit(home, page, "/login/code", code=wrong, number=number)
        assert page.status == 422
        assert f"还能试 {left} 次" in page.body
        assert number in page.body, "wrong code keeps the number"
    page = await browser.submit(home, page, "/login/code", code=wrong, number=number)
    assert page.status == 410
    page = await browser.post(home, "/login/code", {**page.fields("/login"), "code": right, "number": number})
    assert page.status == 410, "the sixth try is refused even when right"
    assert "__Host-tb_s" not in browser.jar["500000.localhost"]


async def test_code_of_one_transaction_is_worth_nothing_in_another(nodes: dict[str, Node]) -> None:
    home, one, two, number = nodes["500000"], Browser(), Browser(), citizen("何志远").number
    await one.submit(home, await one.get(home, "/login"), "/login", who="13700000003")
    code = await code_for(one, home, "13700000003")
    page = await two.submit(home, await two.get(home, "/login"), "/login", who="13700000004")
    page = await two.submit(home, page, "/login/code", code=code, number=number)
    assert page.status == 422
    assert "验证码不对" in page.body


async def test_codes_are_limited_for_unknown_devices(nodes: dict[str, Node]) -> None:
    home, browser = nodes["500000"], Browser()
    page = await browser.submit(home, await browser.get(home, "/login"), "/login", who="13700000005")
    page = await browser.submit(home, page, "/login/resend")
    assert page.status == 200
    async with home.db.transaction() as tx:
        await tx.execute("UPDATE throttle SET count = $1 WHERE count = 2 AND seconds = 3600", 3 * DEMO_FACTOR)
    page = await browser.submit(home, page, "/login/resend")
    assert page.status == 429
    assert "后再试" in page.body


async def test_nobody_learns_who_has_an_account(nodes: dict[str, Node]) -> None:
    home = nodes["500000"]
    await sign_in(Browser(), home, citizen("罗桂兰"))
    seen = []
    for who in (citizen("罗桂兰").number, citizen("邓春梅").number):
        browser = Browser()
        page = await browser.submit(home, await browser.get(home, "/login"), "/login", who=who)
        # the form token differs each time, and the demo's notice is not there in production
        body = re.sub(r'value="[^"]*"|<div class="notice.*?(?=<form)', "", page.body, flags=re.DOTALL)
        seen.append((page.status, page.path, re.sub(r"\s+", " ", body)))
    assert seen[0] == seen[1]


async def test_open_redirect_is_refused(nodes: dict[str, Node]) -> None:
    home, browser, who = nodes["500000"], Browser(), citizen("陈晓雨")
    for target in ("https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:alert(1)", "/login?next=/login"):
        page = await browser.get(home, "/login?" + urlencode({"next": target}))
        assert page.fields("/login")["next"] == "/me"
    page = await sign_in(browser, home, who, next_path="//evil.example/")
    assert page.url.startswith(home.settings.base_url)


async def test_planted_session_cookie_is_never_signed_in(nodes: dict[str, Node]) -> None:
    home, browser = nodes["500000"], Browser()
    planted = "A" * 43
    browser.jar["500000.localhost"] = {"__Host-tb_s": planted}
    await sign_in(browser, home, citizen("刘建国"))
    assert browser.jar["500000.localhost"]["__Host-tb_s"] != planted
    assert (await identity.resolve(home, {"__Host-tb_s": planted})).kind == "nobody"


async def test_the_row_of_a_session_is_no_cookie(nodes: dict[str, Node]) -> None:
    home, browser = nodes["500000"], Browser()
    await sign_in(browser, home, citizen("刘建国"))
    async with home.db.reading() as tx:
        rows = await tx.fetch("SELECT cookie_hash FROM session WHERE revoked_at IS NULL")
    for row in rows:
        assert (await identity.resolve(home, {"__Host-tb_s": row["cookie_hash"].hex()})).kind == "nobody"


async def test_foreign_form_cannot_sign_out(nodes: dict[str, Node]) -> None:
    home, browser = nodes["500000"], Browser()
    await sign_in(browser, home, citizen("刘建国"))
    page = await browser.post(home, "/logout", {})
    assert page.status in (400, 403, 409)
    assert (await browser.get(home, "/me/access")).path == "/me/access"


async def test_level_three_by_face_and_nothing_without_consent(nodes: dict[str, Node]) -> None:
    home, browser = nodes["500000"], Browser()
    await sign_in(browser, home, citizen("陈晓雨"))
    before = browser.jar["500000.localhost"]["__Host-tb_s"]
    page = await browser.get(home, "/step-up?level=3&next=/me/access")
    assert "去大厅办" in page.body
    refused = await step_up(browser, home, page, agree="")
    assert refused.status == 422
    assert "不同意也能办" in refused.body
    refused = await step_up(browser, home, page, demo="fails")
    assert "没认出来" in refused.body
    page = await step_up(browser, home, page)
    assert page.path == "/me/access"
    assert "3 级" in page.body
    assert browser.jar["500000.localhost"]["__Host-tb_s"] != before
    async with home.db.reading() as tx:
        kept = await tx.fetch("SELECT c.id, c.fields, t.text FROM consent c JOIN consent_text t ON t.digest = c.text_digest WHERE c.purpose = 'identity.face'")
        used = await tx.fetch("SELECT consent_id FROM access_record WHERE fields = '{人脸照片比对结果}'")
    assert [(row["fields"], "这一次核验是不是本人" in row["text"]) for row in kept] == [(["人脸照片"], True)] * 2, "each check rests on a consent of its own"
    assert {row["consent_id"] for row in used} <= {row["id"] for row in kept}
    assert (await browser.get(home, "/step-up?level=3&next=/me/access")).path == "/me/access", "only the difference is asked"


async def test_no_photo_means_the_hall(nodes: dict[str, Node]) -> None:
    home, browser = nodes["500000"], Browser()
    await sign_in(browser, home, citizen("罗桂兰"))
    page = await browser.get(home, "/step-up?level=3&next=/me/access")
    assert "刷脸核验" not in page.body
    assert "去大厅办" in page.body


async def test_clerk_gives_the_word_and_level_four_follows(nodes: dict[str, Node]) -> None:
    home, browser, desk, who = nodes["500000"], Browser(), Browser(PC_AGENT), citizen("罗桂兰")
    await sign_in(browser, home, who)
    page = await desk.submit(home, await desk.get(home, "/staff/login?next=/staff/counter"), "/staff/login", key="YZ-DT-01")
    assert page.path == "/staff/counter"
    page = await desk.submit(home, page, "/staff/counter", name=who.name, number=who.number)
    word = re.search(r"现场核验码 (\d{4}) (\d{4}) (\d{4})", page.body)
    assert word
    page = await browser.get(home, "/step-up?level=4&next=/me/access")
    page = await browser.submit(home, page, "/step-up", way="counter", level="4", next="/me/access", word="0" * 12)
    assert page.status == 422
    page = await browser.submit(home, page, "/step-up", way="counter", level="4", next="/me/access", word="".join(word.groups()))
    assert "4 级" in page.body
    async with home.db.reading() as tx:
        assert await tx.fetchval("SELECT count(*) FROM access_reason WHERE kind = 'visit'") == 1


async def test_staff_session_has_its_own_cookie_and_roles(nodes: dict[str, Node]) -> None:
    home, desk = nodes["500000"], Browser(PC_AGENT)
    page = await desk.submit(home, await desk.get(home, "/staff/login"), "/staff/login", key="YZ-GA-01", follow=False)
    assert page.headers["location"] == "/desk"
    cookies = desk.jar["500000.localhost"]
    actor = await identity.resolve(home, cookies, path="/desk")
    assert actor.kind == "staff"
    assert actor.may("cases.accept", division="500103", org="11500103DEM000022Q")
    assert not actor.may("cases.accept", division="500104", org="11500103DEM000022Q")
    assert not actor.may("cases.decide", division="500103", org="11500103DEM000022Q")
    assert (await identity.resolve(home, {"__Host-tb_s": cookies["__Host-tb_staff"]})).kind == "nobody"
    page = await desk.submit(home, await Browser(PC_AGENT).get(home, "/staff/login"), "/staff/login", key="NOBODY", follow=False)
    assert page.status in (403, 409)


async def test_register_away_lets_the_person_in_at_level_one_and_asks_again(nodes: dict[str, Node]) -> None:
    home, browser, who = nodes["500000"], Browser(), citizen("郑浩然")
    page = await browser.submit(home, await browser.get(home, "/login?next=/me/access"), "/login", who="13700000009")
    page = await browser.submit(home, page, "/login/code", code=await code_for(browser, home, "13700000009"), number=who.number)
    async with home.db.transaction() as tx:
        cookie = browser.jar["500000.localhost"]["__Host-tb_tx"]
        asked = await first_time.asks(tx, home, cookie, who.name, who.number)
        opened = await first_time.complete(tx, home, cookie, asked, None, verbs.Browser(PHONE_AGENT, "127.0.0.1"))
    assert opened.session.subject.startswith("l")
    assert opened.session.acr == 1
    await tasks.match_again(home)
    async with home.db.transaction() as tx:
        assert await tx.fetchval("SELECT count(*) FROM match_pending") == 1, "not before its time"
        await tx.execute("UPDATE match_pending SET next_at = now() - interval '1 minute'")
    await tasks.match_again(home)
    actor = await identity.resolve(home, {"__Host-tb_s": opened.cookie})
    assert actor.subject.startswith("n1")
    async with home.db.reading() as tx:
        assert await identity.person(tx, home, opened.session.subject) == await identity.person(tx, home, actor.subject)
        assert await tx.fetchval("SELECT count(*) FROM message") >= 1


async def test_level_one_with_a_strangers_number_sees_nothing_of_the_stranger(nodes: dict[str, Node]) -> None:
    """T-02: an unmatched account carries a local subject, and the number it typed finds nobody."""
    home, who = nodes["500000"], citizen("马志明")
    async with home.db.transaction() as tx:
        await subjects.put_person(tx, home, "l" + "a" * 26, home=home.id, proof=1, name=who.name, number=who.number, photo_held=False, matched=False)
        assert await identity.person_by_number(tx, home, who.number) is None


async def test_account_elsewhere_is_named_and_not_opened_twice(nodes: dict[str, Node]) -> None:
    home, who, browser = nodes["500000"], citizen("吴思涵"), Browser()
    async with nodes["mps"].db.transaction() as tx:
        await tx.execute("UPDATE register_entry SET home = '510000' WHERE bi_number = $1", number_index(nodes["mps"], who.number))
    page = await sign_in(browser, home, who)
    assert page.status == 409
    assert "已有账号" in page.body
    async with home.db.reading() as tx:
        assert await identity.person_by_number(tx, home, who.number) is None


async def test_a_second_account_here_is_named_and_never_doubled(nodes: dict[str, Node]) -> None:
    """The register was away at the first sign-in; the person has an account here under another phone by now: said, not broken."""
    home, browser, who = nodes["500000"], Browser(), citizen("马志明")
    page = await browser.submit(home, await browser.get(home, "/login?next=/me/access"), "/login", who="13700000019")
    await browser.submit(home, page, "/login/code", code=await code_for(browser, home, "13700000019"), number=who.number)
    async with home.db.transaction() as tx:
        asked = await first_time.asks(tx, home, browser.jar["500000.localhost"]["__Host-tb_tx"], who.name, who.number)
        opened = await first_time.complete(tx, home, browser.jar["500000.localhost"]["__Host-tb_tx"], asked, None, verbs.Browser(PHONE_AGENT, "127.0.0.1"))
    browser.jar["500000.localhost"]["__Host-tb_s"] = opened.cookie
    await sign_in(Browser(), home, who)
    page = await browser.get(home, "/step-up?level=2&next=/me/access")
    page = await browser.submit(home, page, "/step-up", way="register", name=who.name, number=who.number)
    assert page.status == 409, page.body
    assert "已有账号" in page.body
    async with home.db.transaction() as tx:
        await tx.execute("UPDATE match_pending SET next_at = now() - interval '1 minute'")
    await tasks.match_again(home)
    async with home.db.reading() as tx:
        (told,) = [one for thread in await notifications.messages(tx, home, opened.session.subject) for one in thread.messages]
        assert await tx.fetchval("SELECT count(*) FROM person WHERE bi_number = $1", number_index(home, who.number)) == 1
    assert "已有账号" in told.title.reveal()


async def test_wrong_names_are_rationed_at_the_register(nodes: dict[str, Node]) -> None:
    mps, who = nodes["mps"], citizen("马志明")
    answers = []
    for _ in range(6):
        async with mps.db.transaction() as tx:
            answers.append(await register.match(tx, mps, "510000", MatchAsked(number=who.number, name="某某")))
    assert [one.why for one in answers] == ["name_differs"] * 5 + ["quota"]
    async with mps.db.transaction() as tx:
        other = await register.match(tx, mps, "500000", MatchAsked(number=who.number, name=who.name))
    assert other.matched, "one node's wrong names do not shut out another's"
    assert other.statement is None


async def test_a_subject_cannot_be_made_without_the_registers_key(nodes: dict[str, Node]) -> None:
    """T-01: every key and table of a province does not give the subject of a known number."""
    who = citizen()
    truth = subject_of(nodes["mps"], "111", who.number)
    assert subject_of(nodes["500000"], "111", who.number) != truth


async def test_demo_people_can_be_added_at_the_register_only(nodes: dict[str, Node]) -> None:
    browser = Browser()
    page = await browser.post(nodes["mps"], "/demo/people", {})
    assert page.status in (201, 400)
    async with nodes["mps"].http.session.post(nodes["mps"].settings.base_url + "/demo/people", data=b'{"age": 70}') as answer:
        made = await answer.json()
        assert answer.status == 201
    assert typed.check_number(made["number"]) is None
    async with nodes["500000"].http.session.post(nodes["500000"].settings.base_url + "/demo/people", data=b"{}") as answer:
        assert answer.status == 404


async def test_one_the_register_does_not_renew_holds_up_nobody(nodes: dict[str, Node], monkeypatch: pytest.MonkeyPatch) -> None:
    """Statements are renewed behind people whose name the register writes otherwise by now, so roaming never stops for the others."""
    home, asked = nodes["500000"], []
    for who in (citizen("罗桂兰"), citizen("刘建国")):
        await sign_in(Browser(), home, who)
    first, second = (subject_of(nodes["mps"], "111", citizen(name).number) for name in ("罗桂兰", "刘建国"))

    async def ask(_node: Node, one: MatchAsked) -> Match:
        asked.append(one.name)
        return Match(matched=False, why="name_differs") if one.name == "罗桂兰" else Match(matched=True, home=home.id, statement="new")

    monkeypatch.setattr(tasks.register, "ask", ask)
    monkeypatch.setattr(tasks, "_RENEW_AT_ONCE", 1)
    async with home.db.transaction() as tx:
        await tx.execute("UPDATE account SET statement_until = NULL")
        await tx.execute("UPDATE account SET statement_until = now() - interval '2 days' WHERE subject = $1", first)
        await tx.execute("UPDATE account SET statement_until = now() - interval '1 day' WHERE subject = $1", second)
    for _ in range(3):
        await tasks.renew_statements(home)
    assert asked == ["罗桂兰", "刘建国"]
    async with home.db.reading() as tx:
        assert await subjects.statement_of(tx, home, second) == "new"
