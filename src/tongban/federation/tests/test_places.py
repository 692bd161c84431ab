"""Places for calls: how many at once, who waits, who is turned away, and what that costs (R-402, T-36, federation.md 8)."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import Counter

import pytest

from tongban import federation
from tongban.federation.actions import answer
from tongban.federation.actions import places as room
from tongban.federation.actions.office import office
from tongban.federation.actions.places import Places
from tongban.federation.actions.way import transport
from tongban.federation.errors import Problem
from tongban.federation.rules import signatures
from tongban.federation.rules.traffic import Refusals
from tongban.federation.tests.make import nation
from tongban.kernel.gm import b64, parse_object

PATH = "/federation/call/demo.work"
CROWD = 12
gate = asyncio.Event()
gate.set()


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(room, "IN_FLIGHT", 2)
    monkeypatch.setattr(room, "AT_WORK", 3)
    monkeypatch.setattr(room, "IN_LINE", 2)
    monkeypatch.setattr(room, "PATIENCE", 0.05)


async def code_of(waiting) -> str:
    try:
        await waiting
    except Problem as problem:
        return f"{problem.code} {problem.retry_after}"
    return ""


async def test_a_caller_has_its_places_and_the_line_behind_them_is_short(small):
    """Beyond its places a caller waits, beyond its line it is turned away at once; nobody else loses anything."""
    places, now = Places(Counter()), time.monotonic()
    await places.take("a", now)
    await places.take("a", now)
    waiting = [asyncio.create_task(code_of(places.take("a", now))) for _ in range(2)]
    await asyncio.sleep(0)
    beyond = asyncio.create_task(code_of(places.take("a", now)))
    await asyncio.sleep(0)
    assert beyond.done(), "more waited than the line holds"
    assert await beyond == "busy 1"
    await places.take("b", now)  # another caller finds room meanwhile
    places.leave("a")
    assert await waiting[0] == "", "a place that was free went to nobody"
    assert await waiting[1] == "busy 1", "somebody waited for ever"
    assert time.monotonic() - now >= 0.05


async def test_what_becomes_free_goes_to_the_caller_with_the_fewest(small):
    places, now = Places(Counter()), time.monotonic()
    for one in ("a", "a", "b"):
        await places.take(one, now)
    greedy = asyncio.create_task(code_of(places.take("b", now)))
    await asyncio.sleep(0)
    modest = asyncio.create_task(code_of(places.take("c", now)))
    await asyncio.sleep(0)
    places.leave("a")
    assert await modest == "", "who came first and has more was served before who has none"
    assert await greedy == "overloaded 1"


async def test_a_machine_that_is_behind_begins_less(monkeypatch):
    """Where it takes long until a call is even believed, places become fewer, and who finds none is told that it is us."""
    monkeypatch.setattr(room, "PATIENCE", 0.02)
    places = Places(Counter())
    for _ in range(20):
        places.believed(0.6)
        places._width._narrowed -= 1  # as if a second had passed
    for _ in range(64):
        async with asyncio.timeout(1):
            await places.take("a", time.monotonic())
    assert await code_of(places.take("a", time.monotonic())) == "overloaded 1", "as much was begun as ever"


async def test_who_is_stopped_while_waiting_takes_no_place_along(small):
    """Also in the moment in which a place was given: otherwise a node would run out of places for ever."""
    places, taken = Places(Counter()), 0
    for give_first in (True, False):
        for _ in range(2):
            await places.take("a", time.monotonic())
        waiting = asyncio.create_task(places.take("a", time.monotonic()))
        await asyncio.sleep(0)
        if give_first:
            places.leave("a")
            taken += 1
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        for _ in range(2 - taken):
            places.leave("a")
        taken = 0
    for _ in range(2):
        async with asyncio.timeout(1):
            await places.take("a", time.monotonic())


# ---- over the wire -----------------------------------------------------------------------------------------------


async def work(node, caller, body):
    await gate.wait()
    return {"v": 1}


@pytest.fixture(scope="module")
async def nodes(make_node):
    async with nation(make_node, "500000", "510000", calls={"demo.work": work}) as nodes:
        yield nodes


async def ask(nodes, *, budget=2500, body=b"{}", change=None):
    """One signed call from 500000 to 510000: status, problem code, headers."""
    caller, server = nodes["500000"], nodes["510000"]
    headers = signatures.sign_request(
        caller.keys.signer("s1"), method="POST", path=PATH, to="510000", budget_ms=budget, body=body, idempotency_key=None,
        now=caller.clock.ms() // 1000, nonce=b64(secrets.token_bytes(16)),
    )  # fmt: skip
    status, names, content = await transport(
        caller, "POST", server.settings.base_url, server.settings.connect, PATH, headers=headers | (change or {}), body=body, seconds=10
    )
    return status, parse_object(content).get("code"), names


async def test_t36_a_crowd_does_not_take_away_what_is_left(nodes, small, monkeypatch):
    """What has room is worked on; the others are told to come again, with a signature of ours and before any check of theirs."""
    checked, told, real = [], [], answer.true_signature

    async def counted(*asked):
        checked.append(1)
        return await real(*asked)

    monkeypatch.setattr(answer, "true_signature", counted)
    gate.clear()

    async def one():
        told.append(await ask(nodes))
        if len(told) >= CROWD - 2:
            gate.set()

    async with asyncio.timeout(20):
        await asyncio.gather(*(one() for _ in range(CROWD)))
    assert Counter((status, code) for status, code, _ in told) == {(200, None): 2, (429, "busy"): CROWD - 2}
    assert len(checked) == 2, "a signature was checked of a call that was turned away"
    for status, _, names in told:
        assert names["signature"].startswith("tb=:")
        assert (status == 200) is ("retry-after" not in names)
    assert office(nodes["510000"]).in_flight["500000"] == 0, "a place was not given back"
    assert (await ask(nodes))[0] == 200


async def test_beyond_what_can_be_signed_a_refusal_is_bare_and_decides_nothing(nodes, small, monkeypatch):
    """A crowd does not make us sign for it; to the caller a bare refusal is a broken connection (docs/adr/0013)."""
    held = room.places(nodes["510000"])
    monkeypatch.setattr(held, "_refusals", Refusals(time.monotonic(), at_hand=3))
    for _ in range(2):
        await held.take("500000", time.monotonic())
    try:
        told = [(await ask(nodes))[2] for _ in range(3)]
        assert sum("signature" in names for names in told) == 3
        monkeypatch.setattr(held, "_refusals", Refusals(time.monotonic(), at_hand=0))
        status, _, names = await ask(nodes)
        assert (status, names["retry-after"]) == (429, "1")
        assert "signature" not in names, "signed for a crowd"
        with pytest.raises(federation.CallFailed) as said:
            await federation.call(nodes["500000"], "510000", "demo.work", {}, budget_ms=300)
        assert (said.value.problem, said.value.retryable) == ("transport", True)
    finally:
        for _ in range(2):
            held.leave("500000")


async def test_who_is_turned_away_may_come_again_with_the_same_request(nodes, small):
    """Nothing was done for it: its nonce is unused."""
    server = nodes["510000"]
    held = room.places(server)
    headers = signatures.sign_request(
        nodes["500000"].keys.signer("s1"), method="POST", path=PATH, to="510000", budget_ms=2500, body=b"{}", idempotency_key=None,
        now=server.clock.ms() // 1000, nonce=b64(secrets.token_bytes(16)),
    )  # fmt: skip
    for _ in range(2):
        await held.take("500000", time.monotonic())
    try:
        assert (await ask(nodes, change=headers))[:2] == (429, "busy")
    finally:
        for _ in range(2):
            held.leave("500000")
    assert (await ask(nodes, change=headers))[0] == 200


async def test_a_call_whose_time_is_over_is_not_checked_any_more(nodes, small, monkeypatch):
    """The caller's patience begins when its call arrives: who waited for a place beyond it costs no SM2 work (federation.md 4)."""
    monkeypatch.setattr(room, "PATIENCE", 1.0)
    checked = []

    async def counted(*asked):
        checked.append(asked)
        return True

    monkeypatch.setattr(answer, "true_signature", counted)
    server = nodes["510000"]
    held = room.places(server)
    for _ in range(2):
        await held.take("500000", time.monotonic())
    asking = asyncio.create_task(ask(nodes, budget=40))
    async with asyncio.timeout(10):
        while not held._lines.get("500000"):  # noqa: ASYNC110  it is there and waits: no event tells
            await asyncio.sleep(0.005)
    await asyncio.sleep(0.05)
    for _ in range(2):
        held.leave("500000")
    said = await asking
    assert checked == [], "a signature was checked for nobody"
    assert said[:2] == (504, "deadline")


