"""A file from another node 到来的文件: piece by piece onto the disk, believed when its digest is that of the letter (R-407, T-92).

What was cut stays beside the store as a beginning, without a row and under no name that anybody opens; the next try goes on
from there, and one that nobody asks for any more is swept after a day. What is too long or has another digest is thrown away.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, suppress
from pathlib import Path

from tongban import exchange, federation
from tongban.evidence import queries
from tongban.evidence.errors import ContentAway, NoRoom
from tongban.evidence.providers import StoreTrouble, path_of
from tongban.kernel.gm import Digesting, unb64
from tongban.kernel.log import log
from tongban.kernel.node import Node

_READ = 1024 * 1024


class WrongContent(Exception):
    """What came is not the file that was meant (不是那份文件): too long, or of another digest. Nothing of it is kept."""


class NotThere(Exception):
    """The node answers, and does not have this file, or not for us (那边没有这份). The next one it may well have."""


class Arriving:
    """The beginning of a file that is arriving (正在收的文件). Blocking; one process at a time has it."""

    def __init__(self, folder: Path, address: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / path_of(address).replace("/", ".")
        self._address, self._digest = address, Digesting()
        self._file = self.path.open("a+b")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._file.seek(0)
            while piece := self._file.read(_READ):
                self._digest.update(piece)
        except BaseException:
            self._file.close()
            raise
        self.size = self._file.tell()

    def add(self, piece: bytes) -> None:
        """One piece more at the end."""
        self._file.write(piece)
        self._digest.update(piece)
        self.size += len(piece)

    def whole(self) -> bool:
        """Whether it is the file that was meant; then it is synced and may be taken into the store."""
        if self._digest.digest() != self._address:
            return False
        self._file.flush()
        os.fsync(self._file.fileno())
        return True

    def close(self, *, keep: bool) -> None:
        """Let go; with `keep` what came stays for the next try."""
        with suppress(OSError):  # a full disk: what is not written is asked for again
            self._file.flush()
        if not keep:
            self.path.unlink(missing_ok=True)
        with suppress(OSError):
            self._file.close()


async def bring(node: Node, origin: str, address: str, total: int, about: Mapping[str, str]) -> None:
    """Have a file of `total` bytes of ciphertext from its node in our store (取回文件); again changes nothing.

    Raises ContentAway (silent, busy, cut: the next try goes on), NotThere, WrongContent, NoRoom.
    """
    store = queries.content_store(node)
    if await asyncio.to_thread(store.size, address) is not None:
        return
    try:
        arriving = await asyncio.to_thread(Arriving, store.incoming, address)
    except BlockingIOError as other:
        raise ContentAway from other  # another process has it in hand
    except OSError as full:
        raise NoRoom from full
    keep = False
    try:
        async with aclosing(content_of(node, origin, "evidence.content", about, offset=arriving.size, most=total - arriving.size)) as pieces:
            async for piece in pieces:
                await asyncio.to_thread(arriving.add, piece)
        if not await asyncio.to_thread(arriving.whole):
            raise WrongContent
        await asyncio.to_thread(store.take, address, arriving.path)
    except exchange.FileCut as cut:
        if cut.reason == "refused":
            raise WrongContent from cut
        keep = True
        raise (NotThere() if cut.reason == "not_found" else ContentAway()) from cut
    except (OSError, StoreTrouble) as full:
        raise NoRoom from full
    finally:
        await asyncio.to_thread(arriving.close, keep=keep)


async def content_of(
    node: Node, origin: str, service: str, about: Mapping[str, str], *, offset: int = 0, most: int
) -> AsyncGenerator[bytes, None]:
    """The bytes of a file of another node, as they come (别处的内容), at most `most`. Raises exchange.FileCut.

    By stream; a neighbour of before streams answers `<service>.get` piece by piece instead.
    """
    if origin == node.id or most < 0:
        raise exchange.FileCut("refused" if most < 0 else "away")
    try:
        async with aclosing(exchange.carry_file(node, origin, service, about, offset=offset, most=most)) as pieces:
            async for piece in pieces:
                yield piece
        return
    except exchange.FileCut as cut:
        if cut.reason != "no_such_service":
            raise
    log("evidence.asked_by_calls", origin=origin, service=service)
    at = offset
    while True:
        try:
            answer = await federation.call(node, origin, f"{service}.get", {**about, "offset": at}, budget_ms=10_000)
            piece, total = unb64(str(answer["content"])), int(answer["total"])
        except (federation.CallFailed, federation.CallRefused, KeyError, ValueError) as away:
            raise exchange.FileCut("away") from away
        if at + len(piece) > offset + most:
            raise exchange.FileCut("refused")
        at += len(piece)
        if piece:
            yield piece
        if at >= total or not piece:
            return
