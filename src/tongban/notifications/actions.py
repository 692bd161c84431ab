"""Verbs of 消息: tell once, mark as read. SQL stands in the verb."""

from __future__ import annotations

from tongban.kernel.db import Tx, ring
from tongban.kernel.ids import uuid7
from tongban.kernel.node import Node

GROUP = "case"


async def notify(
    tx: Tx,
    node: Node,
    *,
    subject: str,
    kind: str,
    title: str,
    text: str,
    link: str,
    about: str,
    group: str = "",
    link_words: str = "去看看",
    dedupe: str = "",
) -> bool:
    """Tell a person one thing, once (发一条消息): a row in the transaction of the fact it tells.

    Exactly once for each (subject, about, kind, dedupe): a second call changes nothing and answers False. `about` is an
    opaque key such as `case:<id>`; `group` heads the group on the page (item name and case number); `link` is a path of
    this node. Title, text and group are personal and rest encrypted. Source: R-708; privacy.md 5 (notices about a case).
    """
    if not link.startswith("/") or link.startswith("//"):
        raise ValueError("link is a path of this node")
    message_id = uuid7()
    made = await tx.fetchval(
        """INSERT INTO message (subject, id, about, kind, dedupe, link, link_words, title, text, group_name, at)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
           ON CONFLICT (subject, about, kind, dedupe) DO NOTHING RETURNING id""",
        subject,
        message_id,
        about,
        kind,
        dedupe,
        link,
        link_words,
        node.cipher.seal(GROUP, "message.title", message_id, title),
        node.cipher.seal(GROUP, "message.text", message_id, text),
        node.cipher.seal(GROUP, "message.group_name", message_id, group),
        node.clock.now(),
    )
    if made is not None:
        await ring(tx, "messages")
    return made is not None


async def mark_read(tx: Tx, node: Node, subject: str, message_id: str | None = None) -> int:
    """Mark one message of this person as read, or all of them (标成已读). Answers how many changed."""
    changed = await tx.fetch(
        """UPDATE message SET read_at = $2 WHERE subject = $1 AND read_at IS NULL AND ($3::uuid IS NULL OR id = $3)
           RETURNING id""",
        subject,
        node.clock.now(),
        message_id,
    )
    return len(changed)
