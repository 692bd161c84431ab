"""Verbs of 消息: tell once, mark as read. SQL stands in the verb."""

from __future__ import annotations

from tongban.kernel.db import Tx, ringing
from tongban.kernel.ids import uuid7
from tongban.kernel.node import Node
from tongban.kernel.parts import Parts

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
    parts = Parts()
    telling(
        parts, node, subject=subject, kind=kind, title=title, text=text, link=link, about=about, group=group, link_words=link_words,
        dedupe=dedupe,
    )  # fmt: skip
    return bool((await parts.run(tx, "SELECT EXISTS (SELECT FROM message_told) AS told"))["told"])


def telling(
    parts: Parts, node: Node, *, subject: str, kind: str, title: str, text: str, link: str, about: str, group: str = "",
    link_words: str = "去看看", dedupe: str = "", source: str = "(SELECT true) AS one",
) -> None:  # fmt: skip
    """As `notify`, as the part `message_told` of a statement that is on its way anyway; `source` is the part it depends on."""
    if not link.startswith("/") or link.startswith("//"):
        raise ValueError("link is a path of this node")
    message_id = uuid7()
    parts.add(
        "message_told",
        f"""INSERT INTO message (subject, id, about, kind, dedupe, link, link_words, title, text, group_name, at)
            SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11 FROM {source}
            ON CONFLICT (subject, about, kind, dedupe) DO NOTHING RETURNING id, {ringing("'messages'")}""",
        subject, message_id, about, kind, dedupe, link, link_words, node.cipher.seal(GROUP, "message.title", message_id, title),
        node.cipher.seal(GROUP, "message.text", message_id, text), node.cipher.seal(GROUP, "message.group_name", message_id, group),
        node.clock.now(),
    )  # fmt: skip


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
