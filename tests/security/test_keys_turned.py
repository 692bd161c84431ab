"""Data keys turn while the house is lived in: nothing is lost, no read fails, nothing stays under the old key (R-801, T-49)."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tongban.exchange.tests.make_holdings import SAMPLES as OF_EXCHANGE
from tongban.identity.tests.make_holdings import SAMPLES as OF_IDENTITY
from tongban.kernel.gm import CannotOpen, FieldCipher, FileKeyStore
from tongban.kernel.tests.make_holdings import MINE, put
from tongban.main import resealing

from .conftest import HER, HER_NUMBER

SAMPLES = {**OF_EXCHANGE, **OF_IDENTITY}


async def versions(node: Any) -> dict[int, int]:
    """How many sealed values stand under each key version."""
    found: dict[int, int] = {}
    async with node.db.reading() as tx:
        for column in await resealing.sealed_columns(tx):
            rows = await tx.fetch(
                f'SELECT substring("{column.name}" FROM 1 FOR 2) AS v, count(*) AS n FROM "{column.table}"'
                f' WHERE octet_length("{column.name}") >= 30 AND substring("{column.name}" FROM 1 FOR 2) IN ($1, $2, $3) GROUP BY 1',
                b"\x00\x01", b"\x00\x02", b"\x00\x03",
            )  # fmt: skip
            for row in rows:
                number = int.from_bytes(row["v"], "big")
                found[number] = found.get(number, 0) + row["n"]
    return found


async def test_t49_keys_turn_under_load_and_nothing_is_lost(house: Any) -> None:
    her, clerk = await house.person(), await house.officer("YZ-GA-01")
    paths = ["/me", "/cases", "/wallet", "/messages", f"/cases/{house.ids['received']}"]
    before = {path: (await her.get(path)).status_code for path in paths}
    assert set(before.values()) == {200}
    stop, reads, failed = asyncio.Event(), 0, 0

    async def load() -> None:
        nonlocal reads, failed
        while not stop.is_set():
            for path in paths:
                reads += 1
                failed += (await her.get(path)).status_code != 200
            reads += 1
            failed += (await clerk.get(f"/desk/{house.ids['received']}")).status_code != 200

    loading = asyncio.create_task(load())
    sealed = await versions(house.node)
    assert sealed[1] > 50
    try:
        done = [await resealing.rotate(house.node, group) for group in resealing.GROUPS]
    finally:
        stop.set()
        await loading
    assert sum(one.failed for one in done) == 0, f"rows that no key opened: {done}"
    assert sum(one.rows for one in done) >= sealed[1]
    after = await versions(house.node)
    assert after.get(1, 0) == 0, f"old key still in use: {after}"
    assert (failed, reads > 20) == (0, True), f"{failed} of {reads} reads failed"
    print(json.dumps({one.group: one.rows for one in done}), f"{reads} reads meanwhile, {failed} failed")


async def test_t49_a_rotation_cut_off_goes_on_where_it_was(house: Any) -> None:
    node = house.node
    async with node.db.reading() as tx:
        some = (await resealing.sealed_columns(tx))[:]
    version = node.cipher.rotate("case")
    async with node.db.transaction() as tx:
        await tx.execute("INSERT INTO key_rotation (group_name, version, begun_at) VALUES ('case', $1, now() - interval '1 hour')", version)
    half = resealing.Done("case", version)
    for column in some[: len(some) // 2]:
        await resealing._column(node, column, half, {})
    await resealing.turn(node)
    async with node.db.reading() as tx:
        row = await tx.fetchrow("SELECT * FROM key_rotation WHERE group_name = 'case' AND version = $1", version)
    assert row["ended_at"] is not None
    assert row["rows_failed"] == 0
    assert (await (await house.person()).get(f"/cases/{house.ids['received']}")).status_code == 200


async def test_t49_another_processs_new_key_is_used_at_once_and_a_lost_key_opens_nothing(house: Any) -> None:
    node, other = house.node, None
    other = FieldCipher(FileKeyStore(node.settings.data_dir / "keys", node.id))
    made = other.rotate("identity")
    node.cipher.refresh()
    assert FieldCipher.version(node.cipher.seal("identity", "a.b", "1", "演示")) == made
    async with node.db.reading() as tx:
        blob = await tx.fetchval("SELECT number FROM person WHERE subject = $1", HER)
    assert node.cipher.open("sensitive", "person.number", HER, blob).reveal() == HER_NUMBER
    (node.settings.data_dir / "keys" / "data" / f"sensitive.{FieldCipher.version(blob)}").rename(node.settings.data_dir / "away")
    try:
        node.cipher.refresh()
        with pytest.raises(CannotOpen):
            node.cipher.open("sensitive", "person.number", HER, blob)
    finally:
        (node.settings.data_dir / "away").rename(node.settings.data_dir / "keys" / "data" / f"sensitive.{FieldCipher.version(blob)}")
        node.cipher.refresh()


@pytest.mark.parametrize("table", sorted(SAMPLES))
async def test_t49_every_way_a_value_is_bound_is_found(tx: Any, node: Any, table: str) -> None:
    """A sealed column that the rotation cannot open would stay under its old key for ever: each sample's values are opened."""
    await put(tx, table, SAMPLES[table].row(node, MINE, "甲的"))
    for column in await resealing.sealed_columns(tx):
        if column.table != table:
            continue
        others = ", ".join(resealing._as_text(column, one) for one in column.others)
        row = await tx.fetchrow(f'SELECT "{column.name}" AS _sealed, {others} FROM {table}')
        if row["_sealed"] is not None and row["_sealed"][:2] == b"\x00\x01":
            assert resealing._opened(node.cipher, column, row, None, "identity"), f"{table}.{column.name}"
