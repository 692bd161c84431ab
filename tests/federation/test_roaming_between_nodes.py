"""Roaming 无感漫游 over real nodes: silent sign-in, step-up at the home, signing out everywhere, and nodes that lie.

The browser keeps cookies by host and sends them on top-level navigations only: third-party cookies do not exist here.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from tongban import identity
from tongban.federation.tests.make import deliver
from tongban.identity import tokens
from tongban.identity.actions import ending, issuers, keys, provider, provider_tokens, roam, subjects
from tongban.identity.errors import ProtocolError, TokenRefused
from tongban.identity.queries import clients
from tongban.identity.queries.sessions import by_id
from tongban.identity.rules import home as home_rules
from tongban.identity.tests.make import Browser, citizen, go_on, sign_in, step_up
from tongban.kernel.errors import Failure
from tongban.kernel.node import Node

from .make import AWAY, HOME, alive

SESSION = "__Host-tb_s"


async def until(browser_gone: Any) -> None:
    """Wait for a job to have run: looks again at each ring of the bell, at most 5 s in all."""
    node, browser = browser_gone
    for _ in range(50):
        since = node.bell.generation("identity.session_ended")
        if not await alive(node, browser):
            return
        await node.bell.wait("identity.session_ended", seconds=0.1, since=since)
    raise AssertionError("still signed in after 5 s")


async def test_step_up_of_a_visitor_happens_at_home_and_asks_only_the_difference(nodes: dict[str, Node]) -> None:
    browser, home, away = Browser(), nodes[HOME], nodes[AWAY]
    await sign_in(browser, home, citizen())
    await browser.get(away, f"/login?{urlencode({'next': f'/me/access?from={HOME}'})}")
    before = browser.jar[away.settings.host][SESSION]
    page = await browser.get(away, "/step-up?level=3&next=/me/access")
    assert page.path == "/step-up"
    assert page.url.startswith(home.settings.base_url), "V never sees a factor"
    page = await step_up(browser, home, page)
    assert page.url == f"{away.settings.base_url}/me/access"
    assert browser.jar[away.settings.host][SESSION] != before
    there = await identity.resolve(away, browser.jar[away.settings.host])
    assert there.acr == 3
    async with away.db.reading() as tx:
        assert await tx.fetchval("SELECT count(*) FROM session WHERE revoked_at IS NULL AND subject = $1", there.subject) >= 1


async def test_not_wanting_to_step_up_comes_back_with_everything_kept(nodes: dict[str, Node]) -> None:
    browser, home, away = Browser(), nodes[HOME], nodes[AWAY]
    await sign_in(browser, home, citizen("刘建国"))
    await browser.get(away, f"/login?{urlencode({'next': f'/me/access?from={HOME}'})}")
    page = await browser.get(away, "/step-up?level=3&next=/me/access")
    page = await browser.get(home, next(one for one in page.links() if "/oidc/decline" in one))
    assert page.url.startswith(away.settings.base_url)
    assert "没有核验" in page.body
    assert await alive(away, browser)


async def test_signing_out_at_the_visited_node_ends_it_everywhere(nodes: dict[str, Node]) -> None:
    browser, home, away = Browser(), nodes[HOME], nodes[AWAY]
    await sign_in(browser, home, citizen())
    page = await browser.get(away, f"/login?{urlencode({'next': f'/me/devices?from={HOME}'})}")
    token = re.search(r'name="tb_token" value="([^"]+)"', page.body)
    assert token
    left = await browser.post(away, "/logout", {"tb_token": token[1]})
    assert left.path == "/logout"
    assert not await alive(away, browser), "this cookie is dead whatever happens after"
    await until((home, browser))


async def test_signing_out_at_home_ends_the_visit_by_push(nodes: dict[str, Node]) -> None:
    browser, home, away = Browser(), nodes[HOME], nodes[AWAY]
    page = await sign_in(browser, home, citizen("刘建国"), next_path="/me/devices")
    await browser.get(away, f"/login?{urlencode({'next': f'/me/access?from={HOME}'})}")
    assert await alive(away, browser)
    token = re.search(r'name="tb_token" value="([^"]+)"', page.body)
    assert token
    await browser.post(home, "/logout", {"tb_token": token[1]})
    await until((away, browser))
    page = await browser.get(away, "/login")
    assert "你在别处退出了" in page.body


async def test_another_person_at_the_same_browser_ends_the_visits_of_the_one_before(nodes: dict[str, Node]) -> None:
    """T-09, a shared computer: who forgot to sign out is not met again at a node visited before."""
    browser, home, away = Browser(), nodes[HOME], nodes[AWAY]
    await sign_in(browser, home, citizen("何志远"))
    await browser.get(away, f"/login?{urlencode({'next': f'/me/access?from={HOME}'})}")
    assert await alive(away, browser)
    page = await browser.get(home, "/login?again=1&next=/me/access")
    await go_on(browser, home, page, citizen("罗桂兰"))
    await until((away, browser))


async def test_the_letter_ends_the_visit_when_no_push_arrives(nodes: dict[str, Node]) -> None:
    browser, home, away = Browser(), nodes[HOME], nodes[AWAY]
    await sign_in(browser, home, citizen("周雨桐"))
    await browser.get(away, f"/login?{urlencode({'next': f'/me/access?from={HOME}'})}")
    actor = await identity.resolve(home, browser.jar[home.settings.host])
    async with home.db.transaction() as tx:
        session = await by_id(tx, actor.sid)
        await ending.sessions.end(tx, actor.sid, "logout", home.clock.now())
        await ending._tell_all(tx, home, msgspec_without_visits(session), "logout")
    await deliver(nodes)
    await until((away, browser))


def msgspec_without_visits(session: Any) -> Any:
    import msgspec

    return msgspec.structs.replace(session, visited=())


async def test_a_level_three_act_of_a_visitor_needs_fresh_news_of_the_home(nodes: dict[str, Node]) -> None:
    """T-13: the session ended at home while this node heard nothing."""
    browser, home, away = Browser(), nodes[HOME], nodes[AWAY]
    await sign_in(browser, home, citizen())
    await browser.get(away, f"/login?{urlencode({'next': f'/me/access?from={HOME}'})}")
    page = await browser.get(away, "/step-up?level=3&next=/me/access")
    if page.path == "/step-up":
        await step_up(browser, home, page)
    there = await identity.resolve(away, browser.jar[away.settings.host])
    assert there.acr == 3
    async with away.db.transaction() as tx:
        old = away.clock.now() - timedelta(minutes=16)
        await tx.execute("UPDATE session SET home_news_at = $2 WHERE id = $1", there.sid, old)
    assert (await identity.resolve(away, browser.jar[away.settings.host])).acr == 3, "the home was asked and answered"
    here = await identity.resolve(home, browser.jar[home.settings.host])
    async with home.db.transaction() as tx:
        await tx.execute("UPDATE session SET revoked_at = now() WHERE id = $1", here.sid)
    async with away.db.transaction() as tx:
        await tx.execute("UPDATE session SET home_news_at = $2 WHERE id = $1", there.sid, old)
    assert (await identity.resolve(away, browser.jar[away.settings.host])).kind == "nobody"


@pytest.mark.parametrize(
    "query",
    [
        {"iss": "https://evil.example", "target_link_uri": "/me"},
        {"iss": "HOME", "target_link_uri": "https://evil.example/"},
        {"iss": "HOME", "target_link_uri": "//evil.example/"},
        {"iss": "HOME", "target_link_uri": "javascript:alert(1)"},
    ],
)
async def test_initiate_never_leaves_for_a_stranger(nodes: dict[str, Node], query: dict[str, str]) -> None:
    """T-23."""
    asked = {**query, "iss": nodes[HOME].settings.base_url if query["iss"] == "HOME" else query["iss"]}
    page = await Browser().get(nodes[AWAY], "/login/initiate?" + urlencode(asked), follow=False)
    assert page.status == 400


async def test_an_answer_nobody_here_asked_for_is_refused(nodes: dict[str, Node]) -> None:
    """T-04, T-10: foreign state, foreign browser, another issuer's callback, another iss."""
    home, away = nodes[HOME], nodes[AWAY]
    victim, attacker = Browser(), Browser()
    await sign_in(attacker, home, citizen())
    start = await attacker.get(away, f"/login/go?home={HOME}&next=/me", follow=False)
    answer = await attacker.get(home, start.headers["location"], follow=False)
    callback = answer.headers["location"]
    assert "code=" in callback
    assert (await victim.get(away, callback)).status == 508, "the code was asked for by another browser"
    query = {name: value[0] for name, value in parse_qs(urlsplit(callback).query).items()}
    start = await attacker.get(away, f"/login/go?home={HOME}&next=/me", follow=False)
    answer = await attacker.get(home, start.headers["location"], follow=False)
    query = {name: value[0] for name, value in parse_qs(urlsplit(answer.headers["location"]).query).items()}
    swapped = {**query, "iss": nodes["cn"].settings.base_url}
    assert (await attacker.get(away, f"/oidc/callback/{HOME}?{urlencode(swapped)}")).status == 508
    assert (await attacker.get(away, f"/oidc/callback/mps?{urlencode(query)}")).status == 508


