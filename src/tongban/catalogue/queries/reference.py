"""Looking into reference data 查参考数据: divisions, national lists, entries; how sure each row is goes with it."""

from __future__ import annotations

from typing import Any

import msgspec

from tongban.catalogue.model import Division, Entry, ReferenceRow
from tongban.catalogue.rules import ancestors
from tongban.kernel.db import Tx

GROUPINGS = frozenset({"grouping"})


async def division(tx: Tx, code: str) -> Division | None:
    """The division of that six-digit code, or None (行政区划)."""
    row = await tx.fetchrow("SELECT * FROM division WHERE code = $1", code)
    return msgspec.convert(dict(row), Division) if row else None


async def division_path(tx: Tx, code: str) -> tuple[Division, ...]:
    """The division and those above it, the province first, without grouping rows like 市辖区 (地区路径)."""
    rows = await tx.fetch("SELECT * FROM division WHERE code = ANY($1) ORDER BY code", list(ancestors(code)))
    found = [msgspec.convert(dict(row), Division) for row in rows]
    return tuple(one for one in found if one.kind not in GROUPINGS)


async def children(tx: Tx, parent_code: str = "") -> tuple[Division, ...]:
    """The divisions right below one ("" = the provinces); grouping rows are looked through (下级地区)."""
    rows = await tx.fetch(
        """SELECT d.* FROM division d LEFT JOIN division p ON p.code = d.parent_code
           WHERE d.kind <> 'grouping' AND (d.parent_code = $1 OR (p.kind = 'grouping' AND p.parent_code = $1)) ORDER BY d.code""",
        parent_code,
    )
    return tuple(msgspec.convert(dict(row), Division) for row in rows)


async def division_names(tx: Tx) -> dict[str, str]:
    """Every division's name by code: one read for whoever draws places (地名表)."""
    return {row["code"]: row["name"] for row in await tx.fetch("SELECT code, name FROM division WHERE kind <> 'grouping'")}


async def find_divisions(tx: Tx, text: str, *, limit: int = 20) -> tuple[Division, ...]:
    """Divisions whose name begins with or contains the text, larger ones first (找地区)."""
    rows = await tx.fetch(
        """SELECT * FROM division WHERE kind = 'official' AND position($1 in name) > 0
           ORDER BY position($1 in name), array_position(ARRAY['province', 'prefecture', 'county'], level), code LIMIT $2""",
        text, limit,
    )
    return tuple(msgspec.convert(dict(row), Division) for row in rows)


async def reference_lists(tx: Tx) -> tuple[tuple[str, int, int], ...]:
    """Every imported list: name, rows, rows that may be shown as official (参考数据清单)."""
    rows = await tx.fetch(
        """SELECT list, count(*) AS many, count(*) FILTER (WHERE official) AS sure FROM reference_row GROUP BY list
           UNION ALL SELECT '行政区划', count(*), count(*) FILTER (WHERE kind = 'official') FROM division
           UNION ALL SELECT '目录信息', count(*), 0 FROM directory_entry
           UNION ALL SELECT '基本目录', count(*), count(*) FILTER (WHERE verified = 'yes' AND NOT codes_are_demo) FROM basic_item
           ORDER BY 1"""
    )
    return tuple((row["list"], row["many"], row["sure"]) for row in rows)


async def reference_rows(tx: Tx, name: str, *, after: str = "", limit: int = 200) -> tuple[ReferenceRow, ...]:
    """Rows of one list by code, from after a code on (参考数据)."""
    rows = await tx.fetch(
        "SELECT * FROM reference_row WHERE list = $1 AND code > $2 ORDER BY code LIMIT $3", name, after, limit
    )
    return tuple(msgspec.convert(dict(row), ReferenceRow) for row in rows)


async def themes(tx: Tx) -> tuple[tuple[str, str, int], ...]:
    """Themes that have published items: `natural:090`, name, how many (主题分类)."""
    rows = await tx.fetch(
        """SELECT t.theme, r.name, t.many FROM (
             SELECT theme, count(*) AS many FROM item, unnest(themes) AS theme WHERE status = 'published' GROUP BY theme) t
           JOIN reference_row r ON r.list = '主题分类' AND r.code = t.theme ORDER BY t.many DESC, t.theme"""
    )
    return tuple((row["theme"], row["name"], row["many"]) for row in rows)


async def life_events(tx: Tx) -> tuple[tuple[str, str, int], ...]:
    """一件事 as imported: id, plain name, how many published items belong to it (生命周期)."""
    rows = await tx.fetch(
        """SELECT r.code, r.name, (SELECT count(*) FROM item WHERE status = 'published' AND r.code = ANY(life_events)) AS many
           FROM reference_row r WHERE r.list = '一件事场景' ORDER BY many DESC, r.code"""
    )
    return tuple((row["code"], row["name"], row["many"]) for row in rows)


def _entry(body: dict[str, Any]) -> Entry:
    return msgspec.convert(body, Entry)


async def entry(tx: Tx, entry_id: str) -> Entry | None:
    """One entry of the directory, or None (目录信息)."""
    row = await tx.fetchrow("SELECT body FROM directory_entry WHERE id = $1", entry_id)
    return _entry(row["body"]) if row else None


async def entries(tx: Tx) -> tuple[Entry, ...]:
    """Every entry of the directory (全部目录信息)."""
    return tuple(_entry(row["body"]) for row in await tx.fetch("SELECT body FROM directory_entry ORDER BY id"))
