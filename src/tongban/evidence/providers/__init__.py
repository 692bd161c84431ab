"""Where content lies and who looks into it (内容存储、扫描): a folder or an S3-compatible store; a scanner behind one Protocol."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Literal, Protocol

import msgspec


class StoreTrouble(Exception):
    """The store could not take it (存不下): full, away, refused. Nothing was kept under the name."""


class ScannerAway(Exception):
    """The scanner did not answer in its time or not in its words (扫描服务没回应)."""


class Kept(msgspec.Struct, frozen=True):
    """One thing in a store (库里的一份): its content address, or the name as it is when it is none; size; last change."""

    address: str
    path: str
    byte_count: int
    at: datetime


class ContentStore(Protocol):
    """Ciphertext by content address (内容存储). What `put` has returned from survives a power cut; it raises StoreTrouble."""

    incoming: Path
    """Where files from other nodes arrive, piece by piece; on the same disk where the store is a folder."""

    def put(self, address: str, content: bytes) -> None: ...

    def take(self, address: str, arrived: Path) -> None: ...

    def get(self, address: str) -> bytes | None: ...

    def size(self, address: str) -> int | None: ...

    def part(self, address: str, start: int, length: int) -> bytes: ...

    def drop(self, address: str) -> None: ...

    def listed(self) -> Iterator[Kept]: ...

    def sweep(self, path: str) -> None: ...


class Scanner(Protocol):
    """Looks into a file for what harms who opens it, piece by piece as it comes (扫描). Raises ScannerAway."""

    async def scan(self, content: AsyncIterable[bytes]) -> Literal["clean", "infected"]: ...


def path_of(address: str) -> str:
    """Where an address lies in a store: `sm3:AbCd…` in `Ab/AbCd…`. ValueError for what is no content address."""
    name = address.removeprefix("sm3:")
    if not name or not all(char.isalnum() or char in "-_" for char in name):
        raise ValueError("not a content address")
    return f"{name[:2]}/{name}"


def address_of(path: str) -> str:
    """The address that lies at a path, "" when nothing of ours has that name (an unfinished write is `name#1`)."""
    folder, _, name = path.partition("/")
    plain = name.isascii() and all(char.isalnum() or char in "-_" for char in name)
    return f"sm3:{name}" if plain and len(name) == 43 and folder == name[:2] else ""
