"""Applying what other nodes publish 收录外地事项: each node holds the whole national catalogue."""

from __future__ import annotations

from tongban import federation
from tongban.catalogue.actions.publish import BELL, Published, Withdrawn, columns
from tongban.catalogue.model import Item
from tongban.catalogue.queries import basic_item, drop
from tongban.catalogue.rules import item_from
from tongban.kernel.db import Tx, ring
from tongban.kernel.node import Node


class ItemNotBelieved(Exception):
    """A published item that cannot be taken over (不采信的事项): the letter is parked with this reason."""


async def take_over(tx: Tx, node: Node, origin: str, letter: Published) -> bool:
    """Record an item another node published (收录); True if it changed anything, False for an old or known state.

    Raises ItemNotBelieved: the digest does not fit the body, the origin does not own the item or its division, there
    is no basic item, or a published version came with another content.
    """
    item = item_from(letter.item)
    if item.digest != letter.digest or item.task_code != letter.task_code:
        raise ItemNotBelieved("digest")
    await _owned(tx, origin, item)
    if await basic_item(tx, item.catalog_code) is None:
        raise ItemNotBelieved("no_basic_item")
    if item.codes_are_demo and not node.settings.demo:
        raise ItemNotBelieved("demo_codes")
    newest = await tx.fetchval("SELECT max(rev) FROM item WHERE task_code = $1", item.task_code)
    if newest is not None and newest >= letter.rev:
        return False
    now = node.clock.now()
    await tx.execute(
        """UPDATE item SET status = 'superseded', channels = '{}', rev = $3, changed_at = $4
           WHERE task_code = $1 AND version <> $2 AND status = 'published'""",
        item.task_code, item.version, letter.rev, now,
    )
    written = await tx.fetchval(
        """INSERT INTO item (task_code, version, digest, catalog_code, owner_node, division, name, plain_name, department,
             organisation, audience, themes, life_events, body, status, channels, rev, app, published_at, changed_at)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, 'published', $15, $16, $17, $18, $18)
           ON CONFLICT (task_code, version) DO UPDATE SET status = 'published', channels = $15, rev = $16, app = $17,
             reason = '', changed_at = $18 WHERE item.digest = $3 RETURNING 1""",
        *columns(item), list(letter.channels), letter.rev, letter.app, now,
    )
    if written is None:
        raise ItemNotBelieved("version_changed")
    await ring(tx, BELL)
    drop(letter.task_code)
    return True


async def _owned(tx: Tx, origin: str, item: Item) -> None:
    """The origin owns the item, and the division is one the directory gives it."""
    if item.owner_node != origin:
        raise ItemNotBelieved("not_owner")
    owner = (await federation.directory(tx)).node(origin)
    if owner is None:
        raise ItemNotBelieved("unknown_node")
    if owner.divisions and not any(item.division.startswith(prefix) for prefix in owner.divisions):
        raise ItemNotBelieved("division")


async def take_away(tx: Tx, node: Node, origin: str, letter: Withdrawn) -> bool:
    """Record that its owner withdrew an item (收录下架); True if it changed anything. Raises ItemNotBelieved."""
    row = await tx.fetchrow(
        "SELECT owner_node, rev FROM item WHERE task_code = $1 ORDER BY rev DESC LIMIT 1", letter.task_code
    )
    if row is None or row["rev"] >= letter.rev:
        return False
    if row["owner_node"] != origin:
        raise ItemNotBelieved("not_owner")
    await tx.execute(
        """UPDATE item SET status = 'withdrawn', channels = '{}', rev = $2, reason = $3, changed_at = $4
           WHERE task_code = $1 AND status = 'published'""",
        letter.task_code, letter.rev, letter.reason[:200], node.clock.now(),
    )
    await ring(tx, BELL)
    drop(letter.task_code)
    return True
