"""The catalogue of data resources 数据资源目录 as this node has it: its own resources and those told by letter."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache
from importlib import resources as packaged
from typing import Any

import msgspec

from tongban.exchange.model import Listed, Resource
from tongban.kernel.db import Tx

_CURRENT = "state IN ('active', 'suspended', 'withdrawn')"


@cache
def resources() -> tuple[Resource, ...]:
    """The resources that come with the program (随程序带的目录), from resources.toml: what a demo node starts with."""
    raw = tomllib.loads(packaged.files("tongban.exchange").joinpath("resources.toml").read_text("utf-8"))
    return msgspec.convert(raw["resource"], tuple[Resource, ...])


def resource(resource_id: str) -> Resource | None:
    """As `resources`, the one of that id, or None. What may be asked now stands in the catalogue: `listed`."""
    return next((one for one in resources() if one.id == resource_id), None)


async def listed(tx: Tx, resource_id: str) -> Listed | None:
    """The version of a resource that counts now (目录里现行的一版), also when it is suspended or withdrawn; else None.

    What comes with the program counts until its owner has said otherwise.
    """
    row = await tx.fetchrow(f"SELECT * FROM data_resource WHERE id = $1 AND {_CURRENT}", resource_id)
    if row is not None:
        return listed_of(row)
    found = resource(resource_id)
    return None if found is None else Listed(found, 0, "active", "", datetime.fromtimestamp(0, UTC))


async def listed_now(tx: Tx, names: Iterable[str]) -> dict[str, Listed | None]:
    """As `listed`, for many names in one statement. A definition is read in when its version or standing has changed only."""
    wanted = set(names)
    rows = await tx.fetch(
        f"SELECT id, version, state, rev, changed_at, md5(definition::text) AS mark FROM data_resource WHERE id = ANY($1) AND {_CURRENT}", list(wanted)
    )
    found: dict[str, Listed | None] = {}
    for row in rows:
        known = _read.get(tuple(row))
        if known is None:
            known = await listed(tx, row["id"])
            if len(_read) >= _MOST_READ:
                _read.clear()
            if known is not None:
                _read[tuple(row)] = known
        found[row["id"]] = known
    return found | {name: await listed(tx, name) for name in wanted - found.keys()}


_MOST_READ = 500
_read: dict[tuple[object, ...], Listed] = {}
"""Definitions read in, by everything that could make them different."""


async def definition(tx: Tx, resource_id: str) -> Resource | None:
    """The attributes of a resource that may be asked now (可以取用的资源): active, else None."""
    found = await listed(tx, resource_id)
    return found.resource if found is not None and found.state == "active" else None


async def whole(tx: Tx, *, owner: str = "", words: str = "") -> tuple[Listed, ...]:
    """The catalogue, each resource once (全部目录): what counts now, and own drafts that were never published.

    `words` looks in name, summary, owner and fields.
    """
    rows = await tx.fetch(
        f"""SELECT DISTINCT ON (id) * FROM data_resource
            WHERE ($1 = '' OR owner = $1) AND ($2 = '' OR strpos(lower(definition::text), lower($2)) > 0) AND state <> 'replaced'
            ORDER BY id, ({_CURRENT}) DESC, version DESC LIMIT 500""",
        owner,
        words,
    )
    return tuple(sorted((listed_of(row) for row in rows), key=lambda one: (one.resource.owner, one.resource.id)))


async def versions(tx: Tx, resource_id: str) -> tuple[Listed, ...]:
    """Every version of one resource, newest first (历次版本)."""
    rows = await tx.fetch("SELECT * FROM data_resource WHERE id = $1 ORDER BY version DESC LIMIT 100", resource_id)
    return tuple(listed_of(row) for row in rows)


def listed_of(row: Any) -> Listed:
    """A row of data_resource as its noun."""
    return Listed(
        resource=msgspec.convert(row["definition"], Resource),
        version=row["version"],
        state=row["state"],
        reason=row["reason"],
        changed_at=row["changed_at"],
        proposed_by=row["proposed_by"],
        approved_by=row["approved_by"],
        stopped_by=row["stopped_by"],
        rev=row["rev"],
    )
