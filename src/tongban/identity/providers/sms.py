"""Text messages 短信. A provider queues the message in the caller's transaction; what leaves the node is an outbox row."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Protocol

from tongban.identity.queries.persons import phone_index, phone_marks
from tongban.kernel.db import Tx
from tongban.kernel.ids import uuid7
from tongban.kernel.node import Node
from tongban.kernel.parts import Parts

ALWAYS = "(SELECT true) AS one"


class Sms(Protocol):
    """What carries text messages 短信通道. It learns phone and text, nothing else (identity.md 10)."""

    async def send(self, tx: Tx, node: Node, phone: str, text: str) -> None:
        """Queue one message; the transaction decides whether it goes."""
        ...

    def sending(self, parts: Parts, node: Node, phone: str, text: str, *, source: str = ALWAYS) -> None:
        """As `send`, as a part of a statement that is on its way anyway; nothing is queued unless `source` has a row."""
        ...


class DemoSms:
    """The demo's text messages 演示短信: kept on the node, shown on the page that waits and at GET /demo/sms."""

    async def send(self, tx: Tx, node: Node, phone: str, text: str) -> None:
        parts = Parts()
        self.sending(parts, node, phone, text)
        await parts.run(tx)

    def sending(self, parts: Parts, node: Node, phone: str, text: str, *, source: str = ALWAYS) -> None:
        row = uuid7()
        parts.add(
            "texted", f"INSERT INTO demo_sms (id, bi_phone, text, at) SELECT $1, $2, $3, $4 FROM {source}",
            row, phone_index(node, phone), node.cipher.seal("contact", "demo_sms.text", row, text), node.clock.now(),
        )  # fmt: skip


NEWEST = (
    "LEFT JOIN LATERAL (SELECT d.id AS sms_id, d.text AS sms_text FROM demo_sms d WHERE d.bi_phone = t.bi_phone"
    " ORDER BY d.at DESC, d.id DESC LIMIT 1) AS sms ON true"
)
"""Joins the newest demo message to the phone of a login transaction `t`; `shown` reads it."""


def shown(node: Node, row: Any) -> str:
    """The text that `NEWEST` joined, empty when there is none."""
    return "" if row["sms_id"] is None else node.cipher.open("contact", "demo_sms.text", row["sms_id"], row["sms_text"]).reveal()


async def demo_messages(tx: Tx, node: Node, phone: str, most: int = 5) -> list[tuple[datetime, str]]:
    """The last messages to a number on a demo node, newest first, as (when, text)."""
    rows = await tx.fetch(
        "SELECT id, text, at FROM demo_sms WHERE bi_phone = ANY($1::bytea[]) ORDER BY at DESC, id DESC LIMIT $2", phone_marks(node, phone), most
    )
    return [(row["at"], node.cipher.open("contact", "demo_sms.text", row["id"], row["text"]).reveal()) for row in rows]
