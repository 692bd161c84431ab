"""HTML door of 消息: the list by thing, and marking as read."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Response

from tongban import ui
from tongban.kernel.actor import Actor
from tongban.kernel.node import Node
from tongban.notifications.actions import mark_read
from tongban.notifications.model import Thread
from tongban.notifications.queries import messages, unread


class MessagesPage(msgspec.Struct, frozen=True):
    """What /messages draws."""

    title: str
    threads: tuple[Thread, ...]
    unread: int
    only_unread: bool
    back: str = "/"
    back_label: str = "返回首页"
    nav_title: str = "消息"


@get("/messages")
async def show(request: Request[Any, Any, Any], node: NamedDependency[Node], actor: NamedDependency[Actor]) -> Response[bytes]:
    """消息: grouped by the thing they are about, the newest thing first."""
    actor.require(level=1)
    only_unread = request.query_params.get("show") == "unread"
    async with node.db.reading() as tx:
        threads = await messages(tx, node, actor.subject, only_unread=only_unread)
        count = await unread(tx, actor.subject)
    title = f"消息，{count} 条未读" if count else "消息"
    return ui.page(
        request,
        "notifications/messages.html",
        MessagesPage(title=title, threads=threads, unread=count, only_unread=only_unread),
    )


@post("/messages/read")
async def read(request: Request[Any, Any, Any], node: NamedDependency[Node], actor: NamedDependency[Actor]) -> Response[Any]:
    """Mark all as read, or one of them, then show the list again."""
    actor.require(level=1)
    form = await ui.form(request)
    async with node.db.transaction() as tx:
        await mark_read(tx, node, actor.subject, form["message"] or None)
    return ui.see_other("/messages")


@get("/messages/{message_id:uuid}")
async def follow(node: NamedDependency[Node], actor: NamedDependency[Actor], message_id: FromPath[UUID]) -> Response[Any]:
    """Open what a message is about; opening it is reading it."""
    actor.require(level=1)
    async with node.db.transaction() as tx:
        link: str | None = await tx.fetchval(
            "SELECT link FROM message WHERE subject = $1 AND id = $2", actor.subject, str(message_id)
        )
        await mark_read(tx, node, actor.subject, str(message_id))
    return ui.see_other(link or "/messages")


routes = [show, read, follow]
