"""Fetching what came by letter 取原件 (R-407): each node's files in turn, so that one file or one node never holds up the others (T-92).

A node that is silent is asked again at the next turn; a file its node no longer has, or that could not be looked into, goes behind the others.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any
from weakref import WeakKeyDictionary

from tongban.evidence import queries, rules
from tongban.evidence.actions.arriving import NotThere, WrongContent, bring
from tongban.evidence.actions.behind import Behind
from tongban.evidence.actions.scan import scan_waiting
from tongban.evidence.errors import ContentAway, NoRoom
from tongban.evidence.rules.limits import LIMITS
from tongban.kernel.gm import CannotOpen
from tongban.kernel.log import log
from tongban.kernel.node import Node

WRONG_SECONDS = 3600
"""A node that gave something else than its letter said is not asked for that file again before this; the process remembers it."""
A_NODE = 20
"""Files of one node in a turn."""
_wrong: WeakKeyDictionary[Node, dict[str, float]] = WeakKeyDictionary()
_behind: WeakKeyDictionary[Node, Behind] = WeakKeyDictionary()


async def fetch_wanted(node: Node) -> None:
    """Fetch the content of materials that came by letter, then have them looked into (取原件). A silent node is asked again."""
    wrong, behind = _wrong.setdefault(node, {}), _behind.setdefault(node, Behind())
    for address in [one for one, at in wrong.items() if time.monotonic() - at >= WRONG_SECONDS]:
        del wrong[address]
    async with node.db.reading() as tx:
        rows = await tx.fetch(
            "SELECT * FROM (SELECT m.*, row_number() OVER (PARTITION BY origin_node ORDER BY array_position($2::text[], address) NULLS FIRST, made_at)"
            " AS place FROM material m WHERE NOT held AND removed_at IS NULL AND scan <> 'infected' AND byte_count <= $1"
            " AND address <> ALL($3::text[])) AS wanted WHERE place <= $4 ORDER BY place, made_at LIMIT 200",
            LIMITS.carried_bytes, behind.waiting, list(wrong), A_NODE,
        )  # fmt: skip
    silent: set[str] = set()
    for row in rows:
        if row["origin_node"] in silent:
            continue
        try:
            await bring(node, row["origin_node"], row["address"], row["byte_count"] + queries.TAG, {"address": row["address"]})
        except NotThere:
            behind.put(row["address"])
            log("evidence.not_there", origin=row["origin_node"], digest=row["address"])
        except ContentAway:
            silent.add(row["origin_node"])
        except WrongContent:
            silent.add(row["origin_node"])
            wrong[row["address"]] = time.monotonic()
            log("evidence.wrong_content", origin=row["origin_node"], digest=row["address"])
        except NoRoom:
            log("evidence.no_room", bytes=row["byte_count"])
            break  # by the next turn; the node that sent it keeps it meanwhile
        else:
            await _held(node, row)
    await scan_waiting(node)


async def _held(node: Node, row: Mapping[str, Any]) -> None:
    """The file is here: from now on its type and size are what it shows, not what the letter said (识别类型)."""
    size, shown = await _shown(node, row)
    async with node.db.transaction() as tx:
        await tx.execute(
            "UPDATE material SET held = true, media_type = $3, byte_count = $4 WHERE subject = $1 AND id = $2", row["subject"], row["id"], shown, size
        )
    if shown != row["media_type"]:
        log("evidence.other_type", origin=row["origin_node"], kind=shown)
    log("evidence.fetched", origin=row["origin_node"], bytes=size)


async def _shown(node: Node, row: Mapping[str, Any]) -> tuple[int, str]:
    """Its bytes, and its type by the beginning; what does not open by its key has none that is known."""
    store = queries.content_store(node)
    size = await asyncio.to_thread(store.size, row["address"]) or 0
    try:
        async with node.db.reading() as tx:
            secret = await node.person_keys.open(tx, "material.content_key", row["id"], row["content_key"])
        begins = queries.beginning(await asyncio.to_thread(store.part, row["address"], 0, queries.SHOWS), secret)
    except CannotOpen:
        begins = b""
    return max(0, size - queries.TAG), rules.shown(begins, row["media_type"])
