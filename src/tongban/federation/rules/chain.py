"""The chain of letters 信件链: is this letter the next of its stream, and what if not (federation.md 5.4). Pure.

Each rule here is one that the model checker asked for (docs/model/letters.pml: NOCHAIN, NOHEADS, PATHCURSOR, KEEPHAND).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from tongban.federation.rules.wire import Head, Place, Sealed, Statement

Link = Literal["next", "gap", "fork"]
AHEAD_MS = 30_000
FORGOTTEN_MS = 60_000


class Cursor(msgspec.Struct, frozen=True):
    """How far one origin has been read 收件进度; `streams` holds the last place of each stream of this epoch."""

    origin: str
    epoch: int
    seq: int
    streams: dict[str, Place]
    view: int
    closed_at: int | None = None
    stopped: str | None = None
    closed_by: int | None = None


def link(head: Head, held: Place | None) -> Link:
    """How the letter joins what is held of its stream.

    `gap`: something between is missing and can be fetched. `fork`: the origin tells two histories.
    """
    if head.prev is None:
        return "next" if held is None else "fork"
    if held is None or head.prev.seq > held.seq:
        return "gap"
    if head.prev.seq == held.seq and head.prev.digest == held.digest:
        return "next"
    return "fork"


def is_held(letter: Sealed, held: Place | None) -> bool:
    """Whether its stream has the letter already: it is met again because the cursor went back for a gap in another stream."""
    return held is not None and (letter.head.seq < held.seq or (letter.head.seq, letter.digest) == (held.seq, held.digest))


def too_early(head: Head, now_ms: int) -> bool:
    """A letter dated more than 30 s ahead waits until that is past (federation.md 6.4)."""
    return head.at > now_ms + AHEAD_MS


def counts_at(head: Head, statements: list[Statement]) -> int:
    """The time a letter counts with (倒签): its own `at`, or that of a head statement it should have been in.

    A letter with a higher number than a statement already seen cannot be older than that statement.
    """
    earlier = [one.at for one in statements if one.epoch == head.epoch and one.seq < head.seq]
    return max([head.at, *earlier])


class Finding(msgspec.Struct, frozen=True):
    """What a head statement shows about what is held here."""

    kind: Literal["fine", "behind", "rolled_back", "fork"]
    stream: str = ""


def judge_statement(statement: Statement, cursor: Cursor, own_streams: tuple[str, ...]) -> Finding:
    """Compare an origin's head statement with what this node holds of it, which may reach beyond a cursor that went back for a gap.

    `own_streams`: the streams this node reads (itself and `*`; a relay reads all that it holds). `rolled_back`: the
    origin says that it has sent less than it did. `fork`: same number, other letter [M].
    """
    if statement.epoch != cursor.epoch:
        return Finding("fine")
    if statement.seq < max([cursor.seq, *(place.seq for place in cursor.streams.values())]):
        return _earlier(statement, cursor, own_streams)
    for stream in own_streams:
        said, held = statement.streams.get(stream), cursor.streams.get(stream)
        if held is None:
            continue
        if said is None or said.seq < held.seq or (said.seq == held.seq and said.digest != held.digest):
            return Finding("fork", stream)
    return Finding("behind" if statement.seq > cursor.seq else "fine")


def _earlier(statement: Statement, cursor: Cursor, own_streams: tuple[str, ...]) -> Finding:
    """A statement older than the cursor is usual (it travels beside the letters); only a contradiction counts."""
    for stream in own_streams:
        said, held = statement.streams.get(stream), cursor.streams.get(stream)
        if said and held and said.seq == held.seq and said.digest != held.digest:
            return Finding("fork", stream)
        if said and held is None:
            return Finding("fork", stream)
    return Finding("fine")


def is_rolled_back(newer: Statement, older: Statement) -> bool:
    """Whether an origin's later statement claims an earlier epoch or fewer letters than its earlier one: it has been put back."""
    return newer.at > older.at and (newer.epoch, newer.seq) < (older.epoch, older.seq)


def has_forgotten(statement: Statement, opened: Mapping[int, int]) -> bool:
    """Whether an origin speaks of an earlier epoch after it had opened a later one: `opened` has the time of each (Unix ms)."""
    return any(epoch > statement.epoch and statement.at > at + FORGOTTEN_MS for epoch, at in opened.items())


class Run(msgspec.Struct, frozen=True):
    """A prefix of a batch that joins what is held, and why it ends where it ends."""

    letters: list[Sealed]
    streams: dict[str, Place]
    ended: Literal["all", "gap", "fork", "early", "other_epoch"]
    at: Sealed | None = None


def follow(cursor: Cursor, letters: list[Sealed], now_ms: int) -> Run:
    """The letters that can be taken in one go, in order, each joined to the one before in its stream (decisions D-3)."""
    streams: dict[str, Place] = dict(cursor.streams)
    taken: list[Sealed] = []
    seq = cursor.seq
    for letter in letters:
        head = letter.head
        if head.epoch != cursor.epoch:
            if head.epoch < cursor.epoch:
                continue
            return Run(taken, streams, "other_epoch", letter)
        held = streams.get(head.to)
        if head.seq <= seq or is_held(letter, held):
            continue
        if too_early(head, now_ms):
            return Run(taken, streams, "early", letter)
        joined = link(head, held)
        if joined != "next":
            return Run(taken, streams, joined, letter)
        streams[head.to] = Place(head.seq, letter.digest)
        taken.append(letter)
        seq = head.seq
    return Run(taken, streams, "all")


def passed_over(cursor: Cursor, run: Run) -> int | None:
    """The number from which to ask again when the letter that is missing lies behind the cursor; None when it lies ahead.

    A server that leaves out the last letter of a stream and says that it has looked further is found only at the next one: then
    the cursor must go back to the last letter held of that stream, or nobody can bring the missing one any more.
    """
    if run.ended != "gap" or run.at is None or run.at.head.prev is None or run.at.head.prev.seq > cursor.seq:
        return None
    held = run.streams.get(run.at.head.to)
    return held.seq if held is not None else 0


def run_ends(letters: list[Sealed]) -> set[int]:
    """Which letters of a run vouch for the others: the last of each stream; `prev` covers the rest (D-3)."""
    last: Mapping[str, int] = {letter.head.to: index for index, letter in enumerate(letters)}
    return set(last.values())
