"""Homes 账号所在地 over real nodes: the hub introduces, the home proves, registers and clocks go wrong.

How an account moves is in test_moves_between_nodes. identity.md 0.4, 2, 6.2, 6.4; threats T-01, T-03, T-13, T-18, T-22, T-32, T-77.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from tongban import federation, identity
from tongban.federation.actions.office import office
from tongban.federation.tests.make import deliver
from tongban.identity import tasks, tokens
from tongban.identity.actions import home_proof, introduce, keys, register, roam
from tongban.identity.model import MatchAsked
from tongban.identity.providers.register import NewEntry, choose_way, enter, subject_of
from tongban.identity.rules import home as rules
from tongban.identity.rules import levels
from tongban.identity.tests.make import Browser, citizen, code_for, go_on, sign_in, step_up
from tongban.kernel.clock import SetClock
from tongban.kernel.errors import Failure
from tongban.kernel.node import Node

from .make import AWAY, HOME, REGISTER, at_name_step, invented, me

# ---- introductions --------------------------------------------------------------------------------------------


async def test_the_hub_answers_alike_for_known_and_unknown_numbers(nodes: dict[str, Node]) -> None:
    """identity.md 8, T-18: same status, same address shape, same rows written; the stranger can open an account where he stood."""
    hub, home, away = nodes["cn"], nodes[HOME], nodes[AWAY]
    who, stranger = await invented(nodes[REGISTER]), await invented(nodes[REGISTER])
    await sign_in(Browser(), home, who)
    await deliver(nodes)
    shapes, rows = [], []
    for one in (who, stranger):
        browser = Browser()
        page = await browser.get(hub, f"/discover?v={AWAY}&to=/me/access")
        before = await counts(hub)
        answer = await browser.submit(hub, page, "/discover", follow=False, who=one.phone)
        after = await counts(hub)
        url = urlsplit(answer.headers["location"])
        shapes.append((answer.status, url.netloc, url.path, sorted(parse_qs(url.query)), len(parse_qs(url.query)["login_hint"][0])))
        rows.append([a - b for a, b in zip(after, before, strict=True)])
        assert one.phone not in answer.headers["location"]
    assert shapes[0] == shapes[1]
    assert rows[0] == rows[1] == [1, 1]
    browser = Browser()
    page = await browser.get(hub, f"/discover?v={AWAY}&to=/me/access")
    page = await browser.submit(hub, page, "/discover", who=stranger.phone)
    assert page.url == f"{away.settings.base_url}/login/code", "nothing is typed twice by a stranger either"
    page = await go_on(browser, away, page, stranger)
    assert page.url == f"{away.settings.base_url}/me/access"


async def counts(hub: Node) -> list[int]:
    async with hub.db.reading() as tx:
        return [await tx.fetchval(f"SELECT count(*) FROM {table}") for table in ("home_hint", "discovery_log")]


async def test_one_field_takes_a_place_and_the_hub_remembers_the_home_not_the_person(nodes: dict[str, Node]) -> None:
    """T-77: after introductions the hub holds no subject and no number in clear; a second visit is not asked."""
    hub, browser = nodes["cn"], Browser()
    page = await browser.get(hub, f"/discover?v={AWAY}&to=/me/access")
    page = await browser.submit(hub, page, "/discover", who="重庆")
    assert page.url.startswith(nodes[HOME].settings.base_url + "/login")
    page = await browser.get(hub, f"/discover?v={AWAY}&to=/me/access", follow=False)
    assert page.status == 303, "introduced before: not asked again"
    page = await browser.get(hub, f"/discover?v={HOME}&to=/me/access", follow=False)
    assert page.status == 200, "who comes from that very place says the account is elsewhere"
    page = await browser.submit(hub, page, "/discover", who="不知道")
    assert page.status == 422
    async with hub.db.reading() as tx:
        log = await tx.fetch("SELECT * FROM discovery_log")
        assert await tx.fetchval("SELECT count(*) FROM person") == 0
    assert "n1" not in "".join(str(value) for row in log for value in row.values() if isinstance(value, str) and len(value) > 30)


async def test_lookups_are_counted_by_browser_and_by_address(nodes: dict[str, Node]) -> None:
    """identity.md 8: 30 an hour a browser; a new cookie for every question does not help an address block."""
    hub = nodes["cn"]

    async def ask(n: int, browser: str) -> None:
        async with hub.db.transaction() as tx:
            await introduce.introduce(tx, hub, f"139{n:08d}", visited=AWAY, address="203.0.113.9", browser=browser)

    for n in range(30):
        await ask(n, "one-browser")
    with pytest.raises(Failure) as many:
        await ask(30, "one-browser")
    assert many.value.failure_code == "identity.too_many"
    for n in range(31, 121):
        await ask(n, f"fresh-{n}")
    with pytest.raises(Failure):
        await ask(121, "another-fresh-one")
    async with hub.db.transaction() as tx:
        for n in range(130):
            await introduce.introduce(tx, hub, f"138{n:08d}", visited=AWAY, address="100.64.3.3", browser=f"gateway-{n}")


async def test_a_hub_that_names_the_wrong_home_signs_nobody_in(nodes: dict[str, Node]) -> None:
    """T-03: the index is turned to another province; that province is asked, knows nobody, and cannot speak for the person."""
    hub, home, away, who = nodes["cn"], nodes[HOME], nodes[AWAY], await invented(nodes[REGISTER])
    await sign_in(Browser(), home, who)
    await deliver(nodes)
    async with hub.db.transaction() as tx:
        await tx.execute("UPDATE home_index SET home = $1", AWAY)
    browser = Browser()
    page = await browser.get(hub, f"/discover?v={AWAY}&to=/me/access")
    page = await browser.submit(hub, page, "/discover", who=who.phone)
    assert page.url == f"{away.settings.base_url}/login/code"
    page = await browser.submit(away, page, "/login/code", code=await code_for(browser, away, who.phone), number=who.number)
    page = await browser.submit(away, page, "/login/name", name=who.name, number=who.number)
    assert page.status == 409
    assert "你在重庆市已有账号" in page.body, "the register, not the hub, says where the account is"
    assert (await me(away, browser)).kind == "nobody"
    async with hub.db.transaction() as tx:
        await tx.execute("UPDATE home_index SET home = $1", HOME)


async def test_a_hub_with_a_false_key_of_a_home_is_not_believed(nodes: dict[str, Node]) -> None:
    """T-03: a token signed with a key that only the hub speaks for; keys come from the home itself, by a signed call."""
    hub, home, away = nodes["cn"], nodes[HOME], nodes[AWAY]
    who, browser = await invented(nodes[REGISTER]), Browser()
    await sign_in(browser, home, who)
    subject = (await me(home, browser)).subject
    async with hub.db.transaction() as tx:
        own = await keys.signing_key(tx, hub, "Ed25519")
    now = away.clock.now()
    claims = {
        "iss": home.settings.base_url, "aud": AWAY, "sub": subject, "nonce": "n", "iat": int(now.timestamp()), "exp": int(now.timestamp()) + 300,
        "acr": "urn:tongban:acr:2", "sid": "s", "auth_time": int(now.timestamp()),
    }  # fmt: skip
    for kid in (own.kid, f"{HOME}/{own.kid.rsplit('/', 1)[1]}", f"{HOME}/j9"):
        forged = tokens.TokenKey(kid, "Ed25519", hub.keys.secret("jose-false")).sign(claims, typ="JWT")
        with pytest.raises(identity.errors.TokenRefused):
            tokens.read(forged, await keys.keys_of(away, HOME, forged), typ="JWT")
    # a statement about the home, forged by the hub, is none either
    statement = own.sign(rules.statement(subject, "cn", REGISTER, now), typ=rules.STATEMENT_TYP)
    assert not await home_proof.is_home(away, subject, "cn", statement)


# ---- one account a person -------------------------------------------------------------------------------------


async def test_a_second_account_is_not_opened_but_the_first_is_offered(nodes: dict[str, Node]) -> None:
    """identity.md 2: exists {home}; the page signs in with the old account and comes back, or moves it."""
    home, away, who = nodes[HOME], nodes[AWAY], await invented(nodes[REGISTER])
    await sign_in(Browser(), home, who)
    browser = Browser()
    page = await at_name_step(browser, away, who, phone="19900000077")
    page = await browser.submit(away, page, "/login/name", name=who.name, number=who.number)
    assert page.status == 409
    assert "用原来的账号登录" in page.body
    assert "把账号搬过来" in page.body
    link = next(one for one in page.links() if one.startswith("/login/go?") and "access" in one)
    page = await browser.get(away, link)
    assert page.url.startswith(home.settings.base_url + "/login")
    page = await go_on(browser, home, page, who)
    assert page.url == f"{away.settings.base_url}/me/access"


async def test_the_register_away_goes_on_at_level_one_and_is_asked_again(nodes: dict[str, Node]) -> None:
    """identity.md 6.1: away, slow or answering nonsense; the form goes on, the clock asks again, the person is told."""
    home, mps = nodes[HOME], nodes[REGISTER]
    for way in ("away", "wrong", "slow"):
        who, browser = await invented(mps), Browser()
        page = await at_name_step(browser, home, who)
        async with mps.db.transaction() as tx:
            await choose_way(tx, way)
        page = await browser.submit(home, page, "/login/name", name=who.name, number=who.number)
        assert page.path == "/login/later", (way, page.body)
        actor = await me(home, browser)
        assert (actor.acr, actor.subject[0]) == (1, "l"), way
        async with home.db.transaction() as tx:
            await tx.execute("UPDATE match_pending SET next_at = now() - interval '1 minute'")
        await tasks.match_again(home)
        assert (await me(home, browser)).subject == actor.subject, "still away: nothing lost, asked again later"
        await heal(mps, home)
        async with home.db.transaction() as tx:
            await tx.execute("UPDATE match_pending SET next_at = now() - interval '1 minute'")
        await tasks.match_again(home)
        home.bell.ring("identity.session_ended")
        assert (await me(home, browser)).subject == subject_of(mps, "111", who.number), way
        page = await browser.get(home, "/me/access")
        assert page.status == 200


async def heal(mps: Node, asking: Node) -> None:
    """The register works again, and the breaker's pause of a quarter of a minute is over."""
    async with mps.db.transaction() as tx:
        await choose_way(tx, "works")
    office(asking).breakers.clear()