async def test_home_signing_in_somebody_elses_person_is_refused(nodes: dict[str, Node]) -> None:
    """T-22: 500000 signs a token for a person whose home, by the register, is another node."""
    mps, home, away = nodes["mps"], nodes[HOME], nodes[AWAY]
    async with mps.db.transaction() as tx:
        key = await keys.signing_key(tx, mps, "Ed25519")
    foreign = key.sign(home_rules.statement("n1" + "a" * 32, AWAY, "mps", mps.clock.now()), typ=home_rules.STATEMENT_TYP)
    claims = tokens.read(foreign, await keys.keys_of(away, "mps", foreign), typ=home_rules.STATEMENT_TYP)
    with pytest.raises(TokenRefused, match="another person or home"):
        home_rules.judge_statement(claims, subject="n1" + "a" * 32, home=HOME, register="mps", now=away.clock.now())
    async with home.db.transaction() as tx:
        own = await keys.signing_key(tx, home, "Ed25519")
    forged = own.sign(home_rules.statement("n1" + "a" * 32, HOME, "mps", home.clock.now()), typ=home_rules.STATEMENT_TYP)
    with pytest.raises(TokenRefused, match="unknown kid"):
        tokens.read(forged, await keys.keys_of(away, "mps", forged), typ=home_rules.STATEMENT_TYP)


