"""Reports of abuse 举报: from the holder's record to the operator of the verifier's node, and the answer back.

What travels: the look (when, which unit, for what, which fields) and the holder's words. The holder is not named.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

import asyncpg

from tongban import federation, notifications
from tongban.credentials.model import Report
from tongban.credentials.rules import record
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx
from tongban.kernel.errors import NotFound, Refusal, Refusals
from tongban.kernel.node import Node

REPORTED: Final = "credential.reported"
ANSWERED: Final = "credential.report_answered"
LONGEST: Final = 500
_WORDS, _ANSWER, _VIEW = "credential_report.words", "credential_report.answer", "credential_view.answer"


async def report(tx: Tx, node: Node, actor: Actor, view_id: str, words: str) -> bool:
    """The holder says that a look was not theirs or was too much (举报); False when there is no such look. Twice is once."""
    actor.require_self("举报出示记录")
    words = words.strip()[:LONGEST]
    row = await tx.fetchrow(
        "UPDATE credential_view SET reported_at = $3, report = $4 WHERE subject = $1 AND id = $2 AND reported_at IS NULL "
        "RETURNING node, unit, at, purpose, fields",
        actor.person, view_id, node.clock.now(), node.cipher.seal("case", "credential_view.report", view_id, words),
    )  # fmt: skip
    if row is None:
        return await tx.fetchval("SELECT true FROM credential_view WHERE subject = $1 AND id = $2", actor.person, view_id) is True
    body = {
        "v": 1, "id": view_id, "unit": row["unit"], "looked_at": record.milliseconds(row["at"]), "purpose": row["purpose"],
        "fields": list(row["fields"]), "words": words, "reported_at": node.clock.ms(),
    }  # fmt: skip
    if row["node"] == node.id:
        await take(tx, node, node.id, body)
    else:
        await federation.send(tx, node, to=row["node"], kind=REPORTED, about=f"report:{view_id}", body=body)
    return True


async def take(tx: Tx, node: Node, home: str, body: dict[str, Any]) -> None:
    """A report about a unit of ours (收到举报). Twice is once."""
    view_id = str(body["id"])
    await tx.execute(
        "INSERT INTO credential_report (home, id, unit, looked_at, purpose, fields, words, reported_at) VALUES ($1,$2,$3,$4,$5,$6,$7,$8) "
        "ON CONFLICT DO NOTHING",
        home, view_id, str(body["unit"])[:80], _moment(body["looked_at"]), str(body["purpose"])[:80],
        [str(one)[:40] for one in body["fields"]][:20],
        node.cipher.seal("case", _WORDS, f"{home}:{view_id}", str(body["words"])[:LONGEST]), _moment(body["reported_at"]),
    )  # fmt: skip


async def answer(tx: Tx, node: Node, actor: Actor, home: str, report_id: str, words: str) -> Refusals | None:
    """The operator answers a report (答复举报), once; the holder gets it as a message. Raises NotFound."""
    if len(words.strip()) < 4:
        return (Refusal("credentials.report_answer", "写清查到了什么、怎么处理，至少 4 个字", "words"),)
    words = words.strip()[:LONGEST]
    done = await tx.execute(
        "UPDATE credential_report SET answer = $3, answered_by = $4, answered_at = $5 WHERE home = $1 AND id = $2 AND answered_at IS NULL",
        home, report_id, node.cipher.seal("case", _ANSWER, f"{home}:{report_id}", words), actor.staff_id or actor.kind, node.clock.now(),
    )  # fmt: skip
    if done != "UPDATE 1":
        raise NotFound("没有这条举报，或者已经答复过")
    body = {"v": 1, "id": report_id, "words": words, "at": node.clock.ms()}
    if home == node.id:
        await take_answer(tx, node, node.id, body)
    else:
        await federation.send(tx, node, to=home, kind=ANSWERED, about=f"report:{report_id}", body=body)
    return None


async def take_answer(tx: Tx, node: Node, origin: str, body: dict[str, Any]) -> None:
    """The answer of the verifier's node reaches the holder (收到答复). Raises ValueError for one from another node."""
    view_id, words = str(body["id"]), str(body["words"])[:LONGEST]
    row = await tx.fetchrow("SELECT subject, card, node, answered_at FROM credential_view WHERE id::text = $1 AND reported_at IS NOT NULL", view_id)
    if row is None or row["answered_at"] is not None:
        return
    if row["node"] != origin:
        raise ValueError("an answer of a node that was not asked")
    await tx.execute(
        "UPDATE credential_view SET answer = $3, answered_at = $4 WHERE subject = $1 AND id::text = $2",
        row["subject"], view_id, node.cipher.seal("case", _VIEW, view_id, words), node.clock.now(),
    )  # fmt: skip
    await notifications.notify(
        tx, node, subject=row["subject"], kind="credential.report_answered", title="举报有答复了", text="查验方那边查过了，点开看结果",
        link=f"/wallet/{row['card']}/records", about=f"credential-report:{view_id}", link_words="看答复",
    )  # fmt: skip


async def reports(tx: Tx, node: Node, limit: int = 200) -> tuple[Report, ...]:
    """Reports about units of this node, the open ones first, the oldest of them first (举报清单)."""
    rows = await tx.fetch(
        "SELECT * FROM credential_report ORDER BY answered_at IS NOT NULL, CASE WHEN answered_at IS NULL THEN reported_at END, answered_at DESC LIMIT $1",
        limit,
    )
    return tuple(_report(node, row) for row in rows)


def _report(node: Node, row: asyncpg.Record) -> Report:
    about = f"{row['home']}:{row['id']}"
    return Report(
        row["home"], str(row["id"]), row["unit"], row["looked_at"], row["purpose"], tuple(row["fields"]),
        node.cipher.open("case", _WORDS, about, row["words"]), row["reported_at"],
        node.cipher.open("case", _ANSWER, about, row["answer"]) if row["answer"] else None, row["answered_at"],
    )  # fmt: skip


def _moment(ms: Any) -> datetime:
    return datetime.fromtimestamp(int(ms) / 1000, UTC)
