"""这不是我办的: a person complains about one line of their ledger, the owner of the data looks into it and answers (privacy.md 6).

The owner believes only a line of its own about that very person, so nobody complains about what it never gave. The answer comes
back by letter and reaches the person as a message.
"""

from __future__ import annotations

from typing import Any

import msgspec

from tongban import consent, identity, notifications, transparency
from tongban.consent import Line
from tongban.exchange.actions.post import division, due, hears, tell
from tongban.exchange.errors import ComplaintGone
from tongban.exchange.model import Complaint
from tongban.exchange.queries.complaints import ANSWER, TOLD, WORDS, complaint, complaint_of, of_line
from tongban.exchange.rules import terms
from tongban.kernel.actor import Actor
from tongban.kernel.clock import CHINA
from tongban.kernel.db import Tx
from tongban.kernel.errors import Refusal, Refusals
from tongban.kernel.gm import jcs
from tongban.kernel.ids import is_uuid, uuid7
from tongban.kernel.node import Node

OPENED, ANSWERED = "complaint.opened", "complaint.answered"
LONGEST = 300


class ComplaintOpened(msgspec.Struct, frozen=True):
    """The body of `complaint.opened` (投诉来函)."""

    v: int
    id: str
    subject: str
    line: str
    words: str


class ComplaintAnswered(msgspec.Struct, frozen=True):
    """The body of `complaint.answered` (投诉答复)."""

    v: int
    id: str
    answer: str


def told(line: Line) -> str:
    """The line as the complaint keeps it (投诉的那一行)."""
    at = line.at.astimezone(CHINA)
    return f"{at.month} 月 {at.day} 日 {at:%H:%M}，{consent.sentence(line)}，用来{line.purpose}，凭{line.basis}"


async def complain(tx: Tx, node: Node, actor: Actor, line: Line, words: str) -> Complaint | Refusals:
    """Send the line to the owner of the data with the person's words (投诉). A line is complained about once: twice is the same."""
    actor.require(level=1)
    actor.require_self("投诉谁用过信息")
    if len(words.strip()) > LONGEST:
        return (Refusal("exchange.complaint_words", f"最多写 {LONGEST} 个字", "words"),)
    known = await of_line(tx, node, actor.person, line.id)
    if known is not None:
        return known
    owner = line.source if line.side in {"owner", "caller"} else line.node
    body = ComplaintOpened(1, uuid7(), actor.person, line.id, words.strip())
    made = await _insert(tx, node, "person", owner or node.id, body, told(line))
    await tell(tx, node, made.peer, OPENED, f"complaint:{made.id}", body)
    return made


@hears(OPENED)
async def complaint_came(tx: Tx, node: Node, origin: str, body: dict[str, Any]) -> None:
    """A person says that a use of our data was not theirs (收到投诉): only about a line that is ours and about that person (T-32)."""
    said = msgspec.convert(body, ComplaintOpened)
    used = None
    for side in ("owner", "local"):
        used = used or (await consent.used(tx, said.line, side) if is_uuid(said.line) else None)
    if used is None or used[0] != said.subject or not is_uuid(said.id):
        raise ValueError("no line of ours about that person")
    made = await _insert(tx, node, "owner", origin, msgspec.structs.replace(said, words=said.words[:LONGEST]), told(used[1]))
    await identity.tell_holders(
        tx, node, action="exchange.propose", division=division(node), kind="exchange.complaint",
        words=f"有人说一次使用不是本人办的，{made.due_on.month} 月 {made.due_on.day} 日前答复", link=f"/staff/sharing/complaints/{made.id}",
    )  # fmt: skip


async def answer_complaint(tx: Tx, node: Node, actor: Actor, complaint_id: str, text: str) -> Complaint | Refusals:
    """The owner's steward says what was found (答复投诉)."""
    actor.require_may("exchange.propose", division=division(node))
    found = await complaint(tx, node, complaint_id, side="owner", lock=True)
    if found is None or found.state != "sent":
        raise ComplaintGone
    if not 0 < len(text.strip()) <= LONGEST:
        return (Refusal("exchange.complaint_answer", f"写清查到了什么、接下来怎么办，最多 {LONGEST} 个字", "answer"),)
    done = await _answered(tx, node, found, text.strip(), by=actor.staff_id)
    await tell(tx, node, found.peer, ANSWERED, f"complaint:{found.id}", ComplaintAnswered(1, found.id, text.strip()))
    return done


@hears(ANSWERED)
async def complaint_answered(tx: Tx, node: Node, origin: str, body: dict[str, Any]) -> None:
    """The owner's answer (收到投诉答复): from the one that was asked, once; the person is told."""
    said = msgspec.convert(body, ComplaintAnswered)
    found = await complaint(tx, node, said.id, side="person", lock=True)
    if found is None or found.peer != origin:
        raise ValueError("an answer to a complaint that was not sent to that node")
    if found.state != "sent":
        return
    await _answered(tx, node, found, said.answer[:LONGEST])
    await notifications.notify(
        tx, node, subject=found.subject, kind="exchange.complaint", title="“这不是我办的”有答复了", text="点进去看查到了什么、还能怎么办。",
        link=f"/me/data-use/{found.line}/complaint", about=f"complaint:{found.id}", group="谁用过我的信息",
    )  # fmt: skip


async def _answered(tx: Tx, node: Node, found: Complaint, text: str, *, by: str = "") -> Complaint:
    leaf = await transparency.append(tx, "data.complaint", jcs({"complaint": found.id, "side": found.side, "state": "answered", "v": 1}))
    row = await tx.fetchrow(
        """UPDATE use_complaint SET state = 'answered', answer = $4, answered_by = $5, answered_at = $6, leaf = $7
           WHERE subject = $1 AND id = $2 AND side = $3 RETURNING *""",
        found.subject, found.id, found.side, node.cipher.seal("case", ANSWER, f"{found.id}.{found.side}", text), by, node.clock.now(), str(leaf.id),
    )  # fmt: skip
    return complaint_of(node, row)


async def _insert(tx: Tx, node: Node, side: str, peer: str, said: ComplaintOpened, line: str) -> Complaint:
    key = f"{said.id}.{side}"
    row = await tx.fetchrow(
        """INSERT INTO use_complaint (subject, id, side, peer, line, told, words, state, due_on, sent_at)
           VALUES ($1, $2, $3, $4, $5, $6, $7, 'sent', $8, $9)
           ON CONFLICT (subject, line, side) DO UPDATE SET side = excluded.side RETURNING *""",
        said.subject, said.id, side, peer, said.line, node.cipher.seal("case", TOLD, key, line), node.cipher.seal("case", WORDS, key, said.words),
        due(node, terms().complaint_answer.days), node.clock.now(),
    )  # fmt: skip
    return complaint_of(node, row)
