"""Carry 搬运文件: a file as a stream of signed pieces, from the node that has it to one that may have it (R-402, R-407).

Which file, and who may have it, is the matter of the room that keeps it. Here: neither end holds more than a piece; the row of
the log stands at both ends before the first piece goes out and says with its bytes how it ended; where it was cut it goes on
next time. That the whole is the file that was meant is judged by its digest, at the end, by whoever keeps it.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import Any
from weakref import WeakKeyDictionary

import msgspec

from tongban import federation, transparency
from tongban.exchange.actions.fetch import REASONS
from tongban.kernel.db import Tx
from tongban.kernel.gm import BadEncoding, b64, digest, jcs, unb64
from tongban.kernel.ids import is_uuid, uuid7
from tongban.kernel.log import log
from tongban.kernel.node import Node

PIECE = 256 * 1024
"""Bytes of a piece: a few copies of it are all that either end holds; in base64 it is well under the line of a stream (1 MiB)."""
AT_ONCE = 4
"""Files on their way to one caller; the next waits, at the caller's, for its turn."""
PATIENCE_MS = 10_000
PURPOSE = "file.carry"
_under_way: WeakKeyDictionary[Node, Counter[str]] = WeakKeyDictionary()
_noting: set[asyncio.Task[None]] = set()


class FileCut(Exception):
    """A file did not come whole (没收全). `reason`: away, busy, not_found, refused (what came is no answer), no_such_service."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class File(msgspec.Struct, frozen=True):
    """A file that may be given (可以给的文件): its bytes in all, and `part(start, length)`, b"" when it is gone."""

    total: int
    part: Callable[[int, int], Awaitable[bytes]]


class FileAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is asked (要哪个文件): `about` names it to the room that keeps it; from byte `offset` on."""

    v: int
    id: str
    offset: int
    about: dict[str, str]


class Tally(msgspec.Struct):
    """What went through in this stream (累计), the same at both ends."""

    size: int = 0
    pieces: int = 0
    mark: str = ""

    def count(self, piece: bytes) -> None:
        self.size += len(piece)
        self.pieces += 1
        self.mark = digest((self.mark + digest(piece)).encode("ascii"))


# ---- giving ------------------------------------------------------------------------------------------------------


async def give_file(
    node: Node, caller: str, body: dict[str, Any], *, service: str, find: Callable[[Mapping[str, str]], Awaitable[File | None]]
) -> AsyncGenerator[dict[str, Any], None]:
    """The frames of a file for a caller (给文件). `find` answers the file when this caller may have it, else None."""
    asked = _asked(body)
    found = await find(asked.about)
    if found is None or asked.offset > found.total:
        async with node.db.transaction() as tx:
            await _begun(tx, "owner", caller, service, asked, node, "not_found")
        raise federation.CallRefused(404, "not_found", ("evidence.unknown",))
    count = _under_way.setdefault(node, Counter())
    if count[caller] >= AT_ONCE:
        raise federation.CallRefused(429, "busy", ())
    tally, opened, done = Tally(), False, False
    count[caller] += 1
    try:
        async with node.db.transaction() as tx:
            if not await _begun(tx, "owner", caller, service, asked, node, "streaming"):
                raise federation.CallRefused(422, "key_reused", ())
        opened = True
        while asked.offset + tally.size < found.total:
            at = asked.offset + tally.size
            piece = await found.part(at, min(PIECE, found.total - at))
            if not piece:
                raise federation.CallRefused(404, "not_found", ("evidence.unknown",))  # deleted meanwhile
            tally.count(piece)
            yield {"v": 1, "at": at, "content": b64(piece)}
        await _given(node, caller, service, asked, tally, "given")
        done = True
        yield {"v": 1, "total": found.total, "bytes": tally.size, "pieces": tally.pieces, "mark": tally.mark}
    finally:
        count[caller] -= 1
        if opened and not done:
            noting = asyncio.get_running_loop().create_task(_given(node, caller, service, asked, tally, "cut"))  # outlives whoever stopped this
            _noting.add(noting)
            noting.add_done_callback(_noting.discard)


def _asked(body: dict[str, Any]) -> FileAsked:
    try:
        asked = msgspec.convert(body, FileAsked)
    except msgspec.ValidationError:
        raise federation.CallRefused(400, "malformed", ()) from None
    if asked.v != 1 or not is_uuid(asked.id) or asked.offset < 0 or len(asked.about) > 4:
        raise federation.CallRefused(400, "malformed", ())
    return asked


