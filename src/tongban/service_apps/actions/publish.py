"""Publish, suspend, resume, withdraw 发布与下架: the app's items with it, and a letter to every node."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

import msgspec

from tongban import catalogue, federation, identity
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx, ring
from tongban.kernel.errors import Refusal, Refusals
from tongban.kernel.log import log
from tongban.kernel.node import Node
from tongban.service_apps.actions.step import locked, pinned, step
from tongban.service_apps.errors import AppNotBelieved
from tongban.service_apps.model import CHANNELS, Channel, PublishedApp, ServiceApp
from tongban.service_apps.queries import carrier, published
from tongban.service_apps.rules import digest_of, may_step


async def publish(
    tx: Tx, node: Node, actor: Actor, app_id: str, *, channels: tuple[Channel, ...]
) -> ServiceApp | Refusals:
    """Open an app on channels, here and on every node (发布), with all its items.

    Refused: not reviewed; reviewed digest differs from what stands here now (also when an item's definition changed);
    submitter = publisher; a channel that is not registered; an item another app carries; what the catalogue refuses.
    Calling it again changes the channels. Raises AppGone.
    """
    app = await locked(tx, app_id)
    actor.require_may("service_apps.publish", division=app.draft.division)
    refused = may_step("publish", app, actor) or await _unchanged(tx, app) or _channels(app, channels)
    if refused:
        return refused
    return await _whole(tx, _open(tx, node, actor, app, "publish", channels))


async def resume(tx: Tx, node: Node, actor: Actor, app_id: str) -> ServiceApp | Refusals:
    """Let a suspended app run again on the channels it had (恢复). Raises AppGone."""
    app = await locked(tx, app_id)
    actor.require_may("service_apps.publish", division=app.draft.division)
    refused = may_step("resume", app, actor) or await _unchanged(tx, app)
    if refused:
        return refused
    return await _whole(tx, _open(tx, node, actor, app, "resume", app.published_channels))


async def suspend(tx: Tx, node: Node, actor: Actor, app_id: str, *, reason: str) -> ServiceApp | Refusals:
    """Stop an app for a while (暂停): unreachable everywhere; drafts and cases of citizens stay. Raises AppGone."""
    app = await locked(tx, app_id)
    actor.require_may("service_apps.suspend", division=app.draft.division)
    refused = may_step("suspend", app, actor, reason)
    if refused:
        return refused
    return await _whole(tx, _close(tx, node, actor, app, "suspend", reason))


async def withdraw(tx: Tx, node: Node, actor: Actor, app_id: str, *, reason: str) -> ServiceApp | Refusals:
    """Take an app down for good (下架), with its items, everywhere. Citizens keep drafts and cases. Raises AppGone."""
    app = await locked(tx, app_id)
    actor.require_may("service_apps.withdraw", division=app.draft.division)
    refused = may_step("withdraw", app, actor, reason)
    if refused:
        return refused
    return await _whole(tx, _close(tx, node, actor, app, "withdraw", reason))


async def _whole(tx: Tx, act: Coroutine[Any, Any, ServiceApp]) -> ServiceApp | Refusals:
    """All of it or nothing: what one item's refusal leaves half done is undone by a savepoint."""
    try:
        async with tx.transaction():
            return await act
    except _Undo as undone:
        return undone.refusals


async def _unchanged(tx: Tx, app: ServiceApp) -> Refusals:
    """The approved digest is the digest of what stands here now, down to the items' definitions (T-67)."""
    now = digest_of(await pinned(tx, app.draft), app.version)
    if not app.reviewed_digest or app.reviewed_digest != now or app.digest != now:
        return (Refusal("service_apps.changed", "审核以后内容又变了，要重新检查、审核"),)
    for one in app.draft.items:
        other = await carrier(tx, one.task_code, besides=app.id)
        if other:
            return (Refusal("service_apps.carried", f"“{one.name}”已经由“{other}”承载，先下架那一个"),)
    return ()


def _channels(app: ServiceApp, channels: tuple[Channel, ...]) -> Refusals:
    if not channels or any(one not in app.draft.channels for one in channels):
        return (Refusal("service_apps.channel", "只能发布到登记过的渠道，至少选一个", "channels"),)
    return ()


async def _open(
    tx: Tx, node: Node, actor: Actor, app: ServiceApp, name: str, channels: tuple[Channel, ...]
) -> ServiceApp:
    ordered = tuple(one for one in CHANNELS if one in channels)
    before = await published(tx, app.id)
    carried = {one.task_code for one in app.draft.items}
    for gone in before.items if before else ():
        if gone.task_code not in carried:
            await catalogue.withdraw(tx, node, actor, gone.task_code, reason=f"{app.name}不再承载")
    for one in app.draft.items:
        made = await catalogue.publish(tx, node, actor, one.task_code, one.version, channels=ordered, app=app.id)
        if isinstance(made, tuple):
            raise _Undo(made)
    after = await step(tx, node, actor, app, name, published_channels=list(ordered))
    told = PublishedApp(
        id=app.id,
        node=node.id,
        name=app.name,
        owner_name=app.draft.owner_name,
        contact_unit=app.draft.contact_unit,
        contact_phone=app.draft.contact_phone,
        version=app.version,
        digest=app.digest,
        channels=ordered,
        items=app.draft.items,
        published_at=node.clock.now(),
    )
    await _write(tx, node, told, "published", node.clock.ms())
    await _tell(tx, node, "app.published", told)
    await identity.app_published(
        tx, node, app=app.id, name=app.name, org=app.draft.owner_org, division=app.draft.division, purpose=f"登录{app.name}，办里面的事",
        submitted_by=app.submitted_by, published_by=actor.staff_id,
    )  # fmt: skip
    return after


async def _close(tx: Tx, node: Node, actor: Actor, app: ServiceApp, name: str, reason: str) -> ServiceApp:
    await identity.app_stopped(tx, node, app=app.id)  # its sign-ins end in this very transaction (T-25)
    running = await published(tx, app.id)
    if running is not None:
        for one in running.items:
            made = await catalogue.withdraw(tx, node, actor, one.task_code, reason=reason)
            if isinstance(made, tuple):
                raise _Undo(made)
        await _write(tx, node, running, "withdrawn", node.clock.ms())
        await _tell(tx, node, "app.withdrawn", running)
    if name == "suspend":
        return await step(tx, node, actor, app, name, reason=reason)
    return await step(tx, node, actor, app, name, reason=reason, published_channels=[])


async def _tell(tx: Tx, node: Node, kind: str, told: PublishedApp) -> None:
    body: dict[str, Any] = {"app": msgspec.to_builtins(told), "rev": node.clock.ms()}
    await federation.send(tx, node, to="*", kind=kind, about=f"app:{told.id}", body=body, open=True)
    await ring(tx, "apps")
    log(f"service_apps.{kind.rpartition('.')[2]}", app=told.id, version=told.version, digest=told.digest)


async def take_over(tx: Tx, node: Node, origin: str, told: PublishedApp, status: str, rev: int) -> bool:
    """Record what another node tells of its app (收录应用); False for something old. Raises AppNotBelieved."""
    if told.node != origin:
        raise AppNotBelieved
    owner = await tx.fetchval("SELECT node FROM published_app WHERE id = $1", told.id)
    if owner is not None and owner != origin:
        raise AppNotBelieved
    for one in told.items:
        item = await catalogue.item(tx, one.task_code)
        if item is not None and item.owner_node != origin:
            raise AppNotBelieved
    return await _write(tx, node, told, status, rev)


async def _write(tx: Tx, node: Node, told: PublishedApp, status: str, rev: int) -> bool:
    made = await tx.fetchval(
        """INSERT INTO published_app (id, node, name, owner_name, contact_unit, contact_phone, version, digest, channels,
           items, status, rev, published_at, changed_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
           ON CONFLICT (id) DO UPDATE SET name = $3, owner_name = $4, contact_unit = $5, contact_phone = $6, version = $7,
             digest = $8, channels = $9, items = $10, status = $11, rev = $12, published_at = $13, changed_at = $14
           WHERE published_app.rev <= $12 RETURNING id""",
        told.id,
        told.node,
        told.name,
        told.owner_name,
        told.contact_unit,
        told.contact_phone,
        told.version,
        told.digest,
        list(told.channels) if status == "published" else [],
        msgspec.to_builtins(told.items),
        status,
        rev,
        told.published_at,
        node.clock.now(),
    )
    return made is not None


class _Undo(Exception):  # never leaves this room: it undoes a half-made publication
    def __init__(self, refusals: Refusals) -> None:
        super().__init__(refusals[0].code)
        self.refusals = refusals
