"""A hub that lies about a home, and a home that lies about a person: each test is named after its row of docs/threat-model.md.

The impostor answers on a real port with keys of its own; everything else are real nodes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest
import uvicorn
from litestar import Litestar, Request, post
from litestar.response import Response

from tongban import federation, identity
from tongban.federation.actions import directory as directory_verbs
from tongban.federation.actions.root import current_key, issue_certificate
from tongban.federation.rules import signatures
from tongban.federation.tests.make import free_port
from tongban.identity import tokens
from tongban.identity.actions import keys, provider, subjects
from tongban.identity.tests.make import Browser, MakeNode, citizen, household, sign_in, step_up
from tongban.kernel.gm import FileKeyStore, jcs
from tongban.kernel.node import Node

HOME, AWAY = "500000", "510000"


@pytest.fixture(scope="module")
async def nodes(make_node: MakeNode) -> AsyncIterator[dict[str, Node]]:
    async with household(make_node, HOME, AWAY) as found:
        yield found


async def who_is(node: Node, browser: Browser) -> Any:
    return await identity.resolve(node, browser.jar.get(node.settings.host, {}), path="/me")


class Impostor:
    """Answers as the home 重庆 would, with the keys of the thief who sits at the hub."""

    def __init__(self, away: Node, thief: Any) -> None:
        self.away, self.signer, self.port = away, thief, free_port()
        self.url = f"http://{HOME}.localhost:{self.port}"
        self.key = tokens.TokenKey(f"{HOME}/j77", "Ed25519", b"\x07" * 32)
        self.subject, self.statement, self.pushed = "", "", {}

    def claims(self) -> dict[str, Any]:
        now = int(self.away.clock.now().timestamp())
        return {
            "iss": self.url, "sub": self.subject, "iat": now, "exp": now + 300, "sid": "01900000-0000-7000-8000-000000000001",
            "acr": "urn:tongban:acr:3", "aud": AWAY, "nonce": self.pushed["nonce"], "amr": ["face"], "auth_time": now, "proof": 3,
            "name_masked": "刘**", "home_stmt": self.statement,
        }  # fmt: skip

    def app(self) -> Litestar:
        @post("/federation/call/{service:str}", status_code=200)
        async def call(request: Request[Any, Any, Any]) -> Response[bytes]:
            body = jcs({"keys": [self.key.jwk]})
            headers = signatures.sign_answer(
                self.signer, status=200, body=body, content_type="application/json", directory=1,
                request_signature=str(signatures.signature_value(request.headers)), now=self.away.clock.ms() // 1000,
            )  # fmt: skip
            return Response(body, headers=headers, media_type="application/json")

        @post("/oidc/par", status_code=201)
        async def par(request: Request[Any, Any, Any]) -> dict[str, Any]:
            self.pushed = dict((await request.form()).multi_items())
            return {"request_uri": provider.REQUEST_PREFIX + "x" * 20, "expires_in": 90}

        @post("/oidc/token", status_code=200)
        async def token() -> dict[str, Any]:
            return {"id_token": self.key.sign(self.claims(), typ="JWT"), "access_token": "x", "token_type": "DPoP"}

        return Litestar([call, par, token], openapi_config=None, logging_config=None)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        import asyncio

        config = uvicorn.Config(self.app(), host="127.0.0.1", port=self.port, log_level="error", lifespan="off", ws="none", timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        running = asyncio.create_task(server._serve())
        while not server.started:  # noqa: ASYNC110  uvicorn has no event for it
            await asyncio.sleep(0.01)
        yield
        server.should_exit = True
        await running


@pytest.mark.parametrize("kid", ["s1", "s9"])
async def test_t03_a_false_key_and_address_from_the_hub_sign_nobody_in(nodes: dict[str, Node], tmp_path: Any, kid: str) -> None:
    """T-03: the hub lists its own address and key for 重庆, and holds even the register's true word about 刘."""
    hub, home, away, who = nodes["cn"], nodes[HOME], nodes[AWAY], citizen("刘建国")
    at_home = Browser()
    await sign_in(at_home, home, who)
    impostor = Impostor(away, FileKeyStore(tmp_path, HOME).signer(kid))
    impostor.subject = (await who_is(home, at_home)).subject
    async with home.db.reading() as tx:
        impostor.statement = str(await subjects.statement_of(tx, home, impostor.subject))
    async with hub.db.reading() as tx:
        root = await tx.fetchval("SELECT cert FROM directory_anchor WHERE how = 'pinned'")
    cert = issue_certificate(hub, root, impostor.signer.public, HOME, home.settings.organisation, "sign")
    true = await federation.present(hub)
    entry = true.node(HOME)
    others = tuple(one for one in entry.keys if one.kid != f"{HOME}/{kid}")
    lie = msgspec.structs.replace(
        entry, keys=(current_key(HOME, kid, "sign", cert), *others), base_urls=(impostor.url,), connect=f"127.0.0.1:{impostor.port}"
    )
    async with hub.db.transaction() as tx:  # what a hub in the thief's hands would serve: signed, not judged by itself
        now = hub.clock.ms()
        row = await tx.fetchrow("SELECT signed, digest, version FROM directory_version ORDER BY version DESC LIMIT 1")
        told = directory_verbs.with_node(directory_verbs.rules.parse(row["signed"]).directory, lie)
        told = msgspec.structs.replace(told, version=row["version"] + 1, issued_at=now, not_after=now + 86_400_000, previous=row["digest"])
        raw = directory_verbs.sign(hub, told, directory_verbs.parse_cert(row["signed"]))
    try:
        assert (await directory_verbs.take(away, raw, source="cn")).outcome == "accepted"
        async with away.db.transaction() as tx:
            await tx.execute("DELETE FROM jwks_cache")
        thief = Browser()
        async with impostor.serving():
            await thief.get(away, f"/login/go?home={HOME}&next=/me", follow=False)
            assert impostor.pushed, "the visited node went to the address the hub gave"
            answer = {"code": "x", "state": impostor.pushed["state"], "iss": impostor.url}
            page = await thief.get(away, f"/oidc/callback/{HOME}?{urlencode(answer)}")
        assert (await who_is(away, thief)).kind == "nobody", "token of unconfirmed key accepted"
        assert page.status == 403
        assert "核对不上" in page.body
    finally:
        version = 0
        while version <= told.version:  # the true hub goes on, and overtakes the lie
            async with hub.db.transaction() as tx:
                version = (await federation.issue(tx, hub, lambda found: found)).version
        await federation.refresh(away)
        directory_verbs.office(away).breakers.clear()


