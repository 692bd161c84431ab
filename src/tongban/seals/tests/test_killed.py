"""kill -9 between seal and row (issue 4): nothing is lost, nothing is doubled, and no sealed document is without its record."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import msgspec
import pytest

from tongban import identity, seals
from tongban.identity.tests.make_staff import officer
from tongban.kernel.gm import digest
from tongban.seals import actions, queries
from tongban.seals.errors import Over
from tongban.seals.tests import make, make_office
from tongban.seals.tests.killed import Order
from tongban.seals.tests.make_office import FIRST, SECOND

POINTS = ("signed", "leaf", "row", "committed")


@pytest.fixture(scope="module")
async def node(make_node):
    made = await make_node("500000")
    await identity.set_up(made)
    await seals.set_up(made)
    return made


async def die_at(node, orders: list[Order]) -> None:
    """A process of its own is killed at each of these points."""
    said = msgspec.json.encode((node.settings, orders), enc_hook=str)
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-m", "tongban.seals.tests.killed"], input=said, capture_output=True, check=True
    )
    assert done.stdout.split() == [b"-9"] * len(orders), done


async def test_killed_while_sealing(node):
    """After the signature, after the leaf, after the row, after the commit: the use is there whole or not at all."""
    ofd = seals.build_ofd(make.document())
    async with node.db.transaction() as tx:
        first, second = await officer(tx, node, FIRST), await officer(tx, node, SECOND)
        seal = await make_office.made(tx, node, first, second, first, SECOND, two_persons=True)
        [turn] = await queries.custody(tx, seal.id)
        await actions.accept(tx, node, second, seal.id, turn.id, turn.digest)
        asked = {point: await make_office.asked(tx, node, first, seal, ofd, about=f"文号 {point}") for point in POINTS}
        leaves = "SELECT count(*) FROM log_leaf WHERE kind = 'seal.used'"
        before = await tx.fetchval(leaves)
    await die_at(node, [Order(point, one.id, one.digest) for point, one in asked.items()])
    async with node.db.reading() as tx:
        assert [one.about for one in await queries.uses(tx, seal.id)] == ["文号 committed"]
        assert await tx.fetchval(leaves) == before + 1
        states = {point: (await queries.use_request(tx, one.id)).state for point, one in asked.items()}
    assert states == {"signed": "asked", "leaf": "asked", "row": "asked", "committed": "sealed"}
    for one in asked.values():  # the officer looks again and presses again
        async with node.db.transaction() as tx:
            if (await queries.use_request(tx, one.id)).state == "asked":
                await actions.decide_use(tx, node, second, one.id, one.digest, agree=True)
            else:
                with pytest.raises(Over):
                    await actions.decide_use(tx, node, second, one.id, one.digest, agree=True)
    async with node.db.reading() as tx:
        used = await queries.uses(tx, seal.id)
        assert sorted(one.about for one in used) == sorted(f"文号 {point}" for point in POINTS)
        assert await tx.fetchval(leaves) == before + len(POINTS)
        trusted = await queries.anchors(tx)
        for one in asked.values():
            _, sealed = await actions.request.document_of(tx, node, second, one.id, sealed=True)
            assert seals.verify_ofd(sealed, trusted).ok
            assert (await queries.use_of(tx, digest(sealed))).about.startswith("文号")


async def test_killed_while_making(node):
    """Between key and row: made again, it is the same key, one seal, one hand-over."""
    async with node.db.transaction() as tx:
        first, second = await officer(tx, node, FIRST), await officer(tx, node, SECOND)
        wanted = [await make_office.applied(tx, node, first, SECOND) for _ in range(2)]
        for one in wanted:
            await actions.review(tx, node, second, one.id, one.digest, agree=True)
    await die_at(node, [Order(point, one.id, one.digest) for point, one in zip(("key", "made"), wanted, strict=True)])
    async with node.db.reading() as tx:
        assert [await queries.seal(tx, one.id) is not None for one in wanted] == [False, True]
    for one in wanted:
        async with node.db.transaction() as tx:
            made = await actions.make_applied(tx, node, first, one.id)
            assert node.keys.has(made.key_name)
            assert len(await queries.custody(tx, made.id)) == 1
            assert [each.act for each in await queries.acts(tx, made.id)].count("made") == 1