async def test_asked_again_and_already_at_home_elsewhere_says_so(nodes: dict[str, Node]) -> None:
    """identity.md 2: the register was away, the account turns out to be another node's: told with the place, never doubled."""
    home, away, mps, who = nodes[HOME], nodes[AWAY], nodes[REGISTER], await invented(nodes[REGISTER])
    await sign_in(Browser(), home, who)
    browser = Browser()
    page = await at_name_step(browser, away, who, phone="19900000078")
    async with mps.db.transaction() as tx:
        await choose_way(tx, "away")
    await browser.submit(away, page, "/login/name", name=who.name, number=who.number)
    await heal(mps, away)
    async with away.db.transaction() as tx:
        await tx.execute("UPDATE match_pending SET next_at = now() - interval '1 minute'")
    await tasks.match_again(away)
    from tongban import notifications

    actor = await me(away, browser)
    async with away.db.reading() as tx:
        told = [one.text.reveal() for thread in await notifications.messages(tx, away, actor.subject) for one in thread.messages]
    assert any("重庆市" in text for text in told), told


async def test_a_nonsense_answer_of_the_register_is_never_an_account(nodes: dict[str, Node]) -> None:
    """T-32 at the asking end: matched without a subject, with a subject of another shape, with another body."""
    good = MatchAsked(number=citizen().number, name=citizen().name)
    for answer in ({"matched": True}, {"matched": True, "subject": "s1"}, {"matched": "perhaps"}, {"v": 1}):
        async def call(*_: Any, _answer: Any = answer, **__: Any) -> Any:
            return _answer

        patch = pytest.MonkeyPatch()
        patch.setattr(federation, "call", call)
        try:
            assert await register.ask(nodes[HOME], good) is None, answer
        finally:
            patch.undo()


