"""Draft, register, review: what people do before an app is published."""

from __future__ import annotations

import msgspec

from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx
from tongban.kernel.errors import Refusal, Refusals
from tongban.kernel.ids import uuid7
from tongban.kernel.node import Node
from tongban.service_apps.actions.step import locked, pinned, step, write_history
from tongban.service_apps.model import CHANNELS, Draft, ServiceApp
from tongban.service_apps.queries import app_of
from tongban.service_apps.rules import digest_of, may_step


def _complete(draft: Draft) -> Refusals:
    found = []
    if not 2 <= len(draft.name.strip()) <= 40:
        found.append(Refusal("service_apps.name", "名称写 2 到 40 个字", "name"))
    if not draft.owner_name.strip():
        found.append(Refusal("service_apps.owner", "写上负责单位", "owner_name"))
    if any(one not in CHANNELS for one in draft.channels):
        found.append(Refusal("service_apps.channel", "渠道只能从列出的里面选", "channels"))
    if any(not page.startswith("/") or page.startswith("//") or len(page) > 200 for page in draft.pages):
        found.append(Refusal("service_apps.page", "页面地址从 / 开始，只能是本平台的页面", "pages"))
    return tuple(found)


async def draft(tx: Tx, node: Node, actor: Actor, wanted: Draft) -> ServiceApp | Refusals:
    """Write down a new app (写草稿). Checked fully by the gate, not here."""
    actor.require_may("service_apps.register", division=wanted.division)
    refused = _complete(wanted)
    if refused:
        return refused
    wanted = await pinned(tx, wanted)
    row = await tx.fetchrow(
        """INSERT INTO service_app (id, name, owner_org, division, draft, version, state, digest, submitted_by,
           created_at, updated_at) VALUES ($1, $2, $3, $4, $5, 1, 'draft', $6, $7, $8, $8) RETURNING *""",
        uuid7(),
        wanted.name,
        wanted.owner_org,
        wanted.division,
        msgspec.to_builtins(wanted),
        digest_of(wanted, 1),
        actor.staff_id,
        node.clock.now(),
    )
    made = app_of(row)
    await write_history(tx, node, actor, made, "draft", from_state="")
    return made


async def edit(tx: Tx, node: Node, actor: Actor, app_id: str, wanted: Draft) -> ServiceApp | Refusals:
    """Change what is registered (改): a new version; check and review start again. What runs goes on running."""
    app = await locked(tx, app_id)
    actor.require_may("service_apps.register", division=app.draft.division)
    refused = may_step("edit", app, actor) or _complete(wanted)
    if refused:
        return refused
    wanted = await pinned(tx, wanted)
    version = app.version + 1 if app.published_channels or app.state != "draft" else app.version
    return await step(
        tx,
        node,
        actor,
        app,
        "edit",
        draft=msgspec.to_builtins(wanted),
        name=wanted.name,
        version=version,
        digest=digest_of(wanted, version),
        submitted_by=actor.staff_id,
        reviewed_by="",
        reviewed_digest="",
        checked_digest="",
    )


async def register(tx: Tx, node: Node, actor: Actor, app_id: str) -> ServiceApp | Refusals:
    """Hand the app in (登记): from now on it is checked and reviewed; the one who hands in cannot review it."""
    app = await locked(tx, app_id)
    actor.require_may("service_apps.register", division=app.draft.division)
    refused = may_step("register", app, actor)
    if refused:
        return refused
    wanted = await pinned(tx, app.draft)
    return await step(
        tx,
        node,
        actor,
        app,
        "register",
        draft=msgspec.to_builtins(wanted),
        digest=digest_of(wanted, app.version),
        submitted_by=actor.staff_id,
    )


async def review(
    tx: Tx, node: Node, actor: Actor, app_id: str, *, agree: bool, reason: str, digest: str
) -> ServiceApp | Refusals:
    """Say yes or send it back (审核). Four eyes; the decision pins the digest that was looked at.

    `digest` is what the reviewer's page showed: if the app changed since, the decision is not taken.
    """
    app = await locked(tx, app_id)
    actor.require_may("service_apps.review", division=app.draft.division)
    name = "approve" if agree else "return"
    refused = may_step(name, app, actor, reason)
    if refused:
        return refused
    if digest != app.digest or app.checked_digest != app.digest:
        return (Refusal("service_apps.changed", "你看的这一版已经改过，重新打开看一遍再定"),)
    if agree:
        return await step(
            tx, node, actor, app, name, reason=reason, reviewed_by=actor.staff_id, reviewed_digest=app.digest
        )
    return await step(tx, node, actor, app, name, reason=reason, reviewed_by="", reviewed_digest="")
