"""Taking letters 收信: checks, chain, effect, `applied` and cursor in one commit (federation.md 5.4, decisions D-3)."""

from __future__ import annotations

import asyncio
import random
import time
from typing import Any, Literal

import asyncpg
import msgspec

from tongban.federation.actions import park as parking
from tongban.federation.actions.alarm import raise_alarm
from tongban.federation.actions.apply import Attempt, Trouble, attempt
from tongban.federation.actions.believe import first_fault
from tongban.federation.actions.measure import LETTERS, STOPPED
from tongban.federation.actions.office import BEHIND_BELL, LETTERS_BELL, handlers_of, office, public_key
from tongban.federation.actions.stamp import keep_statement
from tongban.federation.model import Directory
from tongban.federation.queries.mail import cursor_from, epoch_letters, statements
from tongban.federation.rules import chain, wire
from tongban.federation.rules import directory as directory_rules
from tongban.federation.rules.wire import Sealed, SignedStatement, Statement
from tongban.kernel.db import Tx, ring
from tongban.kernel.gm import jcs
from tongban.kernel.log import log
from tongban.kernel.node import Node

TRIES = 5
UNKNOWN_KEY_TRIES = 3
_MAY_COME = frozenset({"unknown_key", "revoked_key", "no_body"})
"""Faults that another server or a newer directory may mend: the letter is waited for."""
_BUSY = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError)


class Batch(msgspec.Struct, frozen=True):
    """What one fetch brought of one origin, with the `view` it was fetched under; `through` = (epoch, seq) looked at."""

    origin: str
    view: int
    letters: list[Sealed]
    through: tuple[int, int] | None
    source: str


class Received(msgspec.Struct, frozen=True):
    """What became of a batch. `ended` tells the fetcher why it was not taken whole."""

    ended: Literal["all", "gap", "fork", "early", "other_epoch", "bad_letter", "old_view", "stopped", "held"]
    applied: int = 0
    known: int = 0
    parked: int = 0
    moved: bool = False


async def receive(node: Node, batch: Batch) -> Received:
    """Take a batch, in order, each letter once (收信). One transaction: effects, parkings and cursor commit together.

    A deadlock is tried again at once, up to five times. If nothing can commit, nothing moves and the database's error
    is raised: a sick node does not park the world's mail.
    """
    found = await office(node).need(node)
    for turn in range(TRIES):
        try:
            async with node.db.transaction() as tx:
                done = await _receive(tx, node, found, batch)
            break
        except _BUSY:
            if turn == TRIES - 1:
                raise
            await asyncio.sleep(random.uniform(0, 0.02 * (turn + 1)))  # noqa: S311  spreads two that met
    if done.moved:
        node.bell.ring(LETTERS_BELL)
    return done


async def _receive(tx: Tx, node: Node, found: Directory, batch: Batch) -> Received:
    row = await tx.fetchrow("SELECT * FROM letter_cursor WHERE origin = $1 FOR UPDATE", batch.origin)
    if row is None or row["view"] != batch.view:
        return Received("old_view")
    cursor = cursor_from(row)
    if cursor.stopped:
        return Received("stopped")
    run = chain.follow(cursor, _of_this_life(cursor, batch.letters), node.clock.ms())
    me = found.node(node.id)
    relays = me is not None and me.relay
    fault = await first_fault(node, found, batch.origin, run.letters, everyone=relays)
    taken, ended = run.letters, run.ended
    if fault is not None:
        taken = run.letters[: fault.index]
        ended_here: Any = "held" if fault.code in _MAY_COME else "bad_letter"
    else:
        ended_here = ended
    streams = _streams_after(cursor, taken)
    mine = [letter for letter in taken if letter.head.to in (node.id, "*")]
    counts = await _effects(tx, node, batch.origin, mine)
    if relays:
        await _keep_for_others(tx, taken)
    seq = _cursor_after(cursor, taken, ended_here, batch.through)
    back = chain.passed_over(cursor, run) if fault is None else None
    if back is not None or seq != cursor.seq:
        await tx.execute(
            "UPDATE letter_cursor SET seq = $2, streams = $3, view = view + $4, moved_at = now() WHERE origin = $1",
            batch.origin, seq if back is None else back, msgspec.to_builtins(streams), int(back is not None),
        )  # fmt: skip
        if relays and taken:
            await ring(tx, LETTERS_BELL)
    if fault is not None:
        await _stop_for(tx, node, batch, run.letters[fault.index], fault.code)
    elif ended == "fork" and run.at is not None:
        await _stop_for(tx, node, batch, run.at, "fork")
    elif counts["parked"]:
        await _mass_parking(tx, batch.origin)
    return Received(ended_here, counts["applied"], counts["known"], counts["parked"], seq != cursor.seq and back is None)