# ---- home away ------------------------------------------------------------------------------------------------


async def test_home_away_sessions_live_on_and_level_three_waits_for_news(nodes: dict[str, Node]) -> None:
    """identity.md 6.4, T-13: no call and no letter for 15 minutes: level 2; a complete mail is news as good as a call."""
    home, away, who, browser = nodes[HOME], nodes[AWAY], await invented(nodes[REGISTER]), Browser()
    await sign_in(browser, home, who)
    await browser.get(away, f"/login?{urlencode({'next': f'/me/access?from={HOME}'})}")
    page = await browser.get(away, "/step-up?level=3&next=/me/access")
    await step_up(browser, home, page)
    there = await me(away, browser)
    assert there.acr == 3
    patch = pytest.MonkeyPatch()
    real = federation.call

    async def silent(node: Node, to: str, service: str, *args: Any, **more: Any) -> Any:
        if to == HOME:
            raise federation.CallFailed("away", retryable=True)
        return await real(node, to, service, *args, **more)

    patch.setattr(federation, "call", silent)
    try:
        async with away.db.transaction() as tx:
            await tx.execute("UPDATE session SET home_news_at = $2 WHERE id = $1", there.sid, away.clock.now() - timedelta(minutes=16))
            await tx.execute("DELETE FROM head_statement WHERE origin = $1", HOME)
        away.bell.ring("identity.session_ended")
        assert (await me(away, browser)).acr == 2, "level 3 waits, the session lives on"
        patch.setattr(away.http, "request", _dead)
        with pytest.raises(Failure) as refused:
            await roam.start(away, HOME, next_path="/me", silent=False)
        assert refused.value.failure_code == "identity.home_away"
        assert "重庆市暂时连不上" in refused.value.sentence
        assert not await mail_news(away)
        async with away.db.transaction() as tx:
            await tx.execute(
                "INSERT INTO head_statement (origin, epoch, seq, at, signed) SELECT $1, epoch, seq, $2, $3 FROM letter_cursor"
                " WHERE origin = $1", HOME, away.clock.ms(), b"{}",
            )  # fmt: skip
        assert await mail_news(away)
        away.bell.ring("identity.session_ended")
        assert (await me(away, browser)).acr == 3, "everything the home wrote until now has come: that is news"
    finally:
        patch.undo()
        async with away.db.transaction() as tx:
            await tx.execute("DELETE FROM head_statement WHERE origin = $1 AND signed = $2", HOME, b"{}")