@pytest.mark.parametrize("wrong", ["home", "person", "signer", "run_out"])
async def test_whole_sign_in_is_refused_with_a_wrong_statement(nodes: dict[str, Node], wrong: str) -> None:
    """T-22 through the real path: the home sends a statement of another home, person, signer or time."""
    browser, home, away, who = Browser(), nodes[HOME], nodes[AWAY], citizen("罗桂兰")
    await sign_in(browser, home, who)
    subject = (await identity.resolve(home, browser.jar[home.settings.host])).subject
    signer = home if wrong == "signer" else nodes["mps"]
    now = home.clock.now() - timedelta(days=31 if wrong == "run_out" else 0)
    claims = home_rules.statement("n1" + "a" * 32 if wrong == "person" else subject, AWAY if wrong == "home" else HOME, "mps", now)
    async with signer.db.transaction() as tx:
        statement = (await keys.signing_key(tx, signer, "Ed25519")).sign(claims, typ=home_rules.STATEMENT_TYP)
    async with home.db.transaction() as tx:
        await subjects.put_statement(tx, home, subject, statement)
    page = await browser.get(away, f"/login/go?home={HOME}&next=/me")
    assert page.status == 403
    assert "核对不上" in page.body
    assert not await alive(away, browser)


async def test_whole_sign_in_is_refused_without_the_registers_statement(nodes: dict[str, Node]) -> None:
    browser, home, away, who = Browser(), nodes[HOME], nodes[AWAY], citizen("何志远")
    await sign_in(browser, home, who)
    async with home.db.transaction() as tx:
        await tx.execute("UPDATE account SET home_statement = NULL WHERE subject = (SELECT subject FROM person WHERE bi_number = $1)",
                         identity.queries.persons.number_index(home, who.number))
    page = await browser.get(away, f"/login/go?home={HOME}&next=/me")
    assert page.status == 403
    assert not await alive(away, browser)


