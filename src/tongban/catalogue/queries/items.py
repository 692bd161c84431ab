"""Looking for items 查事项: one by its code, many by place, audience, theme, life event, department."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from tongban.catalogue.model import BasicItem, Item, Listing
from tongban.catalogue.rules import ancestors, area, item_from
from tongban.kernel.db import Tx

LISTED = """task_code, version, digest, name, plain_name, owner_node, division, department, organisation, audience,
            channels, themes, status, rev, changed_at"""
_bodies: dict[str, Item] = {}
MOST_KEPT = 2000


def _item(digest: str, body: dict[str, Any]) -> Item:
    """The item of a row; parsed once a digest, for a digest never means two things."""
    found = _bodies.get(digest)
    if found is None:
        found = item_from(body)
        if len(_bodies) >= MOST_KEPT:
            _bodies.clear()
        _bodies[digest] = found
    return found


def _listing(row: Any) -> Listing:
    return msgspec.convert(dict(row), Listing)


async def item(tx: Tx, task_code: str, version: int | None = None) -> Item | None:
    """The published item of that code, or with `version` that very version whatever its state (事项).

    None when there is none; a draft is only found by its version.
    """
    if version is None:
        row = await tx.fetchrow(
            "SELECT digest, body FROM item WHERE task_code = $1 AND status = 'published' ORDER BY version DESC LIMIT 1", task_code
        )
    else:
        row = await tx.fetchrow("SELECT digest, body FROM item WHERE task_code = $1 AND version = $2", task_code, version)
    return _item(row["digest"], row["body"]) if row else None


async def listing(tx: Tx, task_code: str, version: int | None = None) -> Listing | None:
    """The state of an item, its newest version's unless one is named: status, channels, rev, digest (事项状态)."""
    row = await tx.fetchrow(
        f"""SELECT {LISTED} FROM item WHERE task_code = $1 AND ($2::int IS NULL OR version = $2)
            ORDER BY status = 'published' DESC, status <> 'draft' DESC, version DESC LIMIT 1""",
        task_code, version,
    )
    return _listing(row) if row else None


async def items(
    tx: Tx,
    *,
    division: str = "",
    audience: str = "",
    theme: str = "",
    life_event: str = "",
    department: str = "",
    channel: str = "",
    owner_node: str = "",
    elsewhere: bool = False,
    limit: int = 200,
) -> tuple[Listing, ...]:
    """Published items for somebody in `division` (six digits; "" = everywhere), nearest place first (事项清单).

    A place meets the items of itself, of everything above it and of everything below it; with `elsewhere` also those
    of other places that are open across provinces. `theme` is `natural:NNN` or `legal:NNN`. Source: R-105.
    """
    above = list(ancestors(division)) if area(division) else []
    rows = await tx.fetch(
        f"""SELECT {LISTED} FROM item
            WHERE status = 'published'
              AND (cardinality($1::text[]) = 0 OR division = ANY($1) OR division LIKE $2 || '%'
                   OR ($8 AND (body->'modes') @> ANY (ARRAY['["online"]', '["hand_over"]', '["joint"]']::jsonb[])))
              AND ($3 = '' OR $3 = ANY(audience)) AND ($4 = '' OR $4 = ANY(themes))
              AND ($5 = '' OR $5 = ANY(life_events)) AND ($6 = '' OR department = $6)
              AND ($7 = '' OR $7 = ANY(channels)) AND ($9 = '' OR owner_node = $9)
            ORDER BY length(rtrim(division, '0')) DESC, task_code LIMIT $10""",
        above, area(division), audience, theme, life_event, department, channel, elsewhere, owner_node, limit,
    )
    return tuple(_listing(row) for row in rows)


async def drafts(tx: Tx) -> tuple[Listing, ...]:
    """This node's own definitions that are not published (草稿)."""
    rows = await tx.fetch(f"SELECT {LISTED} FROM item WHERE status = 'draft' ORDER BY task_code, version")
    return tuple(_listing(row) for row in rows)


async def published(tx: Tx) -> tuple[Item, ...]:
    """Every published item, whole, by code (全部已发布事项): for the search index."""
    rows = await tx.fetch("SELECT digest, body FROM item WHERE status = 'published' ORDER BY task_code")
    return tuple(_item(row["digest"], row["body"]) for row in rows)


async def changed_since(tx: Tx, since: datetime | None) -> tuple[Listing, ...]:
    """Every version whose state changed here after a moment, oldest change first; None = all (变化)."""
    rows = await tx.fetch(
        f"SELECT {LISTED} FROM item WHERE status <> 'draft' AND ($1::timestamptz IS NULL OR changed_at > $1) ORDER BY changed_at",
        since,
    )
    return tuple(_listing(row) for row in rows)


async def basic_item(tx: Tx, catalog_code: str) -> BasicItem | None:
    """The basic item of that code, or None (基本目录)."""
    row = await tx.fetchrow("SELECT * FROM basic_item WHERE catalog_code = $1", catalog_code)
    return msgspec.convert(dict(row), BasicItem) if row else None


async def basic_items(tx: Tx) -> tuple[BasicItem, ...]:
    """The whole basic catalogue at hand (基本目录)."""
    rows = await tx.fetch("SELECT * FROM basic_item ORDER BY catalog_code")
    return tuple(msgspec.convert(dict(row), BasicItem) for row in rows)


async def departments(tx: Tx) -> tuple[tuple[str, int], ...]:
    """Departments with published items, and how many (部门)."""
    rows = await tx.fetch(
        "SELECT department, count(*) AS many FROM item WHERE status = 'published' GROUP BY department ORDER BY many DESC, department"
    )
    return tuple((row["department"], row["many"]) for row in rows)


def forget() -> None:
    """Drop what was parsed (清空缓存): for tests that count parsing."""
    _bodies.clear()


