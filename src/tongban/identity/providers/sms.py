"""Text messages 短信. A provider queues the message in the caller's transaction; what leaves the node is an outbox row."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from tongban.identity.queries.persons import phone_index
from tongban.kernel.db import Tx
from tongban.kernel.ids import uuid7
from tongban.kernel.node import Node


class Sms(Protocol):
    """What carries text messages 短信通道. It learns phone and text, nothing else (identity.md 10)."""

    async def send(self, tx: Tx, node: Node, phone: str, text: str) -> None:
        """Queue one message; the transaction decides whether it goes."""
        ...


class DemoSms:
    """The demo's text messages 演示短信: kept on the node, shown on the page that waits and at GET /demo/sms."""

    async def send(self, tx: Tx, node: Node, phone: str, text: str) -> None:
        row = uuid7()
        await tx.execute(
            "INSERT INTO demo_sms (id, bi_phone, text, at) VALUES ($1, $2, $3, $4)",
            row, phone_index(node, phone), node.cipher.seal("contact", "demo_sms.text", row, text), node.clock.now(),
        )  # fmt: skip


class LostSms:
    """A channel that takes the message and loses it 发不出去: the person presses 重新发送 or chooses another way."""

    async def send(self, tx: Tx, node: Node, phone: str, text: str) -> None:  # noqa: ARG002  it is lost
        return


async def demo_messages(tx: Tx, node: Node, phone: str, most: int = 5) -> list[tuple[datetime, str]]:
    """The last messages to a number on a demo node, newest first, as (when, text)."""
    rows = await tx.fetch("SELECT id, text, at FROM demo_sms WHERE bi_phone = $1 ORDER BY at DESC, id DESC LIMIT $2", phone_index(node, phone), most)
    return [(row["at"], node.cipher.open("contact", "demo_sms.text", row["id"], row["text"]).reveal()) for row in rows]
