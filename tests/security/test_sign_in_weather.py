"""The limits of signing in under attack: each test is named after its row of docs/threat-model.md.

The purses are those of a node in service: the demo's factor is taken out.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from tongban.cases.tests import make as cases
from tongban.identity.rules import throttle as limits
from tongban.kernel.clock import SetClock
from tongban.kernel.node import Node

HER, HER_NAME, HER_NUMBER, HER_PHONE = cases.XIAOYU, "演示陈晓雨", cases.NUMBER, "13912345678"


@pytest.fixture(scope="module")
async def strict(make_house: Any, make_node: Callable[..., Awaitable[Node]]) -> Any:
    """重庆 with one account of hers."""
    house = make_house(await make_node("500000", clock=SetClock(cases.WEDNESDAY)))
    await house.resident(HER, HER_NAME, HER_NUMBER, HER_PHONE)
    return house


@pytest.fixture(autouse=True)
def _as_in_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "DEMO_FACTOR", 1)


async def code_of(house: Any) -> str:
    return (await house.browser().get(f"/demo/sms?phone={HER_PHONE}")).json()[0]["code"]


async def signed_in(house: Any, browser: Any) -> Any:
    begun = await browser.post("/login", {"who": HER_PHONE}, page="/login")
    assert begun.status_code == 303, "victim refused: " + re.sub(r"<[^>]+>|\s+", " ", begun.text)[-600:]
    return await browser.post("/login/code", {"code": await code_of(house), "number": HER_NUMBER}, page="/login/code")


async def test_t20_an_emptied_purse_of_strangers_does_not_lock_the_owner_out(strict: Any) -> None:
    """R-302: who asks for codes in her name empties the purse of unknown devices, never that of hers."""
    her = strict.browser()
    assert (await signed_in(strict, her)).status_code == 303
    stranger, refused = strict.browser(), 0
    for _ in range(8):
        answer = await stranger.post("/login", {"who": HER_PHONE}, page="/login")
        refused += answer.status_code != 303
    assert refused >= 5, "the purse of strangers has no bottom"
    her.jar.pop("__Host-tb_s")
    assert (await signed_in(strict, her)).status_code == 303, "victim refused"
    assert (await her.get("/me")).status_code == 200, "victim refused"


async def test_t20_wrong_codes_of_strangers_do_not_pause_the_owner(strict: Any) -> None:
    """R-302: fifteen wrong codes pause unknown devices; the owner's own device goes on."""
    strict.node.clock.move(timedelta(hours=25))
    her = strict.browser()
    assert (await signed_in(strict, her)).status_code == 303
    strict.node.clock.move(timedelta(hours=1, minutes=1))
    for _ in range(3):
        stranger = strict.browser()
        assert (await stranger.post("/login", {"who": HER_PHONE}, page="/login")).status_code == 303
        right = int(await code_of(strict))
        token = re.search(r'name="tb_token" value="([^"]+)"', (await stranger.get("/login/code")).text)
        assert token
        for number in range(limits.TRIES):
            typed = {"code": f"{(right + 1 + number) % 10**6:06d}", "number": HER_NUMBER, "tb_token": token[1]}
            await stranger.post("/login/code", typed)
    her.jar.pop("__Host-tb_s")
    assert (await signed_in(strict, her)).status_code == 303, "victim refused"
    assert (await her.get("/me")).status_code == 200, "victim refused"


async def test_t17_one_address_block_begins_only_so_many_sign_ins(strict: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guessing spread over many numbers from one address is stopped before any code is sent."""
    strict.node.clock.move(timedelta(hours=25))
    monkeypatch.setattr(strict.node, "settings", msgspec.structs.replace(strict.node.settings, login_per_hour=30))
    most = limits.addresses(30, "203.0.113.7", known_device=False)[0][1]
    begun = []
    for number in range(most + 4):
        robot = strict.browser(address=f"203.0.113.{number + 1}")
        begun.append((await robot.post("/login", {"who": f"1390000{number:04d}"}, page="/login")).status_code == 303)
    assert begun == [True] * most + [False] * 4, "no alarm after many tries"


async def test_t21_a_challenge_nobody_here_made_is_refused(strict: Any) -> None:
    """R-303: a challenge of the right shape with a time in the future, but without this node's seal, counts for nobody."""
    import base64
    import json
    import os

    from tongban.identity.actions import passkey

    future = int(strict.node.clock.now().timestamp() + 200).to_bytes(8, "big")
    true = json.loads(passkey.asking_options(strict.node))["challenge"]

    def answer(challenge: str) -> str:
        client = json.dumps({"type": "webauthn.get", "challenge": challenge, "origin": strict.node.settings.base_url}).encode()
        return json.dumps({"rawId": "AA", "response": {"clientDataJSON": base64.urlsafe_b64encode(client).decode().rstrip("=")}})

    async with strict.node.db.transaction() as tx:
        made = base64.urlsafe_b64encode(os.urandom(16) + future + os.urandom(32)).decode().rstrip("=")
        assert await passkey.taken(tx, strict.node, answer(made), "get") is None, "a made-up challenge was taken"
        assert await passkey.taken(tx, strict.node, answer(true), "bind:somebody") is None, "a challenge for signing in was taken for binding"
        assert await passkey.taken(tx, strict.node, answer(true), "get") is not None