async def test_t03_the_hub_signs_nobody_in_itself(nodes: dict[str, Node]) -> None:
    """T-03: the hub names itself as a home; it is no home for anybody."""
    hub, away = nodes["cn"], nodes[AWAY]
    asked = {"iss": hub.settings.base_url, "target_link_uri": "/me"}
    page = await Browser().get(away, "/login/initiate?" + urlencode(asked), follow=False)
    assert page.status == 400, "left for the hub as a home"


async def test_t03_a_hub_that_names_the_wrong_home_signs_nobody_in(nodes: dict[str, Node]) -> None:
    """T-03: sent to a province where she has no account, a person is a stranger there and a stranger here."""
    home, away = nodes[HOME], nodes[AWAY]
    await sign_in(Browser(), home, citizen("何志远"))
    stranger = Browser()
    page = await stranger.get(home, "/login/initiate?" + urlencode({"iss": away.settings.base_url, "target_link_uri": "/me", "login_hint": "made-up"}))
    assert page.url.startswith(away.settings.base_url + "/login"), "asked to sign in where the hub sent them"
    for node in (home, away):
        assert (await who_is(node, stranger)).kind == "nobody", "signed in on the hub's word"


async def test_t14_a_home_that_answers_less_than_asked_is_refused(nodes: dict[str, Node]) -> None:
    """T-14: level 3 was essential, the token tells level 2; the visited node looks at the token, not at its request."""
    home, away, browser = nodes[HOME], nodes[AWAY], Browser()
    await sign_in(browser, home, citizen())
    await browser.get(away, f"/login?{urlencode({'next': f'/me/access?from={HOME}'})}")
    page = await browser.get(away, "/step-up?level=3&next=/me/access")
    await step_up(browser, home, page)
    async with away.db.transaction() as tx:
        await tx.execute("UPDATE session SET acr = 2 WHERE home IS NOT NULL")
    before = (await who_is(away, browser)).acr
    start = await browser.get(away, "/step-up/go?level=3&next=/me/access", follow=False)
    answer = await browser.get(home, start.headers["location"], follow=False)
    async with home.db.transaction() as tx:
        await tx.execute("UPDATE oidc_code SET acr = 2 WHERE used_at IS NULL")
    page = await browser.get(away, answer.headers["location"])
    assert page.status == 403, "action done at a lower level"
    assert (await who_is(away, browser)).acr == before == 2, "action done at a lower level"


async def test_t32_a_node_ends_only_sessions_it_is_the_home_of(nodes: dict[str, Node]) -> None:
    """T-32: a letter and a push of the hub about a session of 重庆's person end nothing."""
    from tongban.identity.actions import ending

    hub, home, away, browser = nodes["cn"], nodes[HOME], nodes[AWAY], Browser()
    await sign_in(browser, home, citizen())
    await browser.get(away, f"/login?{urlencode({'next': f'/me/access?from={HOME}'})}")
    here = await who_is(home, browser)
    async with hub.db.transaction() as tx:
        key = await keys.signing_key(tx, hub, "Ed25519")
        await federation.send(
            tx, hub, to=AWAY, kind="session.ended", about=f"session:{here.sid}", open=True, body={"sid": here.sid, "reason": "logout"}
        )
    claims = ending._claims(hub, AWAY, here.sid)
    for told in (claims, {**claims, "iss": home.settings.base_url, "jti": "another-jti-0001"}):
        body = {"logout_token": key.sign(told, typ="logout+jwt")}
        await Browser().post(away, "/oidc/backchannel", body)
    from tongban.federation.tests.make import deliver

    await deliver(nodes)
    assert (await who_is(away, browser)).kind == "citizen", "foreign fact applied"


