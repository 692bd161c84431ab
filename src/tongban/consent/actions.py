"""Verbs of 授权与台账: ask, answer, give, withdraw, and write down an access. SQL stands in the verb."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from tongban import transparency
from tongban.consent.errors import AskGone, PromiseTooLong
from tongban.consent.model import Access, Ask, Consent, Line
from tongban.consent.queries import consent_of, pending
from tongban.consent.rules import access_fact, milliseconds, moment
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx, ring
from tongban.kernel.errors import Refusal, Refusals
from tongban.kernel.gm import digest, jcs
from tongban.kernel.ids import uuid7
from tongban.kernel.node import Node
from tongban.kernel.parts import Parts, column

# A consent is for one matter: nothing is allowed for longer than a year (privacy.md 5, product rule).
LONGEST_DAYS = 366
_BETWEEN = "\x1f"
"""Between the words of one line's fields on their way to the database: the unit separator, in no word."""
WITHDRAWN_BELL = "consent.withdrawn"


async def ask(tx: Tx, node: Node, subject: str, wanted: Ask, *, back: str) -> str:
    """Put a consent page before a person and answer its address (请求授权): `/consent/<id>`.

    One purpose a page. `back` is a path of this node where the journey goes on, whatever the answer is.
    An ask for the same purpose and receiver that still waits is used again. Raises PromiseTooLong.
    """
    if not back.startswith("/") or back.startswith("//"):
        raise ValueError("back is a path of this node")
    if (wanted.until - node.clock.now()).days > LONGEST_DAYS:
        raise PromiseTooLong
    waiting: str | None = await tx.fetchval(
        """SELECT id FROM consent_ask WHERE subject = $1 AND purpose = $2 AND receiver = $3 AND answer IS NULL
           AND back = $4 AND ask = $5 ORDER BY asked_at DESC LIMIT 1""",
        subject,
        wanted.purpose,
        wanted.receiver,
        back,
        msgspec.to_builtins(wanted),
    )
    if waiting is not None:
        return f"/consent/{waiting}"
    ask_id = uuid7()
    await tx.execute(
        """INSERT INTO consent_ask (subject, id, purpose, receiver, ask, back, asked_at)
           VALUES ($1, $2, $3, $4, $5, $6, $7)""",
        subject,
        ask_id,
        wanted.purpose,
        wanted.receiver,
        msgspec.to_builtins(wanted),
        back,
        node.clock.now(),
    )
    return f"/consent/{ask_id}"


async def answer(tx: Tx, node: Node, actor: Actor, ask_id: str, *, agrees: bool, channel: str) -> str:
    """Take the answer of a consent page (同意或不同意) and say where the journey goes on.

    Answered once: a double tap or the back button changes nothing. Agreeing gives the consent. Raises AskGone.
    """
    actor.require_self("同意把信息给别人用")
    found = await pending(tx, actor.person, ask_id, lock=True)
    if found is None:
        raise AskGone
    if found.answer is None:
        await tx.execute(
            "UPDATE consent_ask SET answered_at = $3, answer = $4 WHERE subject = $1 AND id = $2",
            actor.person,
            ask_id,
            node.clock.now(),
            "given" if agrees else "refused",
        )
        if agrees:
            await give(tx, node, actor, found.ask, channel=channel)
    return found.back


async def give(tx: Tx, node: Node, actor: Actor, wanted: Ask, *, channel: str) -> Consent:
    """Write one consent (授权): a row that never changes, the text it rests on, and a log leaf.

    Source: 个人信息保护法 art. 14, 23 [K]. The text shown is kept by digest.
    """
    actor.require_self("同意把信息给别人用")
    text = wanted.text()
    text_digest = digest(text.encode())
    now = node.clock.now()
    await tx.execute(
        "INSERT INTO consent_text (digest, text, first_shown_at) VALUES ($1, $2, $3) ON CONFLICT (digest) DO NOTHING",
        text_digest,
        text,
        now,
    )
    consent_id = uuid7()
    fact = jcs({"consent": consent_id, "purpose": wanted.purpose, "text": text_digest, "at": milliseconds(now), "v": 1})
    leaf = await transparency.append(tx, "consent.given", fact)
    await tx.execute(
        """INSERT INTO consent (subject, id, purpose, why, giver, giver_name, receiver, receiver_name, fields, text_digest,
           given_at, until, channel, acr, leaf) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)""",
        actor.person,
        consent_id,
        wanted.purpose,
        wanted.why,
        wanted.giver,
        wanted.giver_name,
        wanted.receiver,
        wanted.receiver_name,
        list(wanted.fields),
        text_digest,
        now,
        wanted.until,
        channel,
        actor.acr,
        str(leaf.id),
    )
    made = await consent_of(tx, actor.person, consent_id)
    if made is None:
        raise AskGone
    return made