def _of_this_life(cursor: chain.Cursor, letters: list[Sealed]) -> list[Sealed]:
    """Of a closed epoch nothing beyond the end that its origin declared."""
    if cursor.closed_at is None:
        return letters
    return [one for one in letters if one.head.epoch != cursor.epoch or one.head.seq <= cursor.closed_at]


def _streams_after(cursor: chain.Cursor, taken: list[Sealed]) -> dict[str, wire.Place]:
    streams = dict(cursor.streams)
    for letter in taken:
        streams[letter.head.to] = wire.Place(letter.head.seq, letter.digest)
    return streams


def _cursor_after(cursor: chain.Cursor, taken: list[Sealed], ended: str, through: tuple[int, int] | None) -> int:
    """The cursor also moves over letters meant for others, but never past one not taken, nor past the end of a closed epoch."""
    seq = taken[-1].head.seq if taken else cursor.seq
    if ended == "all" and through is not None and through[0] == cursor.epoch:
        seq = max(seq, through[1] if cursor.closed_at is None else min(through[1], cursor.closed_at))
    return seq


async def _stop_for(tx: Tx, node: Node, batch: Batch, letter: Sealed, code: str) -> None:
    """Stop this origin and raise an alarm; never park what cannot be believed.

    A key that is not known may be newer than our directory: it is fetched, and an operator hears at the third try. A
    revoked key is waited for, until the origin has signed the same heads again.
    """
    evidence = jcs(
        {"came": {"head": letter.head_bytes.decode(), "kid": letter.kid, "sig": letter.signature}, "by": batch.source}
    )
    where = f"{letter.head.epoch}.{letter.head.seq} {letter.digest}"
    tries = 0
    if code == "unknown_key":
        tries = office(node).unknown_key(letter.kid)
        node.bell.ring(BEHIND_BELL)
    if code == "no_body":
        await _without_body(tx, node, batch, where, evidence)
        return
    if code == "unknown_key" and tries < UNKNOWN_KEY_TRIES:
        return
    if code in ("unknown_key", "revoked_key"):
        if code == "revoked_key":
            office(node).suspects[batch.origin] = time.monotonic()  # only the origin can bring it signed by a good key
        await raise_alarm(
            tx, f"letter_{code}", batch.origin, where, "签名的密钥目录里没有或已撤销，这个节点的信先等着", evidence
        )
        return
    await tx.execute("UPDATE letter_cursor SET stopped = $2 WHERE origin = $1", batch.origin, code)
    STOPPED.labels(batch.origin, code).set(1)
    sentence = (
        "同一编号出现两封不同的信，已停收，请联系对方"
        if code == "fork"
        else "收到的信签名或摘要不对，已停收，请联系对方"
    )
    await raise_alarm(tx, f"letter_{code}", batch.origin, where, sentence, evidence)
    log("federation.origin_stopped", origin=batch.origin, reason=code, seq=letter.head.seq)


async def _without_body(tx: Tx, node: Node, batch: Batch, where: str, evidence: bytes) -> None:
    """Only its origin can still have what a relay left out or has no more; what the origin has no more is for two officers (7)."""
    office(node).suspects[batch.origin] = time.monotonic()
    if batch.source == batch.origin:
        await tx.execute("UPDATE letter_cursor SET stopped = 'no_body' WHERE origin = $1", batch.origin)
        STOPPED.labels(batch.origin, "no_body").set(1)
        await raise_alarm(
            tx, "letter_no_body", batch.origin, where, "对方已没有这封信的内容，已停收；请和对方核对，再由两个人决定载入快照", evidence
        )


