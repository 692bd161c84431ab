"""kill -9 between seal and row (issue 4): nothing is lost, nothing is doubled, and no sealed document is without its record."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import Any

import msgspec
import pytest

from tongban import identity, seals
from tongban.identity.tests.make_staff import officer
from tongban.kernel.gm import digest
from tongban.seals import actions, queries
from tongban.seals.errors import Over
from tongban.seals.model import Application, Seal, UseRequest
from tongban.seals.tests import make, make_office
from tongban.seals.tests.killed import Order
from tongban.seals.tests.make_office import FIRST, SECOND

POINTS = ("signed", "leaf", "row", "committed")


class Broken(msgspec.Struct):
    """What was under way when its process was killed, each at another point (断电的现场)."""

    node: Any
    first: Any
    second: Any
    seal: Seal
    asked: dict[str, UseRequest]
    wanted: list[Application]
    leaves: int


LEAVES = "SELECT count(*) FROM log_leaf WHERE kind = 'seal.used'"


@pytest.fixture(scope="module")
async def broken(make_node):
    """One process starts; for each point a fork of it does the deed and is killed there."""
    node = await make_node("500000")
    await identity.set_up(node)
    await seals.set_up(node)
    ofd = seals.build_ofd(make.document())
    async with node.db.transaction() as tx:
        first, second = await officer(tx, node, FIRST), await officer(tx, node, SECOND)
        seal = await make_office.made(tx, node, first, second, first, SECOND, two_persons=True)
        [turn] = await queries.custody(tx, seal.id)
        await actions.accept(tx, node, second, seal.id, turn.id, turn.digest)
        asked = {point: await make_office.asked(tx, node, first, seal, ofd, about=f"文号 {point}") for point in POINTS}
        wanted = [await make_office.applied(tx, node, first, SECOND) for _ in range(2)]
        for one in wanted:
            await actions.review(tx, node, second, one.id, one.digest, agree=True)
        leaves = await tx.fetchval(LEAVES)
    orders = [Order(point, one.id, one.digest) for point, one in asked.items()]
    orders += [Order(point, one.id, one.digest) for point, one in zip(("key", "made"), wanted, strict=True)]
    said = msgspec.json.encode((node.settings, orders), enc_hook=str)
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-m", "tongban.seals.tests.killed"], input=said, capture_output=True, check=False
    )
    assert done.stdout.split()[-len(orders) :] == [b"-9"] * len(orders), done
    return Broken(node, first, second, seal, asked, wanted, leaves)


async def test_killed_while_sealing(broken):
    """After the signature, after the leaf, after the row, after the commit: the use is there whole or not at all."""
    node, asked = broken.node, broken.asked
    async with node.db.reading() as tx:
        assert [one.about for one in await queries.uses(tx, broken.seal.id)] == ["文号 committed"]
        assert await tx.fetchval(LEAVES) == broken.leaves + 1
        states = {point: (await queries.use_request(tx, one.id)).state for point, one in asked.items()}
    assert states == {"signed": "asked", "leaf": "asked", "row": "asked", "committed": "sealed"}
    for one in asked.values():  # the officer looks again and presses again
        async with node.db.transaction() as tx:
            if (await queries.use_request(tx, one.id)).state == "asked":
                await actions.decide_use(tx, node, broken.second, one.id, one.digest, agree=True)
            else:
                with pytest.raises(Over):
                    await actions.decide_use(tx, node, broken.second, one.id, one.digest, agree=True)
    async with node.db.reading() as tx:
        used = await queries.uses(tx, broken.seal.id)
        assert sorted(one.about for one in used) == sorted(f"文号 {point}" for point in POINTS)
        assert await tx.fetchval(LEAVES) == broken.leaves + len(POINTS)
        trusted = await queries.anchors(tx)
        for one in asked.values():
            _, sealed = await actions.request.document_of(tx, node, broken.second, one.id, sealed=True)
            assert seals.verify_ofd(sealed, trusted).ok
            assert (await queries.use_of(tx, digest(sealed))).about.startswith("文号")


async def test_killed_while_making(broken):
    """Between key and row: made again, it is the same key, one seal, one hand-over."""
    node = broken.node
    async with node.db.reading() as tx:
        assert [await queries.seal(tx, one.id) is not None for one in broken.wanted] == [False, True]
    for one in broken.wanted:
        async with node.db.transaction() as tx:
            made = await actions.make_applied(tx, node, broken.first, one.id)
            assert node.keys.has(made.key_name)
            assert len(await queries.custody(tx, made.id)) == 1
            assert [each.act for each in await queries.acts(tx, made.id)].count("made") == 1
