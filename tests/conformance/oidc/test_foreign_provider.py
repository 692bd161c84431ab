"""npm `oidc-provider` as a foreign provider for our node as relying party: PAR, DPoP, private_key_jwt, rotated keys, back-channel (R-301).

The rules between nodes (register's statement, nation subject, level) do not hold for it: it counts for level 1 and a local subject.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest

from tongban import identity
from tongban.federation.tests.make import free_port
from tongban.identity.tests.make import Browser, Page
from tongban.identity.tests.make_judges import node_process, stop
from tongban.kernel.node import Node

AWAY = "510000"


class Foreign:
    """The provider's process."""

    def __init__(self, process: asyncio.subprocess.Process, url: str) -> None:
        self._process, self.url = process, url

    async def __call__(self, step: str, **more: Any) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(msgspec.json.encode({"step": step, **more}) + b"\n")
        await self._process.stdin.drain()
        told = json.loads(await asyncio.wait_for(self._process.stdout.readline(), 10))
        assert "error" not in told, told


@pytest.fixture(scope="module")
async def away(nodes: dict[str, Node]) -> Node:
    return nodes[AWAY]


@pytest.fixture(scope="module")
async def foreign(away: Node) -> AsyncIterator[Foreign]:
    port, base = free_port(), away.settings.base_url
    url = f"http://foreign.localhost:{port}"
    told = {"issuer": url, "port": port, "client_id": "tongban", "redirect_uri": base + "/oidc/callback/x-foreign", "jwks_uri": base + "/oidc/jwks",
            "backchannel": base + "/oidc/backchannel"}  # fmt: skip
    path = away.settings.data_dir / "outside-issuers.toml"
    before = path.read_text("utf-8") if path.exists() else ""
    path.write_text(before + f'[x-foreign]\nname = "外部演示登录"\nurl = "{url}"\nclient_id = "tongban"\nalg = "ES256"\n', "utf-8")
    process = await node_process("provider.mjs", json.dumps(told))
    assert process.stdout is not None
    assert json.loads(await asyncio.wait_for(process.stdout.readline(), 20)) == {"ready": True}
    yield Foreign(process, url)
    await stop(process)
    path.write_text(before, "utf-8")


async def sign_in(away: Node, browser: Browser) -> Page:
    return await browser.get(away, "/login/go?" + urlencode({"home": "x-foreign", "next": "/me/access"}))


async def actor(away: Node, browser: Browser) -> Any:
    return await identity.resolve(away, browser.jar.get(away.settings.host, {}), path="/me")


async def test_sign_in(away: Node, foreign: Foreign) -> None:
    """oidcc-client-test: another's provider and our client understand each other."""
    browser = Browser()
    page = await sign_in(away, browser)
    assert (page.status, page.path) == (200, "/me/access"), page.body
    assert any(one.startswith(foreign.url) and "request_uri=" in one for one in page.trail), "the request was pushed"
    who = await actor(away, browser)
    assert (who.acr, who.home, who.subject[0]) == (1, "x-foreign", "l")
    assert who.name is not None
    assert who.name.reveal() == "外****"


async def test_same_person_is_the_same_local_subject(away: Node, foreign: Foreign) -> None:
    first, second = Browser(), Browser()
    await sign_in(away, first)
    await sign_in(away, second)
    assert (await actor(away, first)).subject == (await actor(away, second)).subject


async def test_rotated_keys(away: Node, foreign: Foreign) -> None:
    """oidcc-client-test-signing-key-rotation: the new key is fetched when it is first met."""
    await foreign("rotate")
    async with away.db.transaction() as tx:
        await tx.execute("UPDATE jwks_cache SET fetched_at = fetched_at - interval '31 seconds' WHERE node = 'x-foreign'")
    browser = Browser()
    assert (await sign_in(away, browser)).path == "/me/access"


async def test_backchannel_logout(away: Node, foreign: Foreign) -> None:
    """oidcc-client-test-rp-backchannel-rpinitlogout: the provider's own logout token ends the session here."""
    browser = Browser()
    await sign_in(away, browser)
    async with away.db.reading() as tx:
        sid = await tx.fetchval("SELECT home_sid FROM session WHERE id = $1", (await actor(away, browser)).sid)
    await foreign("end", sub="visitor-1", sid=sid)
    assert (await actor(away, browser)).kind == "nobody"


async def test_more_than_level_1_is_not_to_be_had_there(away: Node, foreign: Foreign) -> None:
    """A step-up of such a visitor says where it can be done instead of going round in circles (T-03)."""
    browser = Browser()
    await sign_in(away, browser)
    page = await browser.get(away, "/step-up/go?level=3&next=/me")
    assert page.status == 403
    assert page.url.startswith(away.settings.base_url)


async def test_signing_out_here_is_enough(away: Node, foreign: Foreign) -> None:
    browser = Browser()
    page = await sign_in(away, browser)
    assert (await actor(away, browser)).kind == "citizen"
    page = await browser.get(away, "/me/devices")
    await browser.post(away, "/logout", {"tb_token": page.fields("/session/keep")["tb_token"]})
    async with away.db.reading() as tx:
        assert not await tx.fetchval("SELECT count(*) FROM pgqueuer WHERE entrypoint = 'identity.end_at_home'"), "nobody to call there"
    assert (await actor(away, browser)).kind == "nobody"


async def test_listed_among_the_places(away: Node, foreign: Foreign) -> None:
    page = await Browser().get(away, "/login/elsewhere?next=/me")
    assert "外部演示登录（能看、能存草稿）" in page.body