async def _mass_parking(tx: Tx, origin: str) -> None:
    """More than 50 parkings, or 20 % of 100 letters, within 5 minutes: a bad release, not bad letters."""
    row = await tx.fetchrow(
        "SELECT (SELECT count(*) FROM letter_parked WHERE origin = $1 AND since > now() - interval '5 minutes'"
        "  AND reason <> 'behind') AS parked,"
        " (SELECT count(*) FROM letter_applied WHERE origin = $1 AND taken_at > now() - interval '5 minutes') AS taken",
        origin,
    )
    assert row is not None
    if row["parked"] > 50 or (row["taken"] >= 100 and row["parked"] * 5 > row["taken"]):
        await tx.execute("UPDATE letter_cursor SET stopped = 'mass_parking' WHERE origin = $1", origin)
        STOPPED.labels(origin, "mass_parking").set(1)
        await raise_alarm(tx, "mass_parking", origin, "", "短时间内很多信办不了，已停收；多半是本节点新版本有问题", b"")


# ---- effects ---------------------------------------------------------------------------------------------------


async def _effects(tx: Tx, node: Node, origin: str, letters: list[Sealed]) -> dict[str, int]:
    """Each letter's effect, once; letters behind a parked one about the same thing wait with it."""
    counts = {"applied": 0, "known": 0, "parked": 0}
    if not letters:
        return counts
    known = {
        row["id"]
        for row in await tx.fetch(
            "SELECT id FROM letter_applied WHERE id = ANY($1::uuid[])", [one.head.id for one in letters]
        )
    }
    waiting = await parking.lock_threads(tx, origin, sorted({one.head.about for one in letters}))
    said = await statements(tx, origin)
    done: list[tuple[Sealed, str]] = []
    again: list[Sealed] = []
    for letter in letters:
        head = letter.head
        if head.id in known:
            again.append(letter)
            counts["known"] += 1
            LETTERS.labels(origin, head.kind, "known").inc()
            continue
        known.add(head.id)
        tried = await _one(tx, node, letter, said, behind=head.about in waiting)
        done.append((letter, "parked" if tried.trouble else "compacted" if letter.body is None else "applied"))
        if tried.trouble:
            waiting.add(head.about)
            await _remember(tx, done)
            done.clear()
            await parking.park(tx, letter, tried.trouble)
        counts["parked" if tried.trouble else "applied"] += 1
        LETTERS.labels(origin, head.kind, "parked" if tried.trouble else "applied").inc()
    await _remember(tx, done)
    await _met_again(tx, again)
    return counts


async def _met_again(tx: Tx, letters: list[Sealed]) -> None:
    """A letter stamped again in a later life of its origin's log stands at its new place; its effect stays one."""
    if not letters:
        return
    await tx.execute(
        "UPDATE letter_to_return SET met_at = now() WHERE origin = $1 AND id = ANY($2::uuid[]) AND met_at IS NULL",
        letters[0].head.origin, [one.head.id for one in letters],
    )  # fmt: skip
    await tx.executemany(
        "UPDATE letter_applied SET epoch = $3, seq = $4, head = $5, kid = $6, sig = $7, body = coalesce(body, $8)"
        " WHERE id = $1 AND origin = $2 AND (epoch, seq) <> ($3, $4)",
        [
            (one.head.id, one.head.origin, one.head.epoch, one.head.seq, one.head_bytes, one.kid, one.signature, one.body)
            for one in letters
        ],
    )  # fmt: skip


async def _one(tx: Tx, node: Node, letter: Sealed, said: list[Statement], *, behind: bool) -> Attempt:
    if behind:
        return Attempt(Trouble("behind"))
    if letter.body is None:
        return Attempt(None)  # compacted: a newer letter about this thing is on its way
    return await attempt(tx, node, handlers_of(node), letter.head, letter.body, said)


