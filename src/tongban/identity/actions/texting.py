"""Text messages that are no codes 短信通知: a sentence without name, number or matter, to the account's phone (identity.md 2, 10)."""

from __future__ import annotations

from tongban.identity.providers import sms
from tongban.identity.queries import persons
from tongban.kernel.db import Tx
from tongban.kernel.node import Node


async def text_account(tx: Tx, node: Node, subject: str, text: str) -> None:
    """A text message to the account's phone 给账号的手机发短信; nothing when it has none. No name, no number in the words."""
    phone = await persons.phone_of(tx, node, subject)
    if phone:
        await sms(node).send(tx, node, phone, text)


async def text_without_app(tx: Tx, node: Node, subject: str, text: str) -> None:
    """As `text_account`, for somebody who is signed in nowhere, so that a message on the page would wait unread 没开着的才发."""
    reads = "SELECT true FROM session WHERE subject = $1 AND kind = 'citizen' AND revoked_at IS NULL AND idle_until > $2 AND ends_at > $2 LIMIT 1"
    if not await tx.fetchval(reads, subject, node.clock.now()):
        await text_account(tx, node, subject, text)


def stop_words(node: Node, mandate_id: str) -> str:
    """How to stop a mandate, as the end of a text message: the page asks for a sign-in and nothing more (pure)."""
    return f"不是你让办的，打开这里停止：{node.settings.base_url}/me/agents/{mandate_id}/stop"
