"""A copy of an invented person with the rooms' own holdings: all of that person in plain values, nothing of three others (R-409)."""

from __future__ import annotations

import json

import msgspec
import pytest

from tongban import consent, evidence, identity, notifications, privacy
from tongban.consent.tests.make import wanted
from tongban.evidence.tests.make import picture, sent
from tongban.kernel.ids import uuid7
from tongban.main import rooms
from tongban.privacy.actions import asking, gathering, sharing
from tongban.privacy.queries.copies import copy_of
from tongban.privacy.queries.known import holdings
from tongban.privacy.tests import make
from tongban.space.actions import remember_display
from tongban.space.model import Display


@pytest.fixture(scope="module")
async def country(make_node):
    async with make.two_nodes(make_node) as (nodes, subject):
        privacy.use_holdings(rooms.holdings())
        yield nodes, subject
        privacy.use_holdings(())


async def lives(home, subject, mark, shade):
    """What a person leaves behind in several rooms, each with words of its own."""
    actor = make.her(subject, level=2)
    async with home.db.transaction() as tx:
        await notifications.notify(
            tx, home, subject=subject, kind="演示", title=f"{mark}的消息", text=f"{mark}来信全文", link="/me", about=f"case:{uuid7()}"
        )
        kept = await evidence.store(tx, home, actor, sent(picture(shade), f"{mark}的照片.jpg"), kind="photo")
        assert isinstance(kept, evidence.Material), kept
        await consent.give(tx, home, actor, msgspec.structs.replace(wanted(home), why=f"{mark}要办的事"), channel="h5")
        await remember_display(tx, home, actor, Display("elder", 130, "500103"))


async def register_of(mps):
    """What the invented register says of everybody: (subject, plain values)."""
    async with mps.db.reading() as tx:
        subjects = [row["subject"] for row in await tx.fetch("SELECT subject FROM register_entry ORDER BY subject LIMIT 8")]
        return {one: await identity.population_attributes(tx, mps, one) for one in subjects}


async def test_everything_of_her_and_nothing_of_three_others(country):
    nodes, subject = country
    home, mps = nodes[make.HOME], nodes["mps"]
    register = await register_of(mps)
    others = [one for one in register if one != subject][:3]
    await lives(home, subject, "演示她", 201)
    for number, one in enumerate(others):
        await lives(home, one, f"演示别人{number}", 100 + number)
    files = await copied(nodes, subject, whole=True)
    everything = b"\n".join([*files.values(), *(name.encode() for name in files)])

    known = register[subject]
    hers = ["演示她的消息", "演示她来信全文", "演示她的照片.jpg", "演示她要办的事", known.name.reveal(), known.number.reveal(), known.address.reveal(), "13800000000"]
    assert not [one for one in hers if one.encode() not in everything]
    assert picture(201) in files.values()
    for number, one in enumerate(others):
        them = register[one]
        for told in (f"演示别人{number}", them.name.reveal(), them.number.reveal(), one):
            assert told.encode() not in everything, told
        assert picture(100 + number) not in files.values()
    await _every_table(nodes, subject, files)

    simple = b"\n".join((await copied(nodes, subject, whole=False)).values())
    assert known.name.reveal().encode() in simple
    assert known.number.reveal().encode() not in simple, "the number of a document is for level 3"
    assert picture(201) not in simple


async def copied(nodes, subject, *, whole):
    """Every file of a copy made now."""
    home, actor = nodes[make.HOME], make.her(subject)
    async with home.db.transaction() as tx:
        copy = await asking.ask(tx, home, actor, whole=whole)
    await gathering.step(home, subject, copy.id)
    for name in make.OTHERS:
        await sharing.make_shares(nodes[name])
    await gathering.step(home, subject, copy.id)
    async with home.db.reading() as tx:
        done = await copy_of(tx, home, subject, copy.id)
    assert (done.state, done.left_out) == ("ready", 0)
    async with home.db.transaction() as tx:
        _, word = await asking.show_word(tx, home, actor, copy.id)
    async with home.db.transaction() as tx:
        download = await asking.begin_download(tx, home, actor, copy.id)
    return make.unlock(b"".join([piece async for piece in download.content]), word)


async def _every_table(nodes, subject, files):
    """Whatever holding copies rows, and has some of this person at a node, stands in the copy for that node."""
    listed = {one["名称"] for one in json.loads(files["目录.json"])["各类"]}
    absent = []
    for node in nodes.values():
        async with node.db.reading() as tx:
            for one in holdings():
                named = await tx.fetchval("SELECT 1 FROM information_schema.columns WHERE table_name = $1 AND column_name = 'subject'", one.table)
                if one.copy is None or not named or one.table == "copy_request" or one.title in listed:
                    continue
                if await tx.fetchval(f"SELECT count(*) FROM {one.table} WHERE subject = $1", subject):
                    absent.append(f"{node.id}: {one.table}")
    assert not absent