async def _remember(tx: Tx, done: list[tuple[Sealed, str]]) -> None:
    """The letters and what became of them, known by id from now on; many in one statement's round trip."""
    await tx.executemany(
        'INSERT INTO letter_applied (id, origin, epoch, seq, "to", kind, kind_version, about, at, head, kid, sig, body, outcome)'
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
        [
            (one.head.id, one.head.origin, one.head.epoch, one.head.seq, one.head.to, one.head.kind, one.head.kind_version,
             one.head.about, one.head.at, one.head_bytes, one.kid, one.signature, one.body, outcome)
            for one, outcome in done
        ],
    )  # fmt: skip


async def _keep_for_others(tx: Tx, letters: list[Sealed]) -> None:
    """The relay keeps every letter as it is, in the transaction that moves its cursor (federation.md 5.5)."""
    await tx.executemany(
        'INSERT INTO relay (origin, epoch, seq, id, "to", digest, head, kid, sig, body)'
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING",
        [
            (one.head.origin, one.head.epoch, one.head.seq, one.head.id, one.head.to, one.digest, one.head_bytes,
             one.kid, one.signature, one.body)
            for one in letters
        ],
    )  # fmt: skip


# ---- head statements ---------------------------------------------------------------------------------------------


async def receive_statement(node: Node, signed: SignedStatement) -> chain.Finding:
    """Keep a head statement if its origin signed it, and see what it shows (收末尾声明): fork, rollback, or nothing."""
    found = await office(node).need(node)
    said = signed.statement
    if said.origin == node.id:
        return chain.Finding("fine")
    key = public_key(found, signed.kid)
    fault = directory_rules.letter_key_fault(found, signed.kid, said.origin, said.at)
    if (
        key is None
        or fault
        or said.at > node.clock.ms() + chain.AHEAD_MS
        or not wire.verify(key, signed.canonical, signed.signature)
    ):
        return chain.Finding("fine")
    async with node.db.transaction() as tx:
        row = await tx.fetchrow("SELECT * FROM letter_cursor WHERE origin = $1 FOR UPDATE", said.origin)
        if row is None:
            return chain.Finding("fine")
        held = await statements(tx, said.origin)
        cursor = cursor_from(row)
        me = found.node(node.id)
        streams = tuple(cursor.streams) if me is not None and me.relay else (node.id, "*")
        finding = chain.judge_statement(said, cursor, streams)
        opened = {one.epoch: one.at for one in await epoch_letters(tx, said.origin)} if said.epoch < cursor.epoch else {}
        if chain.has_forgotten(said, opened) or any(chain.is_rolled_back(said, one) or chain.is_rolled_back(one, said) for one in held):
            finding = chain.Finding("rolled_back")
        await keep_statement(tx, said.origin, said.epoch, said.seq, said.at, signed.whole)
        if finding.kind in ("fork", "rolled_back"):
            await tx.execute(
                "UPDATE letter_cursor SET stopped = $2 WHERE origin = $1 AND stopped IS NULL", said.origin, finding.kind
            )
            await raise_alarm(
                tx,
                f"head_{finding.kind}",
                said.origin,
                f"{said.epoch}",
                "对方的末尾声明与本节点收到的信对不上，已停收",
                signed.whole,
            )
    return finding


async def resume(tx: Tx, node: Node, origin: str) -> None:
    """Take letters of a stopped origin again, after a person has looked (恢复收信); batches in memory die."""
    stopped = await tx.fetchval("SELECT stopped FROM letter_cursor WHERE origin = $1 FOR UPDATE", origin)
    await tx.execute("UPDATE letter_cursor SET stopped = NULL, view = view + 1 WHERE origin = $1", origin)
    if stopped:
        STOPPED.labels(origin, stopped).set(0)
    await ring(tx, LETTERS_BELL)
    log("federation.origin_resumed", origin=origin, node=node.id)
