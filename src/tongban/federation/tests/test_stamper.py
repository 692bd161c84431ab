"""The stamper: numbers without holes over whatever commits and rolls back around it (docs/model/stamper.pml)."""

from __future__ import annotations

import asyncio
import random

import msgspec
import pytest

from tongban import federation
from tongban.federation.actions.office import office
from tongban.federation.actions.stamp import lock_head, stamp, state_head
from tongban.federation.rules import wire
from tongban.federation.tests.make import make_member
from tongban.kernel.gm import parse_json


class Undo(Exception):
    pass


@pytest.fixture(scope="module")
async def hub(make_node):
    node = await make_member(make_node, "cn")
    await federation.make_hub(node)
    return node


async def write(node, about, *, undo=False, wait=0.0):
    try:
        async with node.db.transaction() as tx:
            letter = await federation.send(tx, node, to="*", kind="demo.fact", about=about, body={"n": about})
            await asyncio.sleep(wait)
            if undo:
                raise Undo
    except Undo:
        return None
    return letter


async def rows(node):
    async with node.db.reading() as tx:
        return await tx.fetch("SELECT * FROM outbox WHERE seq IS NOT NULL ORDER BY seq")


async def test_concurrent_writers_and_rollbacks_leave_no_hole_and_no_fork(hub):
    dice = random.Random(7)
    stopping = asyncio.Event()

    async def stamper():
        while not stopping.is_set():
            await stamp(hub)
            await asyncio.sleep(0.002)

    stampers = [asyncio.create_task(stamper()) for _ in range(2)]
    wanted = await asyncio.gather(
        *(write(hub, f"demo:{n % 7}", undo=dice.random() < 0.3, wait=dice.random() * 0.02) for n in range(60))
    )
    stopping.set()
    await asyncio.gather(*stampers)
    await stamp(hub)
    found = await rows(hub)
    assert {row["id"] for row in found if row["kind"] == "demo.fact"} == {one for one in wanted if one}
    assert [row["seq"] for row in found] == list(range(1, len(found) + 1))
    previous: dict[str, wire.Place] = {}
    for row in found:
        head = msgspec.json.decode(row["head"], type=wire.Head)
        assert head.prev == previous.get(head.to)
        previous[head.to] = wire.Place(row["seq"], row["digest"])


async def test_a_letter_not_committed_yet_is_not_passed_over(hub):
    opened, go = asyncio.Event(), asyncio.Event()

    async def slow():
        async with hub.db.transaction() as tx:
            letter = await federation.send(tx, hub, to="*", kind="demo.fact", about="demo:slow", body={})
            opened.set()
            await go.wait()
        return letter

    task = asyncio.create_task(slow())
    await opened.wait()
    fast = await write(hub, "demo:fast")
    await stamp(hub)
    before = await rows(hub)
    assert before[-1]["id"] == fast
    go.set()
    late = await task
    await stamp(hub)
    after = await rows(hub)
    assert after[-1]["id"] == late
    assert after[-1]["seq"] == before[-1]["seq"] + 1


async def test_letters_about_one_thing_keep_the_order_of_their_facts(hub):
    order = []

    async def change(n):
        async with hub.db.transaction() as tx:
            await tx.execute("SELECT pg_advisory_xact_lock(42)")  # the row of the thing, locked first
            order.append(await federation.send(tx, hub, to="*", kind="demo.fact", about="demo:one", body={"n": n}))

    await asyncio.gather(*(change(n) for n in range(12)))
    await stamp(hub)
    assert [row["id"] for row in await rows(hub) if row["about"] == "demo:one"][-12:] == order


async def test_the_same_id_is_one_letter(hub):
    cause = "019aa5c4-02b7-7e55-8a41-6c1de0b7f902"
    letter = federation.derived_id("demo.fact", "*", cause)
    for _ in range(2):
        async with hub.db.transaction() as tx:
            await federation.send(tx, hub, to="*", kind="demo.fact", about="demo:x", body={}, id=letter)
    async with hub.db.reading() as tx:
        assert await tx.fetchval("SELECT count(*) FROM outbox WHERE id = $1", letter) == 1
    assert letter[14] == "8"
    assert letter != federation.derived_id("demo.fact", "cn", cause)


async def test_a_letter_too_large_is_refused_at_once(hub):
    with pytest.raises(federation.LetterTooLarge):
        async with hub.db.transaction() as tx:
            await federation.send(tx, hub, to="*", kind="demo.fact", about="demo:x", body={"text": "大" * 100_000})


@pytest.mark.parametrize(
    ("about", "kind", "to"),
    [("", "demo.fact", "*"), ("a" * 81, "demo.fact", "*"), ("a", "Fact", "*"), ("a", "demo.fact", "cn")],
)
async def test_letters_nobody_may_write(hub, about, kind, to):
    with pytest.raises(ValueError):
        async with hub.db.transaction() as tx:
            await federation.send(tx, hub, to=to, kind=kind, about=about, body={})


async def test_a_head_statement_waits_for_the_stamper(hub):
    await write(hub, "demo:unstamped")
    assert not await state_head(hub)
    await stamp(hub)
    assert await state_head(hub)
    async with hub.db.reading() as tx:
        signed = await tx.fetchval("SELECT signed FROM head_statement WHERE origin = 'cn' ORDER BY at DESC LIMIT 1")
    said = wire.parse_statement(parse_json(signed))
    last = (await rows(hub))[-1]
    assert said.statement.seq == last["seq"]
    assert said.statement.streams["*"] == wire.Place(last["seq"], last["digest"])
    assert wire.verify(hub.keys.signer("s1").public, said.canonical, said.signature)


async def test_after_a_restore_nothing_is_stamped_and_an_alarm_rises(hub):
    async with hub.db.transaction() as tx:
        await tx.execute("UPDATE outbox_head SET timeline = timeline + 1")
    await write(hub, "demo:after")
    assert await stamp(hub) == 0
    async with hub.db.transaction() as tx:
        found = await federation.present(hub)
        assert (await lock_head(tx, hub, found)).stopped == "restored"
        assert await tx.fetchval("SELECT count(*) FROM federation_alarm WHERE kind = 'stamper_restored'") == 1
        await tx.execute("UPDATE outbox_head SET timeline = timeline - 1, stopped = NULL")
    assert await stamp(hub) == 1


async def test_with_a_wrong_clock_nothing_is_stamped(hub):
    memory = office(hub)
    for peer in ("500000", "510000", "mps"):
        memory.offsets[peer].append(25.0)
    await write(hub, "demo:clock")
    assert await stamp(hub) == 0
    memory.offsets.clear()
    assert await stamp(hub) == 1