async def withdraw(tx: Tx, node: Node, actor: Actor, consent_id: str, *, channel: str) -> Consent | Refusals:
    """Take a consent back (撤回授权): a row of its own; the next call is refused. Twice changes nothing.

    As easy as giving: one page that says the effect, one tap (privacy.md 5).
    """
    actor.require_self("撤回授权记录里的同意")
    found = await consent_of(tx, actor.person, consent_id)
    if found is None:
        return (Refusal("consent.unknown", "没有找到这份授权，可能已经撤回。请回到授权记录看一看"),)
    if found.withdrawn_at is None:
        await _taken_back(tx, node, actor.person, consent_id, channel)
    return await consent_of(tx, actor.person, consent_id) or found


async def withdraw_all(tx: Tx, node: Node, subject: str, *, channel: str) -> int:
    """End every consent of a person that still holds (全部撤回), as at the closing of an account; how many. Twice changes nothing."""
    rows = await tx.fetch(
        """SELECT c.id FROM consent c WHERE c.subject = $1 AND c.until > $2 AND NOT EXISTS
           (SELECT FROM consent_withdrawal w WHERE w.subject = c.subject AND w.consent_id = c.id) ORDER BY c.given_at""",
        subject, node.clock.now(),
    )  # fmt: skip
    for row in rows:
        await _taken_back(tx, node, subject, row["id"], channel)
    return len(rows)


async def _taken_back(tx: Tx, node: Node, subject: str, consent_id: str, channel: str) -> None:
    now = node.clock.now()
    fact = jcs({"consent": consent_id, "withdrawn": milliseconds(now), "v": 1})
    leaf = await transparency.append(tx, "consent.withdrawn", fact)
    await tx.execute(
        """INSERT INTO consent_withdrawal (subject, consent_id, at, channel, leaf) VALUES ($1, $2, $3, $4, $5)
           ON CONFLICT (subject, consent_id) DO NOTHING""",
        subject,
        consent_id,
        now,
        channel,
        str(leaf.id),
    )
    await ring(tx, WITHDRAWN_BELL)


async def withdrawn_again(tx: Tx, node: Node, consent_id: str, at_ms: int) -> None:
    """What this node told the giver of the data, after a restore 补回撤回: the consent, if it is here again, stays withdrawn."""
    row = await tx.fetchrow(
        "SELECT c.subject FROM consent c WHERE c.id::text = $1 AND NOT EXISTS"
        " (SELECT FROM consent_withdrawal w WHERE w.subject = c.subject AND w.consent_id = c.id)", consent_id,
    )  # fmt: skip
    if row is None:
        return
    leaf = await transparency.append(tx, "consent.withdrawn", jcs({"consent": consent_id, "withdrawn": at_ms, "v": 1}))
    await tx.execute(
        "INSERT INTO consent_withdrawal (subject, consent_id, at, channel, leaf) VALUES ($1, $2, to_timestamp($3::bigint / 1000.0), 'h5', $4)"
        " ON CONFLICT DO NOTHING", row["subject"], consent_id, at_ms, str(leaf.id),
    )  # fmt: skip
    await withdrawal_told(tx, node, row["subject"], consent_id)


async def withdrawal_told(tx: Tx, node: Node, subject: str, consent_id: str) -> None:
    """The giver of the data has been written to about this withdrawal (已告知提供方)."""
    await tx.execute(
        "INSERT INTO consent_withdrawal_told (subject, consent_id, told_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        subject, consent_id, node.clock.now(),
    )  # fmt: skip


def accessing(parts: Parts, node: Node, access: Access) -> Line:
    """Take the line of an access and its leaf along in a statement under way (随句记台账); see `record_access`.

    For an access that was not written before: writing it a second time fails the whole statement, and nothing is given.
    """
    at = moment(milliseconds(access.at or node.clock.now()))
    access = msgspec.structs.replace(access, id=access.id or uuid7(), at=at, fields=tuple(sorted(access.fields)))
    fact = access_fact(access)
    leaf_id, made = transparency.appending(parts, "leaf", "data.accessed", fact), digest(fact)
    parts.add(
        "line",
        """INSERT INTO access_record (subject, id, side, at, kind, who, fields, purpose, source, receiver, basis, about,
           consent_id, count, digest, leaf) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)""",
        access.subject, access.id, access.side, at, access.kind, access.who, list(access.fields), access.purpose, access.source,
        access.receiver, access.basis, access.about, access.consent_id, access.count, made, leaf_id,
    )  # fmt: skip
    return _line(node, access, at, made, leaf_id)