async def test_strangers_share_the_places_of_nobody(nodes, small, tmp_path):
    """A name that the directory does not know is no caller: however many are made up, they wait in one line."""
    from tongban.kernel.gm import FileKeyStore

    held = room.places(nodes["510000"])
    for _ in range(2):
        await held.take("", time.monotonic())
    try:
        stranger = signatures.sign_request(
            FileKeyStore(tmp_path, "999999").signer("s1"), method="POST", path=PATH, to="510000", budget_ms=2500, body=b"{}",
            idempotency_key=None, now=nodes["500000"].clock.ms() // 1000, nonce=b64(secrets.token_bytes(16)),
        )  # fmt: skip
        assert (await ask(nodes, change=stranger))[:2] == (429, "busy")
        assert (await ask(nodes))[0] == 200
    finally:
        for _ in range(2):
            held.leave("")


async def test_who_sends_slowly_under_a_borrowed_name_holds_none_of_its_places(nodes, small):
    """Heads that name a node of ours and bodies that never come: the node itself is answered as always (T-36)."""
    server = nodes["510000"]
    host, _, port = server.settings.connect.rpartition(":")
    slow = [await asyncio.open_connection(host, int(port)) for _ in range(8)]
    try:
        for _, out in slow:
            out.write(f"POST {PATH} HTTP/1.1\r\nhost: x\r\ntongban-from: 500000\r\ncontent-length: 9\r\n\r\n{{".encode())
            await out.drain()
        for _ in range(3):
            assert (await ask(nodes))[0] == 200, "held by somebody who borrowed the name"
        assert office(server).in_flight["500000"] == 0
    finally:
        for _, out in slow:
            out.close()


async def test_only_a_post_is_a_call(nodes):
    found = await federation.present(nodes["510000"])
    assert found is not None
    status, names, _ = await transport(
        nodes["500000"], "GET", nodes["510000"].settings.base_url, nodes["510000"].settings.connect, PATH, headers={}, body=None, seconds=5
    )
    assert (status, names["allow"]) == (405, "POST")