async def test_t32_a_node_that_was_not_visited_ends_nothing_at_home(nodes: dict[str, Node]) -> None:
    """T-32: a province she never went to says, by call and by letter, that she left there."""
    from tongban.federation.tests.make import deliver

    home, away, browser = nodes[HOME], nodes[AWAY], Browser()
    await sign_in(browser, home, citizen())
    here = await who_is(home, browser)
    with pytest.raises(federation.CallRefused):
        await federation.call(away, HOME, "identity.end", {"v": 1, "sid": here.sid})
    async with away.db.transaction() as tx:
        await federation.send(tx, away, to=HOME, kind="session.left", about=f"session:{here.sid}", body={"sid": here.sid})
    await deliver(nodes)
    assert (await who_is(home, browser)).kind == "citizen", "foreign fact applied"


async def test_t04_an_answer_at_another_issuers_address_is_refused(nodes: dict[str, Node]) -> None:
    """T-04: the answer of 重庆 comes to the address kept for another provider, and the other way round."""
    home, away, browser = nodes[HOME], nodes[AWAY], Browser()
    await sign_in(browser, home, citizen())
    start = await browser.get(away, f"/login/go?home={HOME}&next=/me", follow=False)
    answer = await browser.get(home, start.headers["location"], follow=False)
    swapped = answer.headers["location"].replace(f"/oidc/callback/{HOME}", "/oidc/callback/mps")
    assert (await browser.get(away, swapped)).status == 508, "code sent to wrong provider"
    assert (await who_is(away, browser)).kind == "nobody", "code sent to wrong provider"


async def test_t77_the_hub_learns_a_home_and_no_person(nodes: dict[str, Node]) -> None:
    """T-77: after roamings with and without an introduction, no table of the hub holds a subject or a name."""
    from tongban.federation.tests.make import deliver

    hub, home, away = nodes["cn"], nodes[HOME], nodes[AWAY]
    subjects_seen = set()
    for name in ("陈晓雨", "刘建国"):
        browser = Browser()
        await sign_in(browser, home, citizen(name))
        await browser.get(away, f"/login?{urlencode({'next': f'/me/access?from={HOME}'})}")
        subjects_seen.add((await who_is(away, browser)).subject)
        page = await browser.get(hub, f"/discover?v={AWAY}&to=/me&again=1")
        await browser.submit(hub, page, "/discover", who=citizen(name).phone)
    await deliver(nodes)
    assert len(subjects_seen) == 2
    async with hub.db.reading() as tx:
        visits = await tx.fetchval("SELECT count(*) FROM discovery_log")
        tables = [row["tablename"] for row in await tx.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
        for table in tables:
            dump = repr([tuple(row.values()) for row in await tx.fetch(f'SELECT * FROM "{table}"')])
            for word in (*subjects_seen, citizen().number, citizen().phone, "陈晓雨", "刘建国"):
                assert word not in dump, f"subject in hub log: {table}"
    assert visits >= 2


@pytest.mark.parametrize(
    "change",
    [
        {"auth_time": 86_400}, {"sid": ""}, {"sid": "x\x00y"}, {"sid": "x" * 5000}, {"sub": "l" + "a" * 26}, {"sub": "o191510000"}, {"acr": "urn:tongban:acr:9"},
        {"amr": "face"}, {"proof": True}, {"name_masked": "\x00"},
    ],
)  # fmt: skip
def test_t22_a_token_of_tomorrow_or_out_of_shape_gives_nothing_more(change: dict[str, Any]) -> None:
    """T-12, T-22: a home dates its sign-in a day ahead so that level 3 never decays, or names what no table takes."""
    from datetime import UTC, datetime

    from tongban.identity.errors import TokenRefused
    from tongban.identity.rules import home

    now = datetime(2026, 11, 18, 2, tzinfo=UTC)
    at = int(now.timestamp())
    claims = {
        "iss": "https://a", "aud": "b", "nonce": "n", "iat": at, "exp": at + 300, "sub": "n1" + "a" * 32, "sid": "01900000-0000-7000-8000-000000000001",
        "acr": "urn:tongban:acr:3", "amr": ["face"], "auth_time": at, "proof": 3, "name_masked": "刘*",
    }  # fmt: skip
    told = {**claims, **change, **({"auth_time": at + 86_400} if "auth_time" in change else {})}
    try:
        found = home.judge_id_token(told, issuer="https://a", client="b", nonce="n", now=now)
    except TokenRefused:
        return
    assert found.auth_time <= now, "a sign-in of tomorrow"
    assert found.subject == claims["sub"]
    assert found.sid == claims["sid"], "a session no table takes"
    assert 1 <= found.proof <= 4
    assert type(found.proof) is int
    assert all(isinstance(one, str) and one.isprintable() for one in (*found.amr, found.name_masked)), "what no table takes"
