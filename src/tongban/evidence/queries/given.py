"""A file as it is given away or read on here 取出内容: looked at whole, then piece by piece, whatever its size (R-407)."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncGenerator
from contextlib import aclosing

import msgspec

from tongban.evidence.errors import ContentAway, ContentDamaged
from tongban.evidence.providers import ContentStore
from tongban.evidence.queries.content import content_store
from tongban.evidence.queries.materials import TAG, opened
from tongban.evidence.rules import pieces
from tongban.kernel.gm import Digesting
from tongban.kernel.node import Node

_READ = 1024 * 1024


class Given(msgspec.Struct, frozen=True):
    """Content on its way out (给出的内容): its bytes in all, and the pieces of it, once."""

    byte_count: int
    pieces: AsyncGenerator[bytes, None]


async def given(node: Node, address: str, secret: bytes) -> Given:
    """The content of an address, whole by its digest before the first byte goes out (取出). Raises ContentAway, ContentDamaged.

    Damage is said in words while there is still a page to say it on; what changes between that look and the last piece ends the
    answer before its length is reached.
    """
    total = await asyncio.to_thread(_looked_at, content_store(node), address)
    if not pieces.in_pieces(secret):
        return Given(total - TAG, _held_back(opened(node, address, secret)))
    return Given(pieces.measured(total)[1], _in_pieces(content_store(node), address, secret, total))


def _looked_at(store: ContentStore, address: str) -> int:
    """How many bytes lie at an address, which are those it is named by. Blocking."""
    total, at, mark = store.size(address), 0, Digesting()
    if total is None:
        raise ContentAway
    while at < total:
        piece = store.part(address, at, min(_READ, total - at))
        if not piece:
            raise ContentAway
        mark.update(piece)
        at += len(piece)
    if mark.digest() != address or total < TAG:
        raise ContentDamaged
    return total


async def _held_back(content: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    """The last piece goes out when all of it was found whole: what was stored whole is not proven before."""
    before = b""
    async with aclosing(content):
        async for piece in content:
            if before:
                yield before
            before = piece
    if before:
        yield before


async def _in_pieces(store: ContentStore, address: str, secret: bytes, total: int) -> AsyncGenerator[bytes, None]:
    count, _ = pieces.measured(total)
    for number in range(count):
        yield await asyncio.to_thread(_piece, store, address, secret, number, count)


def _piece(store: ContentStore, address: str, secret: bytes, number: int, count: int) -> bytes:
    size = pieces.PIECE + pieces.TAG
    stored = store.part(address, number * size, size)
    if not stored:
        raise ContentAway
    return pieces.opened(secret, number, stored, last=number == count - 1)


class Reading(io.RawIOBase):
    """A file in pieces, read here from any place on (随处读). Blocking. Raises ContentAway, ContentDamaged; only genuine bytes come out."""

    def __init__(self, store: ContentStore, address: str, secret: bytes) -> None:
        total = store.size(address)
        if total is None:
            raise ContentAway
        self._count, self.byte_count = pieces.measured(total)
        self._store, self._address, self._secret = store, address, secret
        self._at = 0
        self._number = self._count - 1  # the last first: a file that was cut has none
        self._held = self._one(self._number)

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def tell(self) -> int:
        """The place of the next byte."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place."""
        self._at = max(0, {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.byte_count}[whence] + offset)
        return self._at

    def readinto(self, into: memoryview) -> int:  # type: ignore[override]
        """As much as the piece at this place still has."""
        if self._at >= self.byte_count:
            return 0
        number, start = divmod(self._at, pieces.PIECE)
        if number != self._number:
            self._held, self._number = self._one(number), number
        found = self._held[start : start + len(into)]
        into[: len(found)] = found
        self._at += len(found)
        return len(found)

    def _one(self, number: int) -> bytes:
        return _piece(self._store, self._address, self._secret, number, self._count)
