"""One judge for every room's holdings 清单的试金石: a table of samples in, copy, erase and term judged on a real database.

    SAMPLES = {"message": Sample(row=lambda node, who: {"title": seal(node, "contact", "message.title", …)}, ends=lambda at: {"at": at})}
    @pytest.mark.parametrize("holding", HOLDINGS, ids=lambda one: one.table)
    async def test_holdings(tx, node, holding): await judge(tx, node, holding, SAMPLES)
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec

from tongban.kernel.db import Tx
from tongban.kernel.holdings import Holding, Term
from tongban.kernel.ids import uuid7
from tongban.kernel.node import Node

MINE, OTHERS = "n1" + "a" * 32, "n1" + "b" * 32
_MARKS = {MINE: "甲的", OTHERS: "乙的"}
_EMPTY = {"text": "", "uuid": None, "timestamptz": None, "date": date(2026, 1, 1), "bytea": None, "bool": False, "jsonb": {}, "_text": [], "_uuid": [], "_int2": []}
Row = Mapping[str, Any]


class Sample(msgspec.Struct, kw_only=True):
    """How a row of one person is made, and what is expected of it.

    `row(node, who, mark)` gives the columns that matter, every readable value starting with `mark`; the rest is filled by
    type. `says` counts the marks a copy must show. `ends(at)` gives the columns of a row whose time began to run at that moment.
    `left` is what an eraser leaves: an SQL condition with the person as `$1`. `person`: the columns that name a person.
    """

    row: Callable[[Node, str, str], Row] = lambda _, who, __: {"subject": who}
    says: int = 0
    ends: Callable[[datetime], Row] | None = None
    left: str = ""
    person: str = "subject"
    still_read: bool = False
    """What stays still reads as before in a copy: proof of a consent, an answer."""


async def put(tx: Tx, table: str, values: Row) -> None:
    """One row: the values given, everything else that may not be empty by its type."""
    columns = await tx.fetch(
        "SELECT a.attname AS name, t.typname AS type FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid"
        " WHERE a.attrelid = $1::text::regclass AND a.attnum > 0 AND NOT a.attisdropped AND a.attnotnull AND NOT a.atthasdef", table,
    )  # fmt: skip
    made = {column["name"]: _filled(column["type"]) for column in columns} | dict(values)
    marks = ", ".join(f"${number}" for number in range(1, len(made) + 1))
    await tx.execute(f"INSERT INTO {table} ({', '.join(_quoted(one) for one in made)}) VALUES ({marks})", *made.values())


def _filled(kind: str) -> Any:
    if kind == "uuid":
        return uuid7()
    if kind == "timestamptz":
        return datetime(2026, 11, 1, tzinfo=UTC)
    if kind == "bytea":
        return uuid7().encode()
    return _EMPTY.get(kind, 1)


def _quoted(name: str) -> str:
    return f'"{name}"'


async def judge(tx: Tx, node: Node, holding: Holding, samples: Mapping[str, Sample]) -> None:
    """Copy, erase and term of one holding."""
    sample = samples[holding.table]
    if holding.copy is not None or holding.erase is not None:
        for who in (MINE, OTHERS):
            await put(tx, holding.table, sample.row(node, who, _MARKS[who]))
    if holding.copy is not None:
        await _copied(tx, node, holding, sample)
    if holding.erase is not None:
        await _erased(tx, node, holding, sample)
    if holding.term is not None:
        assert sample.ends is not None, f"{holding.table} has a term: say in its sample which moment it runs from"
        await _ended(tx, node, holding, holding.term, sample)


async def _copied(tx: Tx, node: Node, holding: Holding, sample: Sample) -> None:
    assert holding.copy is not None
    mine = json.dumps(await holding.copy(tx, node, MINE), ensure_ascii=False)
    others = json.dumps(await holding.copy(tx, node, OTHERS), ensure_ascii=False)
    assert mine.count(_MARKS[MINE]) == sample.says, f"{holding.table}: a copy must show {sample.says} values of the person: {mine}"
    assert others.count(_MARKS[OTHERS]) == sample.says, others
    assert _MARKS[OTHERS] not in mine, f"{holding.table}: another person's value in a copy: {mine}"
    assert _MARKS[MINE] not in others, f"{holding.table}: another person's value in a copy: {others}"
    assert "打不开" not in mine, f"{holding.table}: opened with the wrong group, column or row: {mine}"
    for row in await holding.copy(tx, node, MINE):
        for heading, value in row.items():
            assert any("\u4e00" <= letter <= "\u9fff" for letter in heading), f"{holding.table}: a heading in Chinese, not {heading}"
            assert value not in (None, "", []), f"{holding.table}: an empty value under {heading}"
    assert await holding.copy(tx, node, "n1" + "c" * 32) == [], "a stranger has nothing here"


async def _erased(tx: Tx, node: Node, holding: Holding, sample: Sample) -> None:
    assert holding.erase is not None
    before = await _rows(tx, holding.table, sample, OTHERS)
    assert await holding.erase(tx, node, MINE), f"{holding.table}: nothing was erased"
    left = await _rows(tx, holding.table, sample, MINE)
    if sample.left:
        count = await tx.fetchval(f"SELECT count(*) FROM {holding.table} WHERE {sample.left}", MINE)
        assert count == len(left) == 1, f"{holding.table}: what stays is not what the holding says"
        assert holding.stays, f"{holding.table}: something stays, the person has to read it"
        told = json.dumps(await holding.copy(tx, node, MINE), ensure_ascii=False) if holding.copy else ""
        assert sample.still_read or _MARKS[MINE] not in told, f"{holding.table}: what stays still tells of the person: {told}"
    else:
        assert not left, f"{holding.table}: rows of the person are left"
    assert await _rows(tx, holding.table, sample, OTHERS) == before, f"{holding.table}: another person's rows were touched"
    assert await holding.erase(tx, node, MINE) == 0, f"{holding.table}: a second time changes nothing"


async def _rows(tx: Tx, table: str, sample: Sample, who: str) -> list[dict[str, Any]]:
    return [dict(row) for row in await tx.fetch(f"SELECT * FROM {table} WHERE $1 IN ({sample.person}) ORDER BY 1, 2", who)]


async def _ended(tx: Tx, node: Node, holding: Holding, term: Term, sample: Sample) -> None:
    """Exactly at the limit: a row whose time began at `now − kept` stays, one a moment (or for days a day) older goes."""
    assert sample.ends is not None
    assert term.source, f"{holding.table}: a term names where it comes from"
    await tx.execute("SET LOCAL tongban.retention = 'on'")
    await tx.execute(f"DELETE FROM {holding.table}")
    limit = node.clock.now() - term.kept
    for who, at in ((MINE, limit), (OTHERS, limit - _least(sample, limit))):
        await put(tx, holding.table, {**sample.row(node, who, _MARKS[who]), **sample.ends(at)})
    over = f"SELECT count(*) FROM {holding.table} WHERE {term.past}"
    assert await tx.fetchval(over, limit) == 1, f"{holding.table}: exactly the row past its time ends"
    if term.end is not None:
        assert await term.end(tx, node, limit) == 1
    else:
        await tx.execute(f"DELETE FROM {holding.table} WHERE {term.past}", limit)
    assert await tx.fetchval(over, limit) == 0
    assert await tx.fetchval(f"SELECT count(*) FROM {holding.table}") == 1, f"{holding.table}: a row was ended before its time"


def _least(sample: Sample, limit: datetime) -> timedelta:
    assert sample.ends is not None
    only_days = all(isinstance(value, date) and not isinstance(value, datetime) for value in sample.ends(limit).values() if value is not None)
    return timedelta(days=1) if only_days else timedelta(microseconds=1)


async def end_terms(tx: Tx, node: Node, holdings: tuple[Holding, ...]) -> None:
    """What the retention clock of `privacy` does with these holdings 到期清理, in one transaction and without legal holds."""
    await tx.execute("SET LOCAL tongban.retention = 'on'")
    for one in holdings:
        if one.term is not None and one.term.end is not None:
            await one.term.end(tx, node, node.clock.now() - one.term.kept)
        elif one.term is not None:
            await tx.execute(f"DELETE FROM {one.table} WHERE {one.term.past}", node.clock.now() - one.term.kept)