async def test_codes_are_for_their_own_client_once_and_with_their_own_key(nodes: dict[str, Node]) -> None:
    """T-05: stolen code, second use, wrong verifier, replayed request, other client."""
    browser, home, away = Browser(), nodes[HOME], nodes[AWAY]
    await sign_in(browser, home, citizen())
    start = await browser.get(away, f"/login/go?home={HOME}&next=/me", follow=False)
    answer = await browser.get(home, start.headers["location"], follow=False)
    code = parse_qs(urlsplit(answer.headers["location"]).query)["code"][0]
    redirect = f"{away.settings.base_url}/oidc/callback/{HOME}"
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect, "client_id": AWAY, "code_verifier": "v" * 43}
    with pytest.raises(Failure):
        await roam._post(away, await issuers.issuer(away, HOME), home.settings.base_url + "/oidc/token", form, seconds=5)
    with pytest.raises(Failure):
        await roam._post(nodes["cn"], await issuers.issuer(nodes["cn"], HOME), home.settings.base_url + "/oidc/token", {**form, "client_id": "cn"}, seconds=5)
    assert (await browser.get(home, start.headers["location"])).status == 400, "a request that was answered is dead"
    state = parse_qs(urlsplit(answer.headers["location"]).query)["state"][0]
    async with away.db.reading() as tx:
        verifier = await tx.fetchval("SELECT verifier FROM roam_tx WHERE state_hash = $1", provider.hashed(state))
    jkt, right = keys.proof_key(away).thumbprint, {**form, "code_verifier": verifier}
    async with home.db.transaction() as tx:
        for client, key, asked in (
            ("cn", jkt, right), (AWAY, "another-key", right), (AWAY, jkt, form), (AWAY, jkt, {**right, "redirect_uri": redirect + "/"}),
        ):  # fmt: skip
            refused = await provider_tokens.redeem(tx, home, provider.ClientProof(client, key), asked)
            assert isinstance(refused, ProtocolError), (client, key)
        given = await provider_tokens.redeem(tx, home, provider.ClientProof(AWAY, jkt), right)
    assert "id_token" in given, "the right client, key and verifier do get it"
    page = await browser.get(home, f"/oidc/authorize?client_id={AWAY}&request_uri=urn:ietf:params:oauth:request_uri:nothing")
    assert page.status == 400
    assert "没有登记" in page.body


async def test_code_used_twice_ends_what_it_gave(nodes: dict[str, Node]) -> None:
    browser, home, away = Browser(), nodes[HOME], nodes[AWAY]
    await sign_in(browser, home, citizen())
    start = await browser.get(away, f"/login/go?home={HOME}&next=/me/access", follow=False)
    answer = await browser.get(home, start.headers["location"], follow=False)
    callback = answer.headers["location"]
    code = parse_qs(urlsplit(callback).query)["code"][0]
    assert (await browser.get(away, callback)).path == "/me/access"
    async with home.db.transaction() as tx:
        jkt = await tx.fetchval("SELECT dpop_jkt FROM oidc_code WHERE code_hash = $1", provider.hashed(code))
        again = await provider_tokens.redeem(tx, home, provider.ClientProof(AWAY, jkt), {"grant_type": "authorization_code", "code": code})
    assert again.error == "invalid_grant"
    await deliver(nodes)
    await until((away, browser))


async def test_userinfo_wants_the_key_the_token_is_bound_to(nodes: dict[str, Node]) -> None:
    """T-06: a token without its key, a proof replayed, a proof of another address."""
    browser, home, away = Browser(), nodes[HOME], nodes[AWAY]
    await sign_in(browser, home, citizen())
    await browser.get(away, f"/login/go?home={HOME}&next=/me/access")
    actor = await identity.resolve(home, browser.jar[home.settings.host])
    proof_key = keys.proof_key(away)
    async with home.db.transaction() as tx:
        session = await by_id(tx, actor.sid)
        basis = provider_tokens.Basis(
            subject=session.subject, session=session.id, scope="openid node", acr=2, amr=("otp",), auth_time=1, nonce="n"
        )
        client = await clients.client(tx, home, AWAY)
        given, _ = await provider_tokens.issue(tx, home, client, session, basis, proof_key.thumbprint)
    token, url, now = given["access_token"], home.settings.base_url + "/oidc/userinfo", home.clock.now()

    async def ask(key: Any, address: str, jti: str) -> int:
        proof = tokens.make_proof(key, "GET", address, jti=jti, now=now, access_token=token)
        headers = {"Authorization": f"DPoP {token}", "DPoP": proof}
        async with home.http.session.get(url, headers=headers) as answer:
            return answer.status

    assert await ask(proof_key, url, "jti-number-1") == 200
    assert await ask(proof_key, url, "jti-number-1") == 401, "replayed"
    assert await ask(proof_key, url + "x", "jti-number-2") == 401
    assert await ask(keys.proof_key(nodes["cn"]), url, "jti-number-3") == 401