_LINES = """INSERT INTO access_record (subject, id, side, at, kind, who, fields, purpose, source, receiver, basis, about,
    consent_id, count, digest, leaf)
    SELECT subject, id, side, at, kind, who, string_to_array(fields, chr(31)), purpose, source, receiver, basis, about, consent_id,
      count, digest, leaf
    FROM unnest($1::text::text[], $2::text::uuid[], $3::text::text[], $4::timestamptz[], $5::text::text[], $6::text::text[], $7::text::text[],
      $8::text::text[], $9::text::text[], $10::text::text[], $11::text::text[], $12::text::text[], $13::text::uuid[], $14::integer[],
      $15::text::text[], $16::text::text[])
      AS u (subject, id, side, at, kind, who, fields, purpose, source, receiver, basis, about, consent_id, count, digest, leaf)"""


_NO_TEXT = frozenset({3, 13})
"""Columns of _LINES that are no text: `at` and `count`."""


def accessing_many(parts: Parts, node: Node, accesses: Sequence[Access]) -> list[Line]:
    """As `accessing`, for many accesses in one statement (成批记台账): their lines, in the order given.

    Each has its `id` and `at`. All are written or none is.
    """
    whole = [
        msgspec.structs.replace(one, at=moment(milliseconds(one.at or node.clock.now())), fields=tuple(sorted(one.fields))) for one in accesses
    ]
    if any(_BETWEEN in name for one in whole for name in one.fields):
        raise ValueError("a word of a field is plain text")
    facts = [access_fact(one) for one in whole]
    leaves = transparency.appending_many(parts, "leaf", "data.accessed", facts)
    lines = [
        _line(node, one, one.at or node.clock.now(), digest(fact), leaf) for one, fact, leaf in zip(whole, facts, leaves, strict=True)
    ]
    rows = [
        (one.subject, one.id, one.side, line.at, one.kind, one.who, _BETWEEN.join(one.fields), one.purpose, one.source, one.receiver,
         one.basis, one.about, one.consent_id, one.count, line.digest, line.leaf)
        for one, line in zip(whole, lines, strict=True)
    ]  # fmt: skip
    each: list[list[Any]] = [[row[place] for row in rows] for place in range(16)]
    parts.add("line", _LINES, *(one if place in _NO_TEXT else column(one) for place, one in enumerate(each)))
    return lines


async def record_access(tx: Tx, node: Node, access: Access) -> Line:
    """Write down one access to a person's data (记台账): the row and its log leaf, in the transaction that answers.

    An access between two nodes carries the same `id` and `at` at both ends; a local one gets them here. If this cannot
    be written, the data must not be given. Repeating the same (id, side) changes nothing. Source: privacy.md 6.
    """
    if access.id:
        old = await tx.fetchrow(
            "SELECT leaf, digest, at, fields FROM access_record WHERE subject = $1 AND id = $2 AND side = $3", access.subject, access.id, access.side
        )
        if old is not None:  # told once: a call that comes again gets the line that stands, with its time
            access = msgspec.structs.replace(access, fields=tuple(old["fields"]))
            return _line(node, access, old["at"], old["digest"], old["leaf"])
    parts = Parts()
    line = accessing(parts, node, access)
    await parts.run(tx)  # one round trip: this is done for every fact that leaves the house
    return line


def _line(node: Node, access: Access, at: datetime, made: str, leaf_id: str) -> Line:
    return Line(
        id=access.id,
        at=at,
        kind=access.kind,
        who=access.who,
        fields=access.fields,
        purpose=access.purpose,
        source=access.source,
        receiver=access.receiver,
        basis=access.basis,
        about=access.about,
        consent_id=access.consent_id,
        side=access.side,
        digest=made,
        leaf=leaf_id,
        node=node.id,
        count=access.count,
    )


async def hold_back(tx: Tx, about: str, until: datetime, basis: str) -> None:
    """Show the lines about one thing only from a day on (推迟显示), with the article that allows it. The lines stay as written.

    Set once: an earlier day is taken, a later one is not. Source: privacy.md 6.
    """
    await tx.execute(
        """INSERT INTO access_delay (about, until, basis) VALUES ($1, $2, $3)
           ON CONFLICT (about) DO UPDATE SET until = least(access_delay.until, excluded.until)""",
        about,
        until,
        basis,
    )