async def _dead(*_: Any, **__: Any) -> Any:
    raise TimeoutError


async def mail_news(node: Node) -> bool:
    async with node.db.reading() as tx:
        return await federation.mail_complete(tx, HOME, node.clock.now() - levels.HOME_NEWS)


# ---- clocks and secrets ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("minutes", [5, -5])
async def test_a_clock_five_minutes_off_refuses_new_sign_ins_plainly_and_heals(nodes: dict[str, Node], minutes: int) -> None:
    """Bad weather: a visited node whose clock is wrong signs nobody in, keeps those who are in, and works when it is right."""
    home, away, who, browser = nodes[HOME], nodes[AWAY], await invented(nodes[REGISTER]), Browser()
    await sign_in(browser, home, who)
    right = away.clock
    away.clock = SetClock(right.now() + timedelta(minutes=minutes))
    try:
        page = await browser.get(away, f"/login/go?home={HOME}&next=/me/access")
        assert page.status in (403, 503), page.status
        assert re.search(r"暂时连不上|核对不上", page.body)
        assert (await me(away, browser)).kind == "nobody"
    finally:
        away.clock = right
    page = await browser.get(away, f"/login/go?home={HOME}&next=/me/access")
    assert page.url == f"{away.settings.base_url}/me/access"


async def test_no_province_can_compute_a_subject(nodes: dict[str, Node]) -> None:
    """T-01: with every key and secret of a province, the subject of a known number does not come out."""
    mps, home, who = nodes[REGISTER], nodes[HOME], citizen()
    real = subject_of(mps, "111", who.number)
    assert subject_of(home, "111", who.number) != real
    async with home.db.transaction() as tx:
        made = await enter(tx, home, NewEntry(
            name="测试", number=who.number, sex="女", born=who.born, nation="汉族", address="演示", division="500103",
        ))  # fmt: skip
        assert made != real
        raise_away = await tx.fetchval("SELECT count(*) FROM register_entry WHERE subject = $1", real)
        await tx.execute("DELETE FROM register_entry")
    assert raise_away == 0
