"""Looking at 消息: the count for the bell, the threads for the page."""

from __future__ import annotations

from typing import Any

from tongban.kernel.db import Tx
from tongban.kernel.node import Node
from tongban.notifications.actions import GROUP
from tongban.notifications.model import Message, Thread

# A person's page of messages: enough for months, bounded so that it is always fast.
PAGE = 200


async def unread(tx: Tx, subject: str) -> int:
    """How many messages this person has not read (未读几条)."""
    count: int = await tx.fetchval("SELECT count(*) FROM message WHERE subject = $1 AND read_at IS NULL", subject)
    return count


async def messages(tx: Tx, node: Node, subject: str, *, only_unread: bool = False) -> tuple[Thread, ...]:
    """This person's messages by thing, the thing with the newest message first (按事分组的消息)."""
    rows = await tx.fetch(
        """SELECT id, about, kind, link, link_words, title, text, group_name, at, read_at FROM message
           WHERE subject = $1 AND ($2 = false OR read_at IS NULL) ORDER BY at DESC, id DESC LIMIT $3""",
        subject,
        only_unread,
        PAGE,
    )
    threads: dict[str, list[Any]] = {}
    for row in rows:
        threads.setdefault(row["about"], []).append(row)
    return tuple(
        Thread(
            about=about,
            name=node.cipher.open(GROUP, "message.group_name", found[0]["id"], found[0]["group_name"]),
            messages=tuple(_message(node, row) for row in found),
        )
        for about, found in threads.items()
    )


def _message(node: Node, row: Any) -> Message:
    return Message(
        id=row["id"],
        kind=row["kind"],
        about=row["about"],
        title=node.cipher.open(GROUP, "message.title", row["id"], row["title"]),
        text=node.cipher.open(GROUP, "message.text", row["id"], row["text"]),
        link=row["link"],
        link_words=row["link_words"],
        at=row["at"],
        read_at=row["read_at"],
    )