async def _given(node: Node, caller: str, service: str, asked: FileAsked, tally: Tally, outcome: str) -> None:
    """How it ended, with a leaf of the log: who got how many bytes of what (一次搬运一行)."""
    fact = {"v": 1, "id": asked.id, "resource": service, "caller": caller, "outcome": outcome, "bytes": tally.size, "pieces": tally.pieces, "mark": tally.mark}
    async with node.db.transaction() as tx:
        await transparency.append(tx, "data.streamed", jcs(fact))
        await _ended(tx, "owner", asked, tally, outcome)
    log("exchange.file_given" if outcome == "given" else "exchange.file_cut", peer=caller, service=service, bytes=tally.size)


# ---- asking ------------------------------------------------------------------------------------------------------


async def carry_file(
    node: Node, owner: str, service: str, about: Mapping[str, str], *, offset: int = 0, most: int
) -> AsyncGenerator[bytes, None]:
    """The rest of a file from byte `offset` on, piece by piece as it comes (取文件); at most `most` bytes.

    Each piece is the owner's own when it is given. Only when this ends without an error was that the rest of the file: one that
    was cut raises FileCut, and what came before is a beginning from which the next try goes on. Never inside a transaction.
    """
    asked = FileAsked(1, uuid7(), offset, dict(about))
    async with node.db.transaction() as tx:
        await _begun(tx, "caller", owner, service, asked, node, "asked")
    tally, started, outcome, last = Tally(), node.clock.ms(), "cut", {}
    pieces = federation.stream(node, owner, service, asked, budget_ms=PATIENCE_MS)
    try:
        async for frame in pieces:
            if "total" in frame:
                last = frame
                continue
            piece = _next(frame, offset + tally.size, most - tally.size)
            tally.count(piece)
            yield piece
        told = (last.get("total"), last.get("bytes"), last.get("pieces"), last.get("mark"))
        outcome = "given" if told == (offset + tally.size, tally.size, tally.pieces, tally.mark) else "refused"
    except federation.CallRefused as error:
        outcome = "no_such_service" if error.problem == "no_such_service" else REASONS.get(error.problem, "refused")
    except federation.CallFailed as error:
        outcome = {"forged": "refused", "busy": "busy"}.get(error.problem, "away")
    except (federation.NotMember, federation.UnknownNode):
        outcome = "away"
    except (KeyError, TypeError, BadEncoding, ValueError):
        outcome = "refused"  # genuine, and no piece of this file
    finally:
        await pieces.aclose()
        async with node.db.transaction() as tx:
            await _ended(tx, "caller", asked, tally, outcome, ms=node.clock.ms() - started)
        log("exchange.file_carried", peer=owner, service=service, bytes=tally.size, state=outcome)
    if outcome != "given":
        raise FileCut(outcome)


def _next(frame: dict[str, Any], at: int, most: int) -> bytes:
    """The content of a frame that is the next of the file and no more than may come; ValueError otherwise."""
    piece = unb64(str(frame["content"]))
    if frame["at"] != at or not piece or len(piece) > most:
        raise ValueError("not the next piece")
    return piece


# ---- the log -----------------------------------------------------------------------------------------------------


async def _begun(tx: Tx, side: str, peer: str, service: str, asked: FileAsked, node: Node, outcome: str) -> bool:
    """The row of this end, before anything goes out; False for a number that was used before."""
    made = await tx.fetchval(
        """INSERT INTO exchange_message (id, side, peer, resource, purpose, fields, request, outcome, at, bytes_given, pieces)
           VALUES ($1, $2, $3, $4, $5, '{}', $6, $7, $8, 0, 0) ON CONFLICT DO NOTHING RETURNING 1""",
        asked.id, side, peer, service, PURPOSE, digest(jcs(msgspec.to_builtins(asked))), outcome, node.clock.now(),
    )  # fmt: skip
    return made is not None


async def _ended(tx: Tx, side: str, asked: FileAsked, tally: Tally, outcome: str, *, ms: int | None = None) -> None:
    await tx.execute(
        "UPDATE exchange_message SET outcome = $3, answer = $4, bytes_given = $5, pieces = $6, ms = $7 WHERE id = $1 AND side = $2",
        asked.id, side, outcome, tally.mark if outcome == "given" else "", tally.size, tally.pieces, ms,
    )  # fmt: skip
