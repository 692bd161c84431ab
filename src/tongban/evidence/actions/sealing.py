"""A file that is written here piece by piece 边写边封: sealed, counted and named as it comes, in the store when it is whole (R-407).

Until then it lies beside the store, under no name that anybody opens, as the files that arrive from other nodes; what a kill
leaves there is swept after a day. Never is there plain content on the disk, nor more than a piece in memory.
"""

from __future__ import annotations

import os
from contextlib import suppress

import msgspec

from tongban.evidence.errors import NoRoomToPack
from tongban.evidence.providers import ContentStore, StoreTrouble
from tongban.evidence.rules import pieces
from tongban.kernel.gm import Digesting
from tongban.kernel.ids import uuid7


class Sealed(msgspec.Struct, frozen=True):
    """What lies in the store now (封好的): its address, its key, the bytes of its content."""

    address: str
    secret: bytes
    byte_count: int


class Sealing:
    """The beginning of a file that is written (正在写的文件). Blocking. `write`, then `close` or `give_up`; each raises NoRoomToPack."""

    def __init__(self, store: ContentStore) -> None:
        self._store, self._secret, self._mark = store, pieces.fresh(), Digesting()
        self._held, self._number, self._given_up = bytearray(), 0, False
        self.byte_count = 0
        try:
            store.incoming.mkdir(parents=True, exist_ok=True)
            self._path = store.incoming / f"making-{uuid7()}"
            self._file = self._path.open("xb")
        except OSError as full:
            raise NoRoomToPack from full

    def write(self, content: bytes | bytearray | memoryview) -> int:
        """So much more. A piece goes out when it is known not to be the last."""
        view = memoryview(content).cast("B")
        if self._given_up:
            return len(view)
        self.byte_count += len(view)
        self._held += view
        while len(self._held) > pieces.PIECE:
            self._out(bytes(self._held[: pieces.PIECE]), last=False)
            del self._held[: pieces.PIECE]
        return len(view)

    def flush(self) -> None:
        """Nothing to do: what is held is no piece yet."""

    def close(self) -> Sealed:
        """That was all: synced and under its name when this returns, so that its row may commit."""
        self._out(bytes(self._held), last=True)
        address = self._mark.digest()
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._store.take(address, self._path)
        except (OSError, StoreTrouble) as full:
            raise NoRoomToPack from full
        return Sealed(address, self._secret, self.byte_count)

    def give_up(self) -> None:
        """Leave nothing of it behind; what is written from now on is dropped. Again changes nothing."""
        self._given_up = True
        self._held.clear()
        with suppress(OSError):  # a full disk cannot even be told the rest
            self._file.close()
        self._path.unlink(missing_ok=True)

    def _out(self, plain: bytes, *, last: bool) -> None:
        stored = pieces.sealed(self._secret, self._number, plain, last=last)
        try:
            self._file.write(stored)
        except OSError as full:
            raise NoRoomToPack from full
        self._mark.update(stored)
        self._number += 1
