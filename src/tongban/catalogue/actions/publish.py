"""Publishing and withdrawing 发布与下架: the row, the log leaf and the letter to every node in one transaction."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from tongban import federation, transparency
from tongban.catalogue.model import Channel, Item, Listing
from tongban.catalogue.queries import basic_item, drop, listing, load_folder
from tongban.catalogue.queries import item as item_of
from tongban.catalogue.rules import body_of, findings
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx, ring
from tongban.kernel.errors import Refusal, Refusals
from tongban.kernel.gm import jcs
from tongban.kernel.log import log
from tongban.kernel.node import Node

BELL = "catalogue"
CHANNELS: tuple[str, ...] = ("h5", "webview", "pc", "kiosk", "counter", "third_party")


async def shelve(tx: Tx, node: Node, found: Iterable[Item] | None = None) -> int:
    """Keep the definitions of this node as drafts 入库 (not seen outside until published); how many changed.

    Without `found` the folder `items_dir` of the settings is read (DefinitionBroken). A version that was published once
    is left alone: a changed definition needs a new version.
    """
    mine = [one.item for one in load_folder(node.settings.items_dir)] if found is None else list(found)
    return sum([await _shelve_one(tx, node, one) for one in mine if one.owner_node == node.id])


async def _shelve_one(tx: Tx, node: Node, item: Item) -> bool:
    changed = await tx.fetchval(
        """INSERT INTO item (task_code, version, digest, catalog_code, owner_node, division, name, plain_name, department,
             organisation, audience, themes, life_events, body, status, channels, rev, changed_at)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, 'draft', '{}', 0, $15)
           ON CONFLICT (task_code, version) DO UPDATE SET digest = $3, catalog_code = $4, division = $6, name = $7,
             plain_name = $8, department = $9, organisation = $10, audience = $11, themes = $12, life_events = $13, body = $14,
             changed_at = $15
           WHERE item.status = 'draft' AND item.digest <> $3 RETURNING 1""",
        *columns(item), node.clock.now(),
    )
    return changed is not None


def columns(item: Item) -> tuple[object, ...]:
    """The first fourteen columns of a row of `item`, in order (列)."""
    return (
        item.task_code, item.version, item.digest, item.catalog_code, item.owner_node, item.division, item.name,
        item.plain_name, item.department, item.organisation.name, list(item.audience), list(item.themes),
        list(item.life_events), body_of(item),
    )


async def publish(
    tx: Tx, node: Node, actor: Actor, task_code: str, version: int, *, channels: tuple[Channel, ...], app: str = ""
) -> Item | Refusals:
    """Open a version of an item on channels, here and on every node (发布). The older version is superseded.

    Publishing the same version again only changes its channels. Refused: no such definition here, no basic item, a
    finding of severity error, a channel the definition does not offer. The caller has judged whether `actor` may.
    """
    _ = actor
    await _lock(tx, task_code)
    item = await item_of(tx, task_code, version)
    refusals = await _judge(tx, node, item, channels)
    if refusals:
        return refusals
    assert item is not None
    rev = int(await tx.fetchval("SELECT coalesce(max(rev), 0) + 1 FROM item WHERE task_code = $1", task_code))
    now = node.clock.now()
    await tx.execute(
        """UPDATE item SET status = 'superseded', channels = '{}', rev = $3, changed_at = $4
           WHERE task_code = $1 AND version <> $2 AND status = 'published'""",
        task_code, version, rev, now,
    )
    await tx.execute(
        """UPDATE item SET status = 'published', channels = $3, rev = $4, app = $5, reason = '',
             published_at = coalesce(published_at, $6), changed_at = $6 WHERE task_code = $1 AND version = $2""",
        task_code, version, list(channels), rev, app, now,
    )
    await _tell(tx, node, item, "item.published", {"channels": list(channels), "rev": rev, "app": app, "item": body_of(item)})
    log("catalogue.published", count=len(channels))
    return item


async def _lock(tx: Tx, task_code: str) -> None:
    """One at a time for each item: letters about it leave in the order of these locks."""
    await tx.execute("SELECT 1 FROM item WHERE task_code = $1 ORDER BY version FOR UPDATE", task_code)


async def _judge(tx: Tx, node: Node, item: Item | None, channels: tuple[Channel, ...]) -> Refusals:
    if item is None:
        return (Refusal("catalogue.no_definition", "这里没有这个事项的这一版定义，先把定义放进事项目录"),)
    if item.owner_node != node.id:
        return (Refusal("catalogue.not_owner", "这个事项不归本节点管，请在它自己的节点发布"),)
    basic = await basic_item(tx, item.catalog_code)
    if basic is None:
        return (
            Refusal(
                "catalogue.no_basic_item",
                f"基本目录里没有 {item.catalog_code}，地方事项不能单独发布。先请总枢纽把它列入基本目录，或者改对基本编码",
                "catalog_code",
            ),
        )
    if item.codes_are_demo and not node.settings.demo:
        return (Refusal("catalogue.demo_codes", "这个事项用的是演示编码，正式节点不能发布", "task_code"),)
    stray = [one for one in channels if one not in item.channels]
    if not channels or stray:
        return (Refusal("catalogue.channel", f"渠道不对：定义开放的是 {'、'.join(item.channels)}", "channels"),)
    newest = await tx.fetchval(
        "SELECT max(version) FROM item WHERE task_code = $1 AND status <> 'draft' AND version > $2", item.task_code, item.version
    )
    if newest is not None:
        return (Refusal("catalogue.older_version", f"已经发布过第 {newest} 版，旧版不能再发布，请另出新版"),)
    return tuple(
        Refusal(f"catalogue.{one.rule}", f"{one.what}。{one.fix}", one.where) for one in findings(item, basic) if one.severity == "error"
    )


async def withdraw(tx: Tx, node: Node, actor: Actor, task_code: str, *, reason: str = "") -> Listing | Refusals:
    """Close an item everywhere (下架): drafts and running cases keep their version. Withdrawing twice changes nothing."""
    _ = actor
    await _lock(tx, task_code)
    found = await listing(tx, task_code)
    if found is None or found.status == "draft":
        return (Refusal("catalogue.no_definition", "这里没有发布过这个事项"),)
    if found.owner_node != node.id:
        return (Refusal("catalogue.not_owner", "这个事项不归本节点管，请在它自己的节点下架"),)
    if found.status != "published":
        return found
    await tx.execute(
        """UPDATE item SET status = 'withdrawn', channels = '{}', rev = rev + 1, reason = $2, changed_at = $3
           WHERE task_code = $1 AND status = 'published'""",
        task_code, reason, node.clock.now(),
    )
    item = await item_of(tx, task_code, found.version)
    assert item is not None
    await _tell(tx, node, item, "item.withdrawn", {"version": item.version, "rev": found.rev + 1, "reason": reason})
    log("catalogue.withdrawn", count=1)
    after = await listing(tx, task_code)
    assert after is not None
    return after


async def _tell(tx: Tx, node: Node, item: Item, kind: str, extra: dict[str, Any]) -> None:
    """The leaf, the open letter to all, the bell."""
    fact = {"kind": kind, "task_code": item.task_code, "version": item.version, "digest": item.digest, "rev": extra["rev"]}
    await transparency.append(tx, kind, jcs(fact))
    body = {"task_code": item.task_code, "digest": item.digest} | extra
    await federation.send(tx, node, to="*", kind=kind, about=f"item:{item.task_code}", body=body, open=True)
    await ring(tx, BELL)
    drop(item.task_code)


class Published(msgspec.Struct, frozen=True):
    """Body of a letter `item.published` (D-7)."""

    task_code: str
    digest: str
    channels: tuple[Channel, ...]
    rev: int
    app: str
    item: dict[str, Any]


class Withdrawn(msgspec.Struct, frozen=True):
    """Body of a letter `item.withdrawn` (D-7)."""

    task_code: str
    digest: str
    version: int
    rev: int
    reason: str
